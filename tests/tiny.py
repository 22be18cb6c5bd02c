"""Every paper at a size that trains in a second: the tests' own presets."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ganvas.data import Images
from ganvas.gan import GAN, Batch, configure
from ganvas.papers import PAPERS

_WGAN = {
    "resolution": 8,
    "channels": 1,
    "dim_z": 4,
    "G_width": 4,
    "D_width": 4,
    "batch": 4,
    "images": 48,
    "n_critic": 2,
}

# name -> (paper, values): at least one row per paper, more where a paper has unlike halves
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "wgan": ("wgan", {**_WGAN, "ema": 0.5}),
    "wgan-gp": ("wgan", {**_WGAN, "lipschitz": "penalise", "optimizer": "adam", "D_norm": "none", "ema": 0.5}),
    "wgan-gp-acgan": (
        "wgan",
        {
            **_WGAN, "lipschitz": "penalise", "optimizer": "adam", "D_norm": "none", "G_net": "resnet32",
            "D_net": "resnet32", "num_classes": 3, "dequantise": True, "G_batch_ratio": 2,
        },
    ),
}  # fmt: skip


def build(name: str, seed: int = 0, **values: Any) -> GAN:
    """A tiny GAN with weights from the seed."""
    paper, base = TINY[name]
    kind = PAPERS[paper]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(configure(kind.config_type, {**base, **values}))


def batch(gan: GAN, n: int = 4, seed: int = 0) -> Batch:
    """Noise in the shape of the GAN's data."""
    rng = torch.Generator().manual_seed(seed)
    c = gan.config
    x = torch.rand(n, c.channels, c.resolution, c.resolution, generator=rng) * 2 - 1
    return Batch(x, torch.arange(n) % c.num_classes if c.num_classes else None)


def images(gan: GAN, m: int = 10) -> Images:
    """A data set of noise in the shape of the GAN's data."""
    c = gan.config
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (m, c.channels, c.resolution, c.resolution), dtype=np.uint8)
    y = np.arange(m) % c.num_classes if c.num_classes else None
    names = [f"class {k}" for k in range(c.num_classes)]
    return Images(x, y, names, "noise", "none", {}, [])


# what else must be set for a field to matter
HELPERS: dict[str, list[dict[str, Any]]] = {
    "beta1": [{"optimizer": "adam"}],
    "beta2": [{"optimizer": "adam"}],
    "ema": [{"ema": 0.5}],
    "ema_start": [{"ema": 0.5}],
    "ema_buffers": [{"ema": 0.5}],
    "D_norm": [{"D_net": "resnet64", "D_norm": "layer"}, {}],
    "n_critic_long": [{"long_first": 1}],
    "long_every": [{"long_first": 0}],
}
