"""Evaluation mode for a while, and each module's own mode afterwards; threads may overlap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakKeyDictionary

from torch import nn

_MODES: WeakKeyDictionary[nn.Module, tuple[int, bool]] = WeakKeyDictionary()  # in how many blocks, the mode before
_LOCK = Lock()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for as long as the block runs; afterwards every module has its own mode back.

    Blocks of several threads may overlap: the last that ends gives the modes back.
    """
    children = list(module.modules())
    with _LOCK:
        for child in children:
            blocks, mode = _MODES.get(child, (0, child.training))
            _MODES[child] = blocks + 1, mode
            child.training = False
    try:
        yield
    finally:
        with _LOCK:
            for child in children:
                blocks, mode = _MODES.pop(child)
                if blocks > 1:
                    _MODES[child] = blocks - 1, mode
                else:
                    child.training = mode
