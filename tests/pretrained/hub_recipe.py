"""Tiny models in the two published formats, filled by formula: the same numbers for the originals and for us.

Element k of the tensor named s is  frac(43758.5453 * sin(12.9898 (k + 1) + 78.233 (crc32(s) mod 997))) - 1/2.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor

CLASSES = 7
DEEP_CONFIG = {
    "output_dim": 128,
    "z_dim": 6,
    "class_embed_dim": 6,
    "channel_width": 8,
    "num_classes": CLASSES,
    "layers": [
        [False, 16, 16],
        [True, 16, 16],
        [False, 16, 16],
        [True, 16, 8],
        [False, 8, 8],
        [True, 8, 4],
        [False, 4, 4],
        [True, 4, 2],
        [False, 2, 2],
        [True, 2, 1],
    ],
    "attention_layer_position": 8,
    "eps": 1e-4,
    "n_stats": 51,
}
TRUNCATIONS = {"whole": 1.0, "grid": 0.4, "between": 0.405}


def noise(name: str, shape: tuple[int, ...]) -> Tensor:
    k = np.arange(math.prod(shape), dtype=np.float64) + 1
    wave = 43758.5453 * np.sin(12.9898 * k + 78.233 * (zlib.crc32(name.encode()) % 997))
    return torch.from_numpy(wave - np.floor(wave) - 0.5).reshape(shape)


def values(name: str, shape: tuple[int, ...]) -> Tensor:
    """Weights of about unit gain, variances and gains about 1."""
    filled = noise(name, shape)
    if "var" in name or name.endswith(("generator.bn.weight", "layers.8.gamma", "BN/gamma/ema_b999900:0")):
        return 1 + filled
    if name.endswith("attention/gamma/ema_b999900:0"):
        return 1 + filled
    if "means" in name or "mean" in name or len(shape) < 2:
        return filled
    return filled * 4 / math.sqrt(math.prod(shape) / max(shape[0], shape[-1]))


def deep_state() -> dict[str, Tensor]:
    """pytorch-pretrained-BigGAN's state dict of DEEP_CONFIG; u and v are the true singular vectors."""
    ch, stats, condition = 8, 51, 12
    state: dict[str, Tensor] = {"embeddings.weight": values("embeddings.weight", (6, CLASSES))}

    def put(name: str, *shape: int) -> None:
        state[name] = values(name, shape)

    def spectral(name: str, *shape: int, bias: bool = True) -> None:
        put(f"{name}.weight_orig", *shape)
        u, _, v = torch.linalg.svd(state[f"{name}.weight_orig"].flatten(1), full_matrices=False)
        state[f"{name}.weight_u"], state[f"{name}.weight_v"] = u[:, 0].clone(), v[0].clone()
        if bias:
            put(f"{name}.bias", shape[0])

    def statistics(name: str, channels: int) -> None:
        put(f"{name}.running_means", stats, channels)
        put(f"{name}.running_vars", stats, channels)

    spectral("generator.gen_z", 16 * 16 * ch, condition)
    position = DEEP_CONFIG["attention_layer_position"]
    for i, (_, cin, cout) in enumerate(DEEP_CONFIG["layers"]):
        layer = f"generator.layers.{i + (i >= position)}"
        hidden = cin * ch // 4
        kernels = [(hidden, cin * ch, 1), (hidden, hidden, 3), (hidden, hidden, 3), (cout * ch, hidden, 1)]
        for k, (rows, columns, size) in enumerate(kernels):
            statistics(f"{layer}.bn_{k}", columns)
            for part in ("scale", "offset"):
                spectral(f"{layer}.bn_{k}.{part}", columns, condition, bias=False)
            spectral(f"{layer}.conv_{k}", rows, columns, size, size)
    put(f"generator.layers.{position}.gamma", 1)
    for name, rows, columns in [("theta", 2, 16), ("phi", 2, 16), ("g", 8, 16), ("o_conv", 16, 8)]:
        spectral(f"generator.layers.{position}.snconv1x1_{name}", rows, columns, 1, 1, bias=False)
    statistics("generator.bn", ch)
    put("generator.bn.weight", ch)
    put("generator.bn.bias", ch)
    spectral("generator.conv_to_rgb", ch, ch, 3, 3)
    return state


def hub_variables(ch: int = 8, chunk: int = 20) -> dict[str, Tensor]:
    """The variables of the 128-pixel TensorFlow module, `ch` wide."""
    state: dict[str, Tensor] = {}

    def put(name: str, *shape: int) -> None:
        state[f"module/{name}:0"] = values(f"{name}:0", shape)

    def spectral(name: str, *shape: int, bias: bool = True) -> None:
        put(f"{name}/w/ema_b999900", *shape)
        put(f"{name}/w", *shape)
        put(f"{name}/u0", 1, shape[-1])
        put(f"{name}/u1", 1, math.prod(shape[:-1]))
        if bias:
            put(f"{name}/b/ema_b999900", shape[-1])

    def statistics(name: str, channels: int) -> None:
        put(f"{name}/accumulated_mean", channels)
        put(f"{name}/accumulated_var", channels)
        state[f"module/{name}/accumulation_counter:0"] = torch.tensor(1.0, dtype=torch.float64)

    put("linear/w/ema_b999900", CLASSES, 128)
    spectral("Generator/G_Z/G_linear", chunk, 16 * 16 * ch)
    for i, (cin, cout) in enumerate([(16, 16), (16, 8), (8, 4), (4, 2), (2, 1)]):
        block = f"Generator/GBlock_{i}" if i else "Generator/GBlock"
        spectral(f"{block}/conv0", 3, 3, cin * ch, cout * ch)
        spectral(f"{block}/conv1", 3, 3, cout * ch, cout * ch)
        spectral(f"{block}/conv_sc", 1, 1, cin * ch, cout * ch)
        for end, channels in {"": cin * ch, "_1": cout * ch}.items():
            statistics(f"{block}/CrossReplicaBN{end}", channels)
            for part in ("gamma", "beta"):
                spectral(f"{block}/HyperBN{end}/{part}", 128 + chunk, channels, bias=False)
    for name, cin, cout in [("theta", 16, 2), ("phi", 16, 2), ("g", 16, 8), ("o_conv", 8, 16)]:
        spectral(f"Generator/attention/{name}", 1, 1, cin, cout, bias=False)
    put("Generator/attention/gamma/ema_b999900")
    put("Generator/ScaledCrossReplicaBN/gamma/ema_b999900", 1, 1, 1, ch)
    put("Generator/ScaledCrossReplicaBN/beta/ema_b999900", 1, 1, 1, ch)
    statistics("Generator/ScaledCrossReplicaBNbn", ch)
    spectral("Generator/conv_2d", 3, 3, ch, 3)
    return state
