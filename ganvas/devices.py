"""Which device computes."""

from __future__ import annotations

import torch

from ganvas.errors import InputError


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is a CUDA GPU where there is one, Apple's where that is, else the CPU."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
        if device.type == "meta":
            raise RuntimeError("it computes nothing")
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used here ({first}); expected auto, cpu, cuda or cuda:N") from None
    return device
