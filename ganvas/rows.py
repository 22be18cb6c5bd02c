"""Records of rows: frozen dataclasses whose tensors share their first axis, cut and moved as one.

Whatever travels between data, papers and engine (`Batch`, `Given`, draws, codes) is such a record.  None, numbers and
0-dim tensors belong to the whole and stay whole; a record inside a record is treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

R = TypeVar("R")


def split(record: R, parts: int) -> list[R]:
    """The record in `parts` equal parts along axis 0.  Raises ValueError where a tensor has no such parts."""
    return [_mapped(record, lambda t, part=part: _part(t, part, parts)) for part in range(parts)]  # type: ignore[misc]


def every(record: R, first: int, step: int) -> R:
    """Rows first, first + step, first + 2 step, ...: one of `step` equal shares.  Raises ValueError if not equal.

    A record may hold several tensors of whole batches below each other (fakes over reals): cut so, a share has the rows
    of either that belong together, and groups that stride through a batch stay whole where their number allows it.
    """

    def share(t: Tensor) -> Tensor:
        if len(t) % step:
            raise ValueError(f"{len(t)} rows cannot be cut into {step} equal parts")
        return t[first::step].clone()

    return _mapped(record, share)


def spread(record: R, times: int) -> R:
    """`times` as many rows, so that each of `times` shares made by `every` is the record again.

    Pictures are counted, not looked at: theirs are one row, seen many times over, and take no memory.
    """

    def longer(t: Tensor) -> Tensor:
        if t.dim() > 2:
            return t[:1].expand(len(t) * times, *t.shape[1:])
        return t.repeat_interleave(times, 0)

    return _mapped(record, longer)


def take(record: R, rows: slice) -> R:
    """Some rows of every tensor."""
    return _mapped(record, lambda t: t[rows])


def count(record: Any) -> int:
    """How many rows the record has; 0 for one without tensors of rows."""
    for f in fields(record):
        value = getattr(record, f.name)
        found = [value] if isinstance(value, Tensor) else value if _are_tensors(value) else []
        lengths = [len(t) for t in found if t.dim()] or ([count(value)] if is_dataclass(value) else [])
        if any(lengths):
            return max(lengths)
    return 0


def parts(record: R, size: int) -> list[R]:
    """The record in parts of `size` rows, the last of what is left."""
    return [take(record, slice(start, start + size)) for start in range(0, count(record), size)]


def pick(record: R, index: Tensor) -> R:
    """Rows by their numbers, in that order.  index [N] int64"""
    return concat([take(record, slice(i, i + 1)) for i in index.tolist()])


def to(record: R, device: torch.device, dtype: torch.dtype | None = None) -> R:
    """Every tensor on the device; dtype: of those that are floats."""
    return _mapped(record, lambda t: t.to(device, dtype if t.is_floating_point() else None), whole=True)


def concat(records: Sequence[R]) -> R:
    """Records of one kind below each other; what is no row is the first one's."""
    first, *rest = records
    joined = {
        f.name: _joined([getattr(record, f.name) for record in records])
        for f in fields(first)  # type: ignore[arg-type]
    }
    return replace(first, **joined) if rest else first  # type: ignore[type-var]


def paired(a: R, b: R, join: Callable[[str, Tensor, Tensor], Tensor]) -> R:
    """A record of join(name, a's tensor, b's tensor) for every tensor of rows; the rest is a's."""
    changed: dict[str, Any] = {}
    for f in fields(a):  # type: ignore[arg-type]
        left, right = getattr(a, f.name), getattr(b, f.name)
        if is_dataclass(left):
            changed[f.name] = paired(left, right, join)
        elif isinstance(left, Tensor) and left.dim():
            changed[f.name] = join(f.name, left, right)
        elif _are_tensors(left):
            changed[f.name] = type(left)(join(f.name, x, y) if x.dim() else x for x, y in zip(left, right))
    return replace(a, **changed)  # type: ignore[type-var]


def _mapped(record: R, change: Callable[[Tensor], Tensor], whole: bool = False) -> R:
    changed: dict[str, Any] = {}
    for f in fields(record):  # type: ignore[arg-type]
        value = getattr(record, f.name)
        if is_dataclass(value):
            changed[f.name] = _mapped(value, change, whole)
        elif isinstance(value, Tensor) and (whole or value.dim()):
            changed[f.name] = change(value)
        elif _are_tensors(value):
            changed[f.name] = type(value)(change(v) if whole or v.dim() else v for v in value)
    return replace(record, **changed)  # type: ignore[type-var]


def _part(t: Tensor, part: int, parts: int) -> Tensor:
    if len(t) % parts:
        raise ValueError(f"{len(t)} rows cannot be cut into {parts} equal parts")
    n = len(t) // parts
    return t[part * n : (part + 1) * n]


def _joined(values: list[Any]) -> Any:
    first = values[0]
    if is_dataclass(first):
        return concat(values)
    if isinstance(first, Tensor) and first.dim():
        return torch.cat(values)
    if _are_tensors(first):
        return type(first)(torch.cat(column) if column[0].dim() else column[0] for column in zip(*values))
    return first


def _are_tensors(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, Tensor) for v in value)
