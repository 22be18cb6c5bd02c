"""How much memory this process takes, has taken at most, and could still get: of a GPU there, else of the machine."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

STATUS, RESET, FREE = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def resident(device: torch.device) -> int:
    """Bytes that are taken now."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return _field(STATUS, "VmRSS") or _most()


def peak(device: torch.device) -> int:
    """The most bytes that were taken since `reset_peak`, or ever where a system cannot forget."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _field(STATUS, "VmHWM") or _most()


def reset_peak(device: torch.device) -> None:
    """From here on `peak` counts anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        RESET.write_text("5")


def available(device: torch.device) -> int:
    """Bytes that this process could still take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - resident(device)
    free = _field(FREE, "MemAvailable")
    if free is None:
        with suppress(OSError, ValueError):
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [free if free is not None else sys.maxsize]
    with suppress(OSError, ValueError):  # a container's limit; "max" is none
        limits.append(int((CGROUP / "memory.max").read_text()) - int((CGROUP / "memory.current").read_text()))
    return max(0, min(limits))


def _field(path: Path, name: str) -> int | None:
    """A line as "VmRSS:   1234 kB" -> bytes; None where there is no such file or line."""
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return None


def _most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
