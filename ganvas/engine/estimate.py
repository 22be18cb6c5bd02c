"""What a run would cost, before it starts: multiplications counted on the meta device, speed tried for a moment."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganvas import rng
from ganvas.engine.step import freeze_all_but
from ganvas.gan import GAN

CALL = 1e-5  # seconds that an operation takes however little it computes
_N = 4  # images in the counted batch; memory and work grow linearly from there


@dataclass(frozen=True)
class Estimate:
    """Per iteration and for the run; seconds and bytes are rough (a factor of two either way is normal)."""

    flops_per_image: float
    seconds: float
    images_per_second: float
    memory_bytes: int
    memory_row: float = 0.0  # bytes for each further row of a part


class Counter(TorchDispatchMode):
    """Adds up floating-point operations.  torch's own counter also follows modules, by hooks that the derivative
    inside a gradient penalty does not allow.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls += 1
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def estimate(gan: GAN, device: torch.device, images: int) -> Estimate:
    """What training a GAN built on the meta device for `images` images would take on `device`."""
    config = gan.config
    real = gan.blank(_N, torch.device("meta"))
    work, calls, peak, batches = 0.0, 0.0, 0, 1
    gan.iteration = 1  # not 0, where schedules have their exceptions
    for phase in gan.phases():
        saved: dict[int, int] = {}

        def keep(t: Tensor, saved: dict[int, int] = saved) -> Tensor:
            saved[id(t)] = t.numel() * t.element_size()
            return t

        freeze_all_but(gan, phase.player)
        drawn = (phase.draw or gan.draw)(real, rng.generator("estimate"))
        counter = Counter()
        with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            phase.loss(real, drawn).total.backward()
        work += counter.flops / _N * phase.repeat / phase.every
        calls += counter.calls * phase.repeat * config.accumulate / phase.every
        peak = max(peak, sum(saved.values()))
        batches = max(batches, phase.repeat)
    parameters = sum(p.numel() * p.element_size() for p in gan.parameters())
    speed = _speed(device)
    per_image = work / batches
    memory = (
        5 * parameters + peak * (config.batch // config.accumulate) // _N
    )  # weights, gradient, two moments, average
    seconds = images * (per_image / speed + calls * CALL / (batches * config.batch))
    return Estimate(per_image, seconds, images / seconds, memory, peak / _N)


@cache
def _speed(device: torch.device) -> float:
    """Floating-point operations per second of a convolution's forward and backward pass, tried for a moment."""
    conv = torch.nn.Conv2d(64, 64, 3, padding=1, device=device)
    x = torch.zeros(16, 64, 16, 16, device=device)
    work, runs, started = 2 * 3 * 16 * 64 * 64 * 9 * 256, 0, 0.0
    while runs < 3 or (time.monotonic() - started < 0.2 and runs < 1000):
        if runs == 2:  # the first two warm up
            started = time.monotonic()
        conv(x).sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        runs += 1
    return work * (runs - 2) / (time.monotonic() - started)
