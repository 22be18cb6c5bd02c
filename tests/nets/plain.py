"""Networks as plain functions of their weights: what the tests of networks without an authors' fixture share.

A transcription is written from the paper's description with torch.nn.functional alone, reads a state dict and never
the module, so it errs where the description errs, not where the module does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

State = dict[str, Tensor]


def fill(network: nn.Module, seed: int = 0) -> nn.Module:
    """Overwrites every parameter and buffer with seeded noise, in float64: biases, gains and statistics too."""
    rng = torch.Generator().manual_seed(seed)
    for key, tensor in network.double().state_dict().items():
        if not tensor.is_floating_point():
            continue
        values = torch.randn(tensor.shape, generator=rng, dtype=torch.float64)
        if key.endswith("running_var"):
            values = 0.5 + values.abs()
        elif tensor.dim() >= 2:
            values = values * math.sqrt(2 / tensor[0].numel())
        tensor.copy_(values)
    return network


def batch_norm(state: State, key: str, x: Tensor, training: bool) -> Tensor:
    """eps 1e-5, running statistics updated in the state with momentum 0.1; gain and bias where there are any."""
    mean, var = state[f"{key}.running_mean"], state[f"{key}.running_var"]
    gain, bias = state.get(f"{key}.weight"), state.get(f"{key}.bias")
    return F.batch_norm(x, mean, var, gain, bias, training, 0.1, 1e-5)


def assert_same(network: nn.Module, plain: Callable[..., Tensor], *inputs: Tensor) -> None:
    """forward(*inputs) = plain(state, training, *inputs) for a filled network, and the same running statistics."""
    fill(network)
    for training in (True, False):
        network.train(training)
        state = {key: value.clone() for key, value in network.state_dict().items()}
        with torch.no_grad():
            ours, expected = network(*inputs), plain(state, training, *inputs)
        assert expected.std() > 0.01  # neither saturated nor dead: the comparison can fail
        assert_close(ours, expected)
        after = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
        assert_close({key: state[key] for key in after}, after)


def assert_uniform(weight: Tensor, bound: float) -> None:
    """U(-bound, bound), told from a bound that is a factor of sqrt(2) off, and from a normal of the same deviation."""
    n = weight.numel()
    assert n >= 100
    assert (1 - 16 / n) * bound < weight.abs().max() <= bound * (1 + 1e-6)
    assert abs(weight.mean() / bound) < 5 / math.sqrt(n)
    assert abs(weight.std() / bound * math.sqrt(3) - 1) < 5 / math.sqrt(n)


def assert_normal(weight: Tensor, mean: float, std: float) -> None:
    """N(mean, std^2), told from a uniform one by its tails."""
    n = weight.numel()
    assert n >= 200
    standard = (weight - mean) / std
    assert abs(standard.mean()) < 5 / math.sqrt(n)
    assert abs(standard.std() - 1) < 5 / math.sqrt(n)
    assert standard.abs().max() > 2.2
