"""Random numbers by name: generators that a seed and a path determine, latents and labels with one generator an image.

Nothing here touches the global random state.  Generators live on the CPU, so a seed means the same on every device.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Sequence
from typing import Literal, SupportsIndex, get_args

import torch
from torch import Tensor

from ganvas.errors import InputError

TruncationForm = Literal["resample", "scale", "clamp"]
FORMS: tuple[str, ...] = get_args(TruncationForm)


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


def latents(seeds: Sequence[int], dim: int, truncation: float | None, form: TruncationForm = "resample") -> Tensor:
    """Normal latents of these seeds, truncated if asked for.  -> [N, dim]

    resample: entries beyond the threshold are drawn again (the paper).  scale: truncation times a normal truncated at
    2 (the hub's modules), so |z| <= 2 truncation.  clamp: entries beyond the threshold are moved onto it; nobody's
    published figures are made so.  The three are different distributions.
    """
    known_form(form)
    if truncation is None:
        return noise(seeds, dim)
    if not 0 < truncation < float("inf"):
        raise InputError(f"truncation {truncation} given, expected a number above 0, as 0.5")
    if form == "scale":
        return truncation * truncated_noise(seeds, dim, 2.0)
    if form == "clamp":
        return noise(seeds, dim).clamp(-truncation, truncation)
    if truncation < 0.01:
        raise InputError(
            f"truncation {truncation} would be drawn again almost for ever; use 0.01 or more, or the scale form"
        )
    return truncated_noise(seeds, dim, truncation)


def whole(name: str, value: SupportsIndex) -> int:
    """A whole number of Python's, NumPy's or torch's.  Raises InputError for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name}={value!r} given, expected a whole number") from None


def known_form(form: str) -> None:
    """Raises InputError for a form of truncation that there is not."""
    if form not in FORMS:
        raise InputError(f"truncation_form={form!r} given, expected one of {', '.join(FORMS)}")


def one_hot(y: Tensor | None, num_classes: int) -> Tensor | None:
    """Class indices as rows that can be mixed.  [N] int64 -> float [N, K]; None stays None"""
    return None if y is None else torch.nn.functional.one_hot(y, num_classes).float()


def slerp(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """Along the great circle from a to b, row by row; on the way a normal latent stays as long as one.  [N, Z]"""
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1).clamp(-1, 1)[:, None]
    angle = cosine.acos()
    mixed = ((1 - weight) * angle).sin() * a + (weight * angle).sin() * b
    return torch.where(angle.sin() > 1e-4, mixed / angle.sin(), torch.lerp(a, b, weight))


def uniform(seeds: Sequence[int], dim: int) -> Tensor:
    """Latents uniform in [-1, 1), row i from seed i alone.  -> [N, dim]"""
    return torch.stack([torch.rand(dim, generator=generator("z", seed)) * 2 - 1 for seed in seeds])


def factor(truncation: float | None, form: TruncationForm) -> float:
    """What uniform latents are multiplied by, 1 for none (LOGAN, section 4).  Raises InputError for what is no factor.

    The box is symmetric and convex, so z s is in it; drawing again or clamping would only take its corners.
    """
    known_form(form)
    if truncation is not None and (not 0 < truncation <= 1 or form == "clamp"):
        raise InputError(
            f"truncation {truncation} ({form}) given, but this model's is a factor of z: above 0, at most 1, no clamp"
        )
    return 1.0 if truncation is None else truncation


def psi(truncation: float | None, form: TruncationForm) -> float:
    """What w's distance from its average is multiplied by, 1 for none (StyleGAN2).  InputError for a form of z's."""
    if truncation is not None and form != "resample":
        raise InputError(
            f"truncation form {form} given, but this model draws w, not z, towards its average; leave the form out"
        )
    if truncation is not None and not math.isfinite(truncation):
        raise InputError(f"truncation {truncation} given, expected a number, as 0.7; 0 is the average image")
    return 1.0 if truncation is None else truncation


def labels(seeds: Sequence[int], num_classes: int) -> Tensor:
    """One class an image, uniform, from its seed alone.  -> [N] int64"""
    return torch.cat([torch.randint(num_classes, (1,), generator=generator("y", seed)) for seed in seeds])
