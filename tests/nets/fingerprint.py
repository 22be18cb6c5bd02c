"""Weights by a recipe over sorted state-dict keys, so that two code bases hold the same numbers without a file.

Key i of the sorted keys is RandomState(1000 + i).standard_normal in float32, but for the exceptions each test names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn


def normal(seed: int, shape: Sequence[int]) -> Tensor:
    return torch.from_numpy(np.asarray(np.random.RandomState(seed).standard_normal(tuple(shape)), dtype=np.float32))


def fill(network: nn.Module, exception: Callable[[str, Tensor, Tensor], Tensor], also: Sequence[str] = ()) -> int:
    """Overwrites the state; `exception(key, drawn, old)` has the last word. `also`: keys that only the others have.

    Returns the number of keys, those of the others included.
    """
    state = network.state_dict()
    keys = sorted([*state, *also])
    drawn = {key: normal(1000 + i, state[key].shape) for i, key in enumerate(keys) if key in state}
    network.load_state_dict({key: exception(key, value, state[key]) for key, value in drawn.items()})
    return len(keys)


def features(seed: int, count: int) -> Tensor:
    """Instance features: not negative, of unit length.  -> [count, 2048]"""
    h = normal(seed, (count, 2048)).abs()
    return h / h.norm(dim=1, keepdim=True)


def count(tensors) -> int:
    return sum(t.numel() for t in tensors)
