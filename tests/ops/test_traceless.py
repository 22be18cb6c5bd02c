"""A pass that leaves no trace: the same numbers, and nothing stored."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganvas.ops.norm import BatchNorm2d, collected_statistics
from ganvas.ops.spectral import SNConv2d, SNEmbedding, SNLinear
from ganvas.ops.traceless import traceless


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = SNConv2d(2, 3, 3), BatchNorm2d(3, momentum=0.2)
        self.linear, self.embed = SNLinear(3, 2), SNEmbedding(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(self.conv(x)).relu().sum((2, 3))) * self.embed(torch.arange(len(x)))


def images() -> Tensor:
    return torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(1))


def state(network: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


@pytest.mark.parametrize("training", [True, False])
def test_the_same_numbers_and_nothing_stored(training: bool) -> None:
    network, x = Network().train(training), images()
    before = state(network)
    with traceless(network):
        first, again = network(x), network(x)
    assert torch.equal(first, again)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(module.training == training for module in network.modules())
    assert torch.equal(network(x), first)  # the pass that stores uses the very same sigma and statistics
    moved = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    stored = {"conv.u0", "conv.sv0", "linear.u0", "linear.sv0", "embed.u0", "embed.sv0"}
    assert moved == (stored | {"norm.stored_mean", "norm.stored_var"} if training else set())


def test_it_ends_where_the_block_ends_whatever_happens() -> None:
    network = Network()
    with pytest.raises(RuntimeError, match="stop"), traceless(network):
        raise RuntimeError("stop")
    assert network.norm.momentum == 0.2
    assert all(module.training for module in network.modules())


def test_standing_statistics_do_not_collect_it() -> None:
    network, x = Network().eval(), images()
    with collected_statistics(network):
        with traceless(network):
            network(x)
        network(x + 1)
        assert network.norm.seen is not None
        assert len(network.norm.seen) == 1
