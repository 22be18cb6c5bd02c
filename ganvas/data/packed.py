"""Feature vectors in six bits an entry: the store of a million images must fit a laptop's disk.

Each vector has its own range: value = low + step * code, code in 0..63.  Four codes stand in three bytes.  Of unit
vectors of 2048 dimensions this keeps a cosine of about 0.999 to the vector itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 63  # the highest code
BITS = 6


def packed_bytes(dim: int) -> int:
    """Bytes of a vector of so many dimensions."""
    return -(-dim // 4) * 3


def pack(x: Tensor) -> tuple[Tensor, Tensor]:
    """float [N, F] -> codes uint8 [N, packed_bytes(F)], ranges float32 [N, 2]: low, step"""
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    step = (high - low) / LEVELS
    codes = ((x - low) / step.clamp_min(1e-30)).round().clamp(0, LEVELS).to(torch.int32)
    four = torch.nn.functional.pad(codes, (0, -x.shape[1] % 4)).unflatten(1, (-1, 4))
    word = four[..., 0] | four[..., 1] << 6 | four[..., 2] << 12 | four[..., 3] << 18
    three = torch.stack([word & 255, word >> 8 & 255, word >> 16], -1)
    return three.flatten(1).to(torch.uint8), torch.cat([low, step], 1).to(torch.float32)


def unpack(codes: Tensor, ranges: Tensor, dim: int) -> Tensor:
    """The reverse, scaled to unit length again.  -> float32 [N, dim]"""
    three = codes.unflatten(1, (-1, 3)).to(torch.int32)
    word = three[..., 0] | three[..., 1] << 8 | three[..., 2] << 16
    four = torch.stack([word >> shift & LEVELS for shift in (0, 6, 12, 18)], -1)
    values = ranges[:, :1] + ranges[:, 1:] * four.flatten(1)[:, :dim]
    return torch.nn.functional.normalize(values, dim=1)
