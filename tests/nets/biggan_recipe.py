"""Weights, images and noise by formula, so that two code bases can be handed the same numbers without a file.

Element k of the tensor named s is  scale * frac(43758.5453 * sin(12.9898 (k + 1) + 78.233 (crc32(s) mod 997))) - 1/2,
in float64. Everything that runs on it runs in float64: Adam divides gradients that are zero but for rounding (those
of every bias before a batch norm) by their own size, and in float32 that noise would walk off.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn


def noise(name: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform-looking numbers in [-1/2, 1/2) that depend on a name and a shape alone."""
    k = np.arange(math.prod(shape), dtype=np.float64) + 1
    wave = 43758.5453 * np.sin(12.9898 * k + 78.233 * (zlib.crc32(name.encode()) % 997))
    return torch.from_numpy(wave - np.floor(wave) - 0.5).reshape(shape)


def fill(network: nn.Module, name: str) -> None:
    """Overwrites every parameter and buffer of a float64 network; `name` tells G from D."""
    for key, tensor in network.state_dict().items():
        values = noise(f"{name}.{key}", tuple(tensor.shape))
        if key.endswith("stored_var") or key.endswith("sv0"):
            values = 1 + values
        elif tensor.dim() >= 2 and not key.endswith("u0"):
            values = values * 4 / math.sqrt(tensor[0].numel())
        elif key.endswith("gamma") or key == "output_layer.0.gain":
            values = 1 + values
        tensor.copy_(values)


def batch(name: str, size: int, resolution: int, dim_z: int, classes: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x [N, 3, R, R] in [-1, 1], its classes [N], z [N, dim_z] of about unit variance, its classes [N]"""
    x = 2 * noise(f"{name}.x", (size, 3, resolution, resolution))
    z = math.sqrt(12) * noise(f"{name}.z", (size, dim_z))
    y, fake_y = (((noise(f"{name}.{w}", (size,)) + 0.5) * classes).long() for w in ("y", "fake_y"))
    return x, y, z, fake_y


def fingerprints(tensors: dict[str, Tensor]) -> np.ndarray:
    """Two numbers per tensor, in order of name: a fixed projection, and the norm.  -> [T, 2]"""
    rows = []
    for key in sorted(tensors):
        t = tensors[key].detach().double()
        rows.append([float((t * noise("print." + key, tuple(t.shape))).sum()), float(t.norm())])
    return np.array(rows)


def gradients(network: nn.Module) -> dict[str, Tensor]:
    return {key: p.grad for key, p in network.named_parameters() if p.grad is not None}


# The cases: keyword arguments of BigGAN-PyTorch (the left) and of ours (the right) for the same two networks.
CASES: dict[str, dict] = {
    "biggan32": {
        "theirs": {
            "resolution": 32,
            "G_ch": 8,
            "D_ch": 8,
            "dim_z": 16,
            "shared_dim": 6,
            "hier": True,
            "G_attn": "16",
            "D_attn": "16",
        },
        "G": {"resolution": 32, "ch": 8, "dim_z": 16, "shared_dim": 6, "attention": (16,)},
        "D": {"resolution": 32, "ch": 8, "attention": (16,), "placement": "nominal"},
    },
    "sagan64": {
        "theirs": {
            "resolution": 64,
            "G_ch": 2,
            "D_ch": 2,
            "dim_z": 12,
            "G_shared": False,
            "G_attn": "32",
            "D_attn": "8",
        },
        "G": {"resolution": 64, "ch": 2, "dim_z": 12, "shared_dim": 0, "hier": False, "attention": (32,)},
        "D": {"resolution": 64, "ch": 2, "attention": (8,)},
    },
    "sngan32": {
        "theirs": {
            "resolution": 32,
            "G_ch": 4,
            "D_ch": 4,
            "dim_z": 8,
            "G_shared": False,
            "G_attn": "0",
            "D_attn": "0",
            "D_wide": False,
        },
        "G": {"resolution": 32, "ch": 4, "dim_z": 8, "shared_dim": 0, "hier": False, "attention": ()},
        "D": {"resolution": 32, "ch": 4, "attention": (), "wide": False},
    },
    "deep32": {
        "theirs": {
            "resolution": 32,
            "G_ch": 4,
            "D_ch": 4,
            "dim_z": 7,
            "shared_dim": 5,
            "hier": True,
            "G_attn": "16",
            "D_attn": "16",
        },
        "G": {"resolution": 32, "ch": 4, "dim_z": 7, "shared_dim": 5, "attention": (16,), "rgb": "bgpt"},
        "D": {"resolution": 32, "ch": 4, "attention": (16,), "placement": "nominal"},
    },
    "deep64": {
        "theirs": {
            "resolution": 64,
            "G_ch": 4,
            "D_ch": 4,
            "dim_z": 6,
            "shared_dim": 5,
            "hier": True,
            "G_attn": "32",
            "D_attn": "16",
        },
        "G": {"resolution": 64, "ch": 4, "dim_z": 6, "shared_dim": 5, "attention": (32,), "rgb": "bgpt"},
        "D": {"resolution": 64, "ch": 4, "attention": (16,)},
    },
}
CLASSES = 5
EPS = {"theirs": {"SN_eps": 1e-6, "BN_eps": 1e-4}, "G": {"sn_eps": 1e-6, "bn_eps": 1e-4, "final_bn_eps": 1e-5}}
ORTHO = 1e-2
STEPS, D_STEPS, BATCH = 10, 4, 4  # of the CIFAR script's schedule: lr 2e-4 for both, betas (0, 0.999), eps 1e-8
