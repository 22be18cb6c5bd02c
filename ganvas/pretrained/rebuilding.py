"""Tensors, arrays and containers rebuilt from what a pickle says of them: the few makers `safe_pickle` ever calls.

Each takes what the file would have handed to torch, NumPy or Python, checks it, and makes the value by itself. A maker
trusts no argument: whatever does not fit raises, and `safe_pickle` turns that into one line.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Refused(Exception):
    """What the file wanted and does not get."""


@dataclass(frozen=True)
class Name:
    """A class or function that the file names; never looked up."""

    path: str


@dataclass(frozen=True)
class OtherType:
    """The type of an array that holds no numbers, as NumPy writes it: O8 objects, U7 texts."""

    code: str


@dataclass(frozen=True)
class Storage:
    """The numbers of one or more tensors."""

    flat: Tensor


def expected(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} where a {kind.__name__} should be")
    return value


def flat_key(key: Any) -> Any:
    """Keys are flat: hashing a tuple of tuples of tuples can end the process."""
    parts = key if isinstance(key, tuple) else (key,)
    if not all(part is None or isinstance(part, str | bytes | int | float | Name) for part in parts):
        raise TypeError(f"a {type(key).__name__} as a key")
    return key


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    return {flat_key(key): value for key, value in pairs}


def make_set(elements: Any = ()) -> set[Any]:
    return {flat_key(element) for element in elements}


def _storage(data: Any) -> Storage:
    """The bytes are a file of torch.save, read in the mode that can hold tensors alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch remarks that typed storages will go
        try:
            storage = torch.load(io.BytesIO(expected(data, bytes)), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise Refused("holds more than numbers where a tensor's numbers should be") from None
        storage = expected(storage, torch.storage.TypedStorage)
        return Storage(torch.empty(0, dtype=storage.dtype).set_(storage))


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    flat = expected(storage, Storage).flat
    if math.prod(size) > len(flat):
        raise ValueError(f"a tensor of {math.prod(size)} numbers in a storage of {len(flat)}")
    return flat.as_strided(size, stride, offset).clone()


def _parameter(data: Any, *_: Any) -> Tensor:
    return expected(data, Tensor)


def _array(kind: Any, *_: Any) -> np.ndarray:
    if kind != Name("numpy.ndarray"):
        raise Refused("makes an array of an unknown kind")
    return np.empty(0)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    flat = np.frombuffer(expected(data, bytes), expected(dtype, np.dtype))
    return flat.reshape(shape, order="F" if order == "F" else "C").copy()


def _dtype(code: Any, *_: Any) -> np.dtype | OtherType:
    if re.fullmatch(r"O8?|[SU]\d+", str(code)):
        return OtherType(str(code))
    if not re.fullmatch(r"[biuf]\d", str(code)):
        raise ValueError(f"arrays of {str(code)[:20]}, expected numbers")
    return np.dtype(str(code))


def fill_array(array: np.ndarray, state: Any) -> None:
    """What NumPy's own `__setstate__` does, with every part checked; it compares shape and bytes itself."""
    version, shape, dtype, fortran, data = state
    checked: Any = (int(version), tuple(map(int, shape)), expected(dtype, np.dtype), bool(fortran))
    array.__setstate__((*checked, expected(data, bytes)))


def _scalar(dtype: Any, data: Any) -> Any:
    return np.frombuffer(expected(data, bytes), expected(dtype, np.dtype), count=1)[0].item()


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise Refused("encodes a text in an unusual way")
    return expected(text, str).encode("latin1")


MAKERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "builtins.set": make_set,
    "builtins.frozenset": make_set,
    "__builtin__.set": make_set,
    "__builtin__.frozenset": make_set,
    "_codecs.encode": _encoded,  # how Python 2's protocols hold bytes
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.storage._load_from_bytes": _storage,
    "numpy.dtype": _dtype,
    "numpy.core.multiarray._reconstruct": _array,
    "numpy._core.multiarray._reconstruct": _array,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
}
