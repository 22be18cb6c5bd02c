"""Batch norm with a condition, and standing statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganvas.nets import biggan
from ganvas.ops.norm import BatchNorm2d, ConditionalBatchNorm2d, Statistics, collected_statistics


def tables(channels: int, classes: int = 3, **kwargs) -> ConditionalBatchNorm2d:
    return ConditionalBatchNorm2d(channels, nn.Embedding(classes, channels), nn.Embedding(classes, channels), **kwargs)


def test_the_gain_is_centred_at_one():
    """The trap: without "+1" a condition of zeros multiplies the features by zero."""
    norm = tables(4)
    nn.init.zeros_(norm.gain.weight)
    nn.init.zeros_(norm.bias.weight)
    x = torch.randn(8, 4, 3, 3)
    assert_close(norm(x, torch.zeros(8, dtype=torch.int64)), nn.BatchNorm2d(4, affine=False)(x))


@pytest.mark.parametrize("projected", [False, True])
def test_against_the_formula(projected):
    y = torch.randn(6, 5) if projected else torch.tensor([0, 1, 2, 0, 1, 2])
    gain, bias = (nn.Linear(5, 4, bias=False) if projected else nn.Embedding(3, 4) for _ in range(2))
    norm = ConditionalBatchNorm2d(4, gain, bias, eps=1e-3)
    x = torch.randn(6, 4, 3, 3)
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    expected = (x - mean) / (var + 1e-3).sqrt() * (1 + gain(y))[:, :, None, None] + bias(y)[:, :, None, None]
    assert_close(norm(x, y), expected)


def test_running_statistics_are_those_of_torch():
    ours, theirs = BatchNorm2d(4, 1e-3, 0.2), nn.BatchNorm2d(4, 1e-3, 0.2)
    for _ in range(3):
        x = torch.randn(5, 4, 2, 2)
        assert_close(ours(x), theirs(x))
    assert_close(ours.stored_mean, theirs.running_mean)
    assert_close(ours.stored_var, theirs.running_var)
    assert_close(ours.eval()(x), theirs.eval()(x))


def test_unless_told_it_is_torchs_batch_norm():
    """eps 1e-5 and momentum 0.1, with a condition or without; inputs so small that eps matters."""
    theirs, ours, conditional = nn.BatchNorm2d(4), BatchNorm2d(4), tables(4)
    nn.init.zeros_(conditional.gain.weight)
    nn.init.zeros_(conditional.bias.weight)
    x = 0.01 * torch.randn(5, 4, 2, 2)
    expected = theirs(x)
    assert_close(ours(x), expected)
    assert_close(conditional(x, torch.zeros(5, dtype=torch.int64)), expected)
    for norm in (ours, conditional):
        assert_close(norm.stored_mean, theirs.running_mean)
        assert_close(norm.stored_var, theirs.running_var)


def test_standing_statistics_are_float32_whatever_runs():
    norm = BatchNorm2d(4)
    x = (3 + torch.randn(8, 4, 8, 8)).bfloat16()
    with collected_statistics(norm):
        norm(x)
    assert_close(norm.stored_mean, x.float().mean((0, 2, 3)))
    assert_close(norm.stored_var, x.float().var((0, 2, 3), correction=0))


def small_generator() -> nn.Module:
    return biggan.Generator(8, ch=2, dim_z=6, num_classes=3, attention=(8,), shared_dim=4)


def layers_of(G: nn.Module) -> list[Statistics]:
    return [layer for layer in G.modules() if isinstance(layer, Statistics)]


@torch.no_grad()
def collect(G: nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """As sampling does: in evaluation mode, so that spectral norm's vectors stay."""
    G.eval()
    with collected_statistics(G) as layers:
        assert layers == layers_of(G)
        for arguments in batches:
            G(*arguments)


def test_standing_statistics_are_the_mean_of_batch_statistics():
    G = small_generator()
    torch.manual_seed(1)
    batches = [(torch.randn(4, 6), G.shared(torch.randint(3, (4,)))) for _ in range(5)]

    # By hand: the inputs of the last batch norm, with every layer normalising by its batch and u held.
    probe = copy.deepcopy(G).eval()
    for layer in probe.modules():
        if isinstance(layer, Statistics):
            layer.train()
    inputs: list[torch.Tensor] = []
    probe.output_layer[0].register_forward_pre_hook(lambda _module, args: inputs.append(args[0].detach()))
    for arguments in batches:
        probe(*arguments)

    before = copy.deepcopy(G.state_dict())
    collect(G, batches)
    last = G.output_layer[0]
    assert_close(last.stored_mean, torch.stack([x.mean((0, 2, 3)) for x in inputs]).mean(0))
    assert_close(last.stored_var, torch.stack([x.var((0, 2, 3), correction=0) for x in inputs]).mean(0))
    changed = {key for key, value in G.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {key for key in before if key.rsplit(".")[-1] in ("stored_mean", "stored_var")}
    assert all(layer.settled for layer in layers_of(G))

    again = G.state_dict()[("output_layer.0.stored_var")].clone()
    collect(G, batches)
    assert_close(last.stored_var, again)  # they do not depend on what was stored


def test_afterwards_the_stored_statistics_are_used_again():
    G = small_generator()
    batch = (torch.randn(4, 6), G.shared(torch.tensor([0, 1, 2, 0])))
    collect(G, [batch])
    assert all(layer.seen is None for layer in layers_of(G))
    alone, together = G.eval()(batch[0][:1], batch[1][:1]), G(*batch)
    assert_close(alone, together[:1], rtol=1e-4, atol=1e-5)  # in evaluation mode an image is its own


def test_statistics_of_nothing_are_those_that_were_there():
    G = small_generator()
    before = copy.deepcopy(G.state_dict())
    collect(G, [])
    assert_close(G.state_dict(), before, rtol=0, atol=0)
    assert not any(layer.settled for layer in layers_of(G))
    with collected_statistics(nn.Linear(2, 2)) as layers:
        assert layers == []


def raise_after(_: object) -> None:
    raise ZeroDivisionError


def test_a_failure_leaves_every_layer_as_it_was():
    G = small_generator().eval()
    before = copy.deepcopy(G.state_dict())
    with pytest.raises(ZeroDivisionError), collected_statistics(G):
        raise_after(G(torch.randn(2, 6), G.shared(torch.tensor([0, 1]))))
    assert_close(G.state_dict(), before, rtol=0, atol=0)
    assert all(layer.seen is None and not layer.settled for layer in layers_of(G))
