"""Where a mask is true."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def places(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of what is true, row by row.  bool [N, M] -> int64 [n], [n]"""
    if mask.device.type == "cpu":  # numpy's search is seven times as fast where little is true
        flat = torch.from_numpy(np.flatnonzero(mask.numpy()))
        return flat // mask.shape[1], flat % mask.shape[1]
    row, column = mask.nonzero(as_tuple=True)
    return row, column


def padded(row: Tensor, values: Tensor, rows: int, fill: float) -> Tensor:
    """Values that lie in rows (ascending) as a matrix, each row filled up at its end.  [n], [n] -> [rows, width]"""
    count = torch.bincount(row, minlength=rows)
    place = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    out = values.new_full((rows, int(count.max()) if rows else 0), fill)
    out[row, place] = values
    return out
