"""Optimisers by rule, and the two-way street between their state and flat tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.gan import Rule


class RMSpropTF1(torch.optim.Optimizer):
    """RMSProp as TensorFlow 1 has it: decay 0.9, accumulator starting at one, eps inside the root.

    p -= lr * g / sqrt(m + eps),  m <- 0.9 m + 0.1 g^2.  Its first steps are orders of magnitude smaller than those of
    `torch.optim.RMSprop`, whose accumulator starts at zero.  (The start at one is recalled, not checked.)
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, eps: float = 1e-10, alpha: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "eps": eps, "alpha": alpha})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        assert closure is None, "closures are not supported"
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean_square = self.state[p].setdefault("mean_square", torch.ones_like(p))
                mean_square.mul_(group["alpha"]).addcmul_(p.grad, p.grad, value=1 - group["alpha"])
                p.addcdiv_(p.grad, (mean_square + group["eps"]).sqrt(), value=-group["lr"])


def build(rule: Rule, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that a rule names."""
    if rule.kind == "adam":
        return torch.optim.Adam(params, lr=rule.lr, betas=rule.betas, eps=rule.eps)
    if rule.kind == "rmsprop":
        return torch.optim.RMSprop(params, lr=rule.lr, eps=rule.eps)
    return RMSpropTF1(params, lr=rule.lr, eps=rule.eps)


def follow(optimiser: torch.optim.Optimizer, rule: Rule) -> None:
    """Sets learning rate, betas and eps to what the rule says now."""
    for group in optimiser.param_groups:
        group["lr"], group["eps"] = rule.lr, rule.eps
        if "betas" in group:
            group["betas"] = rule.betas


def flat_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors as "index.name" -> tensor."""
    state = optimiser.state_dict()["state"]
    return {f"{i}.{key}": torch.as_tensor(value) for i, entry in state.items() for key, value in entry.items()}


def load_flat_state(optimiser: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    """The reverse of `flat_state`; learning rates come from the schedule, not from here."""
    params = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in flat.items():
        index, key = name.split(".", 1)
        p = params[int(index)]  # the same layout in memory as in a run that never stopped, for the same bits
        state.setdefault(int(index), {})[key] = torch.empty_like(p).copy_(value) if value.shape == p.shape else value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
