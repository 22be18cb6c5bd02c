"""Real batches by position: the k-th image ever shown is a function of the seed, so a run resumes anywhere exactly."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganvas import latents
from ganvas.data import Images
from ganvas.gan import Batch
from ganvas.ops.pixels import to_float

ON_DEVICE_SHARE = 0.25  # a set smaller than this share of the device's free memory lives there


class Feed:
    """Shuffled epochs of a data set, each image once per epoch, batches crossing from one epoch into the next."""

    def __init__(self, images: Images, seed: int, device: torch.device, flip: bool = False) -> None:
        self.images, self.seed, self.device = images, seed, device
        self.flip = flip and not images.is_toy
        self.on_device = (
            device.type == "cuda" and images.x.nbytes < ON_DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]
        )
        self.x = torch.from_numpy(np.ascontiguousarray(images.x)).to(device) if self.on_device else None
        self.orders: dict[int, tuple[Tensor, Tensor]] = {}

    def batch(self, position: int, n: int) -> Batch:
        """Images position ... position + n - 1 of the endless shuffled stream, on the device."""
        picks = [self._order(p) for p in self._epochs(position, n)]
        start = position % len(self.images)
        index = torch.cat([order for order, _ in picks])[start : start + n]
        mirrored = torch.cat([mirror for _, mirror in picks])[start : start + n]
        x = self._pixels(index)
        if self.flip:
            x = torch.where(mirrored.to(self.device)[:, None, None, None], x.flip(-1), x)
        y = torch.from_numpy(self.images.y[index.numpy()]).to(self.device) if self.images.y is not None else None
        return Batch(x, y)

    def _pixels(self, index: Tensor) -> Tensor:
        if self.x is not None:
            x = self.x[index.to(self.device)]
        else:
            x = torch.from_numpy(self.images.x[index.numpy()]).to(self.device, non_blocking=True)
        return x if self.images.is_toy else to_float(x).contiguous(memory_format=torch.channels_last)

    def _epochs(self, position: int, n: int) -> range:
        return range(position // len(self.images), (position + n - 1) // len(self.images) + 1)

    def _order(self, epoch: int) -> tuple[Tensor, Tensor]:
        """The permutation of an epoch, and which of its images are mirrored."""
        if epoch not in self.orders:
            rng = latents.generator("order", self.seed, epoch)
            m = len(self.images)
            self.orders[epoch] = (torch.randperm(m, generator=rng), torch.rand(m, generator=rng) < 0.5)
            self.orders.pop(epoch - 2, None)
        return self.orders[epoch]
