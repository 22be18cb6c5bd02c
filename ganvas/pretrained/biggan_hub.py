"""The published BigGAN generators (not deep, 128/256/512 pixels) as variables of the TensorFlow Hub modules, version 2.

Accepted: a dict of arrays, or a .npz or .safetensors file of them, under the variables' names with or without ":0",
e.g. "module/Generator/GBlock_1/conv0/w/ema_b999900:0". TensorFlow is needed to write such a file, not to read it.
Theirs against ours: the condition is [z, y], ours [y, z]; convolutions are (kh, kw, in, out); the first layer's rows
run over (4, 4, C). The mapping was verified on random weights only, never on the published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.pretrained.foreign import Imported, need, read_foreign

FORMAT = "TensorFlow Hub's BigGAN"
EMA = "/ema_b999900"
TOLD = ("sn_eps", "bn_eps", "final_bn_eps", "bias_init")  # what no file holds
ATTENTION = {128: 64, 256: 128, 512: 64}  # pixels; the paper puts it at 64 for all
CONVOLUTIONS = {"conv0": "conv1", "conv1": "conv2", "conv_sc": "conv_sc"}


def read(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """One .npz or .safetensors file of the hub module's variables."""
    if len(files) != 1:
        raise InputError(f"{len(files)} files given, expected one .npz or .safetensors of the module's variables")
    return load(files[0])


def load(path: str | Path, ema: bool = True) -> Imported:
    """A .npz or .safetensors file of the module's variables; see `convert`."""
    return convert(read_foreign(path), ema)


def convert(variables: Mapping[str, Tensor], ema: bool = True) -> Imported:
    """The module's variables -> our state dict, averaged weights (or, ema=False, the live ones).

    Statistics are those without truncation: the module keeps no others under these names, and whether they need a
    division by `accumulation_counter` is not known; they are taken as they are, as BigGAN-PyTorch's port does.
    """
    hub = Variables(variables, EMA if ema else "")
    blocks = sum(1 for i in range(16) if hub.has(f"Generator/{_numbered('GBlock', i)}/conv0/w"))
    resolution = 4 << blocks
    if resolution not in ATTENTION:
        raise InputError(f"{blocks} blocks under module/Generator, expected 5, 6 or 7; give the variables of {FORMAT}")
    shared = hub.get("linear/w")
    G: dict[str, Tensor] = {"shared.weight": shared}
    chunk = hub.get("Generator/G_Z/G_linear/w").shape[0]
    G |= {f"linear.{key}": channels_first(value) for key, value in hub.layer("Generator/G_Z/G_linear").items()}
    for i in range(blocks):
        G |= _block(hub, f"Generator/{_numbered('GBlock', i)}", f"blocks.{i}.0", chunk)
    place = (ATTENTION[resolution] // 8).bit_length() - 1
    for theirs, ours in {"theta": "theta", "phi": "phi", "g": "g", "o_conv": "o"}.items():
        G |= _prefixed(f"blocks.{place}.1.{ours}", hub.layer(f"Generator/attention/{theirs}", bias=False))
    G[f"blocks.{place}.1.gamma"] = hub.get("Generator/attention/gamma").reshape(())
    G |= _prefixed("output_layer.2", hub.layer("Generator/conv_2d"))
    G["output_layer.0.gain"] = hub.get("Generator/ScaledCrossReplicaBN/gamma").flatten()
    G["output_layer.0.bias"] = hub.get("Generator/ScaledCrossReplicaBN/beta").flatten()
    G |= _prefixed("output_layer.0", hub.statistics("Generator/ScaledCrossReplicaBNbn"))
    values: dict[str, Any] = {
        "resolution": resolution,
        "channels": G["output_layer.2.weight"].shape[0],
        "num_classes": shared.shape[0],
        "dim_z": chunk * (blocks + 1),
        "hier": True,
        "shared_dim": shared.shape[1],
        "deep": False,
        "G_ch": G["output_layer.2.weight"].shape[1],
        "G_attention": [ATTENTION[resolution]],
        "G_sn": True,
        "sn_eps": 1e-4,
        "bn_eps": 1e-4,
        "final_bn_eps": 1e-5 if resolution == 512 else 1e-4,
    }
    notes = [
        "a generator only: its discriminator was never published",
        "statistics are those without truncation; collect standing statistics for another",
        "the module normalises by norm + 1e-4 where we take max(norm, 1e-4): images differ by up to 1e-3",
    ]
    return Imported(
        "biggan",
        values,
        {key: value.contiguous() for key, value in G.items()},
        notes=notes,
        presets=("biggan",),
        alike=("deep",),
        told=TOLD,
    )


class Variables:
    """The module's variables by their name below "module/", averaged where an average is kept."""

    def __init__(self, variables: Mapping[str, Tensor], suffix: str) -> None:
        self.state = {key.removesuffix(":0").removeprefix("module/"): value for key, value in variables.items()}
        self.suffix = suffix

    def has(self, name: str) -> bool:
        return name + self.suffix in self.state

    def get(self, name: str) -> Tensor:
        """A weight, averaged if asked for."""
        return need(self.state, name + self.suffix, FORMAT)

    def layer(self, name: str, bias: bool = True) -> dict[str, Tensor]:
        """`weight, u0, sv0` and `bias` of a convolution (kh, kw, in, out) or linear layer (in, out), ours' layout."""
        weight = self.get(f"{name}/w")
        weight = weight.permute(3, 2, 0, 1) if weight.dim() == 4 else weight.t()
        u = need(self.state, f"{name}/u0", FORMAT).reshape(1, -1)
        layer = {"weight": weight, "u0": u, "sv0": torch.ones(1, dtype=weight.dtype)}
        return layer | ({"bias": self.get(f"{name}/b").flatten()} if bias else {})

    def statistics(self, name: str) -> dict[str, Tensor]:
        mean, var = (need(self.state, f"{name}/accumulated_{kind}", FORMAT) for kind in ("mean", "var"))
        return {"stored_mean": mean.flatten(), "stored_var": var.flatten()}


def channels_first(tensor: Tensor) -> Tensor:
    """Rows of the first layer from (4, 4, C) to (C, 4, 4); u0 has them along its second axis."""
    if tensor.shape == (1,):
        return tensor
    rows = tensor.t() if tensor.shape[0] == 1 else tensor
    grid = rows.reshape(4, 4, -1, *rows.shape[1:])
    rows = grid.permute(2, 0, 1, *range(3, grid.dim())).reshape(rows.shape)
    return rows.t() if tensor.shape[0] == 1 else rows


def _block(hub: Variables, theirs: str, ours: str, chunk: int) -> dict[str, Tensor]:
    block: dict[str, Tensor] = {}
    for their_conv, our_conv in CONVOLUTIONS.items():
        block |= _prefixed(f"{ours}.{our_conv}", hub.layer(f"{theirs}/{their_conv}"))
    for i in range(2):
        norm = f"{ours}.bn{i + 1}"
        block |= _prefixed(norm, hub.statistics(f"{theirs}/{_numbered('CrossReplicaBN', i)}"))
        for their_part, our_part in {"gamma": "gain", "beta": "bias"}.items():
            layer = hub.layer(f"{theirs}/{_numbered('HyperBN', i)}/{their_part}", bias=False)
            layer["weight"] = torch.cat([layer["weight"][:, chunk:], layer["weight"][:, :chunk]], 1)
            block |= _prefixed(f"{norm}.{our_part}", layer)
    return block


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{key}": value for key, value in state.items()}
