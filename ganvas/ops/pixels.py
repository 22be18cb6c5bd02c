"""Pixels: the one place where uint8 becomes float in [-1, 1] and back.  Back rounds to the nearest level."""

from __future__ import annotations

import torch
from torch import Tensor


def to_float(x: Tensor) -> Tensor:
    """uint8 0..255 of any shape -> float32 in [-1, 1]:  x / 127.5 - 1"""
    return x.to(torch.float32) / 127.5 - 1.0


def to_uint8(x: Tensor) -> Tensor:
    """float in [-1, 1] of any shape -> uint8, clamped and rounded; `to_uint8(to_float(x)) == x`"""
    return ((x.detach().to(torch.float32) + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
