"""Random numbers by name: generators that a seed and a path determine, latents and labels with one generator an image.

Nothing here touches the global random state.  Generators live on the CPU, so a seed means the same on every device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from ganvas.errors import InputError


def generator(*path: int | str) -> torch.Generator:
    """A CPU generator seeded by a path such as ("step", seed, iteration, "D", 3); unlike paths are independent."""
    digest = hashlib.blake2b("/".join(map(str, path)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def noise(seeds: Sequence[int], dim: int) -> Tensor:
    """Standard normal latents, row i from seed i alone.  -> [N, dim]"""
    return torch.stack([torch.randn(dim, generator=generator("z", seed)) for seed in seeds])


def truncated_noise(seeds: Sequence[int], dim: int, threshold: float) -> Tensor:
    """Normal latents of which every entry beyond the threshold is drawn again (BigGAN, section 3.1).  -> [N, dim]

    Every |z| <= threshold.  The entries that stay are those that `noise` gives for the same seed.
    """
    rows = []
    for seed in seeds:
        rng = generator("z", seed)
        row = torch.randn(dim, generator=rng)
        while bool((outside := row.abs() > threshold).any()):
            row[outside] = torch.randn(int(outside.sum()), generator=rng)
        rows.append(row)
    return torch.stack(rows)


def of(seeds: Sequence[int], dim: int, threshold: float | None) -> Tensor:
    """Latents of these seeds, truncated by resampling if there is a threshold.  -> [N, dim]"""
    if threshold is not None and threshold <= 0:
        raise InputError(f"truncation {threshold} given, expected a threshold above 0, as 0.5")
    return noise(seeds, dim) if threshold is None else truncated_noise(seeds, dim, threshold)


def labels(seeds: Sequence[int], num_classes: int) -> Tensor:
    """One class an image, uniform, from its seed alone.  -> [N] int64"""
    return torch.cat([torch.randint(num_classes, (1,), generator=generator("y", seed)) for seed in seeds])
