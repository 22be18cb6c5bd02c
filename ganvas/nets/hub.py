"""Batch-norm statistics that an imported generator brought, one row per truncation (the published BigGAN modules)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.ops import norm


class Statistics(nn.Module):
    """Rows of stored_mean and stored_var for truncations 0, 1 / (rows - 1), ..., 1; between two rows, the line.

    Calling it runs G with the statistics of a truncation and changes none of G's buffers.
    """

    def __init__(self, G: nn.Module, num_rows: int) -> None:
        super().__init__()
        self.num_rows = num_rows
        for name, buffer in buffers(G).items():
            self.register_buffer(name.replace(".", "/"), buffer.repeat(num_rows, 1))

    def forward(self, G: nn.Module, z: Tensor, c: Tensor | None, truncation: float) -> Tensor:
        """G(z, c) under the statistics of the truncation.  -> [N, C, H, W]"""
        return torch.func.functional_call(G, self.at(truncation), (z, c))

    def at(self, truncation: float) -> dict[str, Tensor]:
        """The statistics of a truncation in (0, 1], by G's own names."""
        place = truncation * (self.num_rows - 1)
        low = min(int(place + 1e-6), self.num_rows - 2)
        rows = {name.replace("/", "."): buffer for name, buffer in self.named_buffers()}
        return {name: torch.lerp(row[low], row[low + 1], place - low) for name, row in rows.items()}


def must_have(truncation: float) -> None:
    """Raises InputError for a truncation that the rows do not reach."""
    if not 0 < truncation <= 1:
        raise InputError(f"truncation {truncation} given; this model has statistics for 0 to 1, give one in that range")


def settled(G: nn.Module) -> bool:
    """Have standing statistics taken the place of those that were brought?"""
    return any(layer.settled for layer in G.modules() if isinstance(layer, norm.Statistics))


def buffers(G: nn.Module) -> dict[str, Tensor]:
    """stored_mean and stored_var of every batch norm in G, by name."""
    layers = {name: layer for name, layer in G.named_modules() if isinstance(layer, norm.Statistics)}
    kinds = ("stored_mean", "stored_var")
    return {f"{name}.{kind}": layer.get_buffer(kind) for name, layer in layers.items() for kind in kinds}
