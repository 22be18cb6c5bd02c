"""Real batches by position: the k-th image ever shown is a function of the seed, so a run resumes anywhere exactly."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganvas import rng
from ganvas.data import Dataset
from ganvas.gan import Batch

ON_DEVICE_SHARE = 0.25  # a set smaller than this share of the device's free memory lives there


class Feed:
    """Shuffled epochs of a data set, each row once per epoch, batches crossing from one epoch into the next.

    share: of several processes, which one's rows of a batch, of how many: rows r, r + W, r + 2 W, ...
    """

    def __init__(
        self, data: Dataset, seed: int, device: torch.device, flip: bool = False, share: tuple[int, int] = (0, 1)
    ) -> None:
        self.data, self.seed, self.device, self.flip, self.share = data, seed, device, flip, share
        size = sum(array.nbytes for array in data.arrays.values())
        self.on_device = device.type == "cuda" and size < ON_DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]
        self.there = {
            name: torch.from_numpy(np.ascontiguousarray(array)).to(device)
            for name, array in data.arrays.items()
            if self.on_device
        }
        self.orders: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self.chances: dict[tuple[int | str, ...], Tensor] = {}

    def batch(self, position: int, n: int) -> Batch:
        """Of rows position ... position + n - 1 of the endless shuffled stream the share, on the device."""
        m, (first, step) = len(self.data), self.share
        epochs = [self._order(e) for e in range(position // m, (position + n - 1) // m + 1)]
        start = position % m
        index, mirrored, chance = (torch.cat(column)[start : start + n][first::step] for column in zip(*epochs))
        return self.data.rows(self.take, index, mirrored.to(self.device) if self.flip else None, chance)

    def renewed(self, batch: Batch, position: int, phase: str) -> Batch:
        """The batch at this position with what a phase does not share with others: conditions of fakes."""
        if not self.data.chances:
            return batch
        m, (first, step) = len(self.data), self.share
        n = len(batch.x) * step
        epochs = range(position // m, (position + n - 1) // m + 1)
        chance = torch.cat([self._chance(epoch, phase) for epoch in epochs])[position % m : position % m + n]
        return self.data.renewed(batch, self.take, chance[first::step])

    def take(self, name: str, index: Tensor) -> Tensor:
        """Some rows of an array of the data set, on the device."""
        if self.on_device:
            return self.there[name][index.to(self.device)]
        return torch.from_numpy(self.data.arrays[name][index.numpy()]).to(self.device, non_blocking=True)

    def _order(self, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """The permutation of an epoch, which of its rows are mirrored, and the uniform numbers that each may use."""
        if epoch not in self.orders:
            generator, m = rng.generator("order", self.seed, epoch), len(self.data)
            order, mirrored = torch.randperm(m, generator=generator), torch.rand(m, generator=generator) < 0.5
            self.orders[epoch] = (order, mirrored, self._chance(epoch))
            self.orders.pop(epoch - 2, None)
        return self.orders[epoch]

    def _chance(self, epoch: int, *phase: str) -> Tensor:
        """The uniform numbers of an epoch's rows, those that all phases share or those of one phase."""
        if (epoch, *phase) not in self.chances:
            generator = rng.generator("chance", self.seed, epoch, *phase)
            self.chances[epoch, *phase] = torch.rand(len(self.data), self.data.chances, generator=generator)
            self.chances.pop((epoch - 2, *phase), None)
        return self.chances[epoch, *phase]
