"""Which device computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ganvas.errors import InputError


def choose_device(name: str | None = "auto") -> torch.device:
    """ "auto" or None is a CUDA GPU where there is one, Apple's where that is, else the CPU."""
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
        if device.type == "meta":
            raise RuntimeError("it computes nothing")
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {name!r} cannot be used here ({why_not(name)}); expected auto, cpu, cuda, cuda:N or mps"
        ) from error
    return device


def must_compute(device: torch.device, precision: str) -> None:
    """Raises InputError for a precision that does not exist, or does nothing on the device."""
    if precision not in ("fp32", "bf16"):
        raise InputError(f"precision={precision!r} given, expected fp32 or bf16")
    there = torch.amp.is_autocast_available(device.type)
    if precision == "bf16" and (not there or (device.type == "cuda" and not torch.cuda.is_bf16_supported())):
        raise InputError(f"precision bf16 does nothing on {device}, which cannot compute so; leave it out")


def why_not(device: str) -> str:
    """Why a device cannot be used, in our words; what torch says of it is a paragraph."""
    kind, _, number = device.partition(":")
    if kind == "cuda" and not torch.backends.cuda.is_built():
        return "this torch is built for the CPU alone"
    if kind == "cuda" and (there := torch.cuda.device_count()):
        return f"{there} GPU{'s' if there > 1 else ''} here, counted from 0, and no number {number or 0}"
    if kind in ("cuda", "mps"):
        return "there is no such GPU, or its driver does not answer"
    return "it computes nothing" if kind == "meta" else "no device of that name computes here"


@contextmanager
def without_memory() -> Iterator[None]:
    """What is built in the block takes no memory, and no weight is drawn.

    torch draws on the meta device through its Python references, which load its compiler: three seconds of processor
    time for numbers that are nowhere.
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """First weights stay what they are, be they drawn by an initialiser, in place, or as a new tensor."""

    DRAWN = (torch.Tensor.normal_, torch.Tensor.uniform_)
    NEW = (torch.randn, torch.rand)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.NEW:
            return torch.empty(*args, **kwargs)
        if func in self.DRAWN or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
