"""A history of generated images from which D is sometimes shown an old one (Shrivastava et al. 2017; CycleGAN)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.errors import InputError


class Pool(nn.Module):
    """The last images, all of it buffers, so that a checkpoint holds it and a resumed run goes on exactly.

    Its memory is allocated at once: 50 images of 3 x 256 x 256 are 39 MB in float32.
    """

    images: Tensor  # [size, C, H, W]
    filled: Tensor  # int64, how many of them have been stored; 0 to size

    def __init__(self, size: int, channels: int, height: int, width: int) -> None:
        super().__init__()
        if size < 0:
            raise InputError(f"a pool of {size} images given, expected 0 (none) or more, as 50")
        self.size = size
        self.register_buffer("images", torch.zeros(size, channels, height, width))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def draw(self, num: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Coins and slots for `num` images.  -> bool [N], one half each; int64 [N] in 0..size-1"""
        coins = torch.rand(num, generator=rng, device=rng.device) < 0.5
        return coins, torch.randint(max(self.size, 1), (num,), generator=rng, device=rng.device)

    @torch.no_grad()
    def exchange(self, images: Tensor, coins: Tensor, slots: Tensor) -> Tensor:
        """What D is shown in place of the images, which are stored.  [N, C, H, W], [N], [N] -> [N, C, H, W], detached

        One image after the other: until the pool is full it is stored and shown. From then on, where the coin says
        so, the stored image of the slot is shown and the new one takes its place; else the new one is shown and not
        stored. A pool of size 0 shows what it is given. Nothing here waits for the device.
        """
        if not self.size:
            return images.detach()
        assert images.shape[1:] == self.images.shape[1:], (images.shape, self.images.shape)
        coins, slots = coins.to(self.images.device), slots.to(self.images.device)
        shown = [self._exchange_one(images[i : i + 1], coins[i], slots[i]) for i in range(len(images))]
        return torch.cat(shown) if shown else images.detach()

    def _exchange_one(self, image: Tensor, coin: Tensor, slot: Tensor) -> Tensor:
        """image [1, C, H, W], coin and slot scalars -> [1, C, H, W]"""
        filling = self.filled < self.size
        at = torch.where(filling, self.filled, slot).reshape(1)
        old = self.images.index_select(0, at)
        new = image.to(self.images.dtype)
        self.images.index_copy_(0, at, torch.where(filling | coin, new, old))
        self.filled += filling
        return torch.where(filling | ~coin, new, old).to(image.dtype)


@dataclass(frozen=True)
class Fakes:
    """What D is shown as fakes of domains A and B, and the cycled images if it judges those.  [N, C, H, W]"""

    A: Tensor
    B: Tensor
    cycled_A: Tensor | None = None
    cycled_B: Tensor | None = None


class Pools(nn.Module):
    """A pool for each of several kinds of images.  shapes: name -> (C, H, W)"""

    def __init__(self, size: int, shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.handed: dict[str, Tensor] = {}  # from G's step to D's in one iteration; see `GAN.handed`
        self.pools: Any = nn.ModuleDict({name: Pool(size, *shape) for name, shape in shapes.items()})

    @property
    def shown(self) -> Fakes | None:
        """What G's step of this iteration has left for D's."""
        return Fakes(**self.handed) if self.handed else None

    def draw(self, num: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Coins and slots for `num` images of each kind.  -> bool [N, K], int64 [N, K]"""
        coins, slots = zip(*(pool.draw(num, rng) for pool in self.pools.values()))
        return torch.stack(coins, 1), torch.stack(slots, 1)

    def exchange(self, images: dict[str, Tensor], coins: Tensor, slots: Tensor) -> dict[str, Tensor]:
        """What D is shown in place of the images; those of other names are shown as they are."""
        shown = {
            name: pool.exchange(images[name], coins[:, i], slots[:, i])
            for i, (name, pool) in enumerate(self.pools.items())
        }
        return {**images, **shown}

    def keep(self, parts: list[dict[str, Tensor]]) -> None:
        """The `after` of G's step: what its loss kept, `coins` and `slots` from `draw` among it, becomes `shown`."""
        kept = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        coins, slots = kept.pop("coins"), kept.pop("slots")
        self.handed = self.exchange(kept, coins, slots)
