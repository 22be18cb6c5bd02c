"""The non-local block of SAGAN's released code."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.ops import attention
from ganvas.ops.attention import Attention, attention_map
from ganvas.ops.spectral import SNConv2d


def test_starts_as_the_identity():
    x = torch.randn(2, 16, 4, 4)
    assert_close(Attention(16, SNConv2d)(x), x, rtol=0, atol=0)


def test_rows_sum_to_one_over_a_quarter_of_the_pixels():
    block = Attention(16, nn.Conv2d)
    seen = []
    block.phi.register_forward_hook(lambda _m, _i, out: seen.append(out.shape))
    block(torch.randn(2, 16, 8, 8))
    assert seen == [(2, 2, 8, 8)]
    beta = attention_map(torch.randn(2, 2, 64), torch.randn(2, 2, 16))
    assert beta.shape == (2, 64, 16)
    assert_close(beta.sum(-1), torch.ones(2, 64))


def test_the_map_is_a_softmax_over_keys_that_is_not_scaled():
    queries, keys = torch.randn(2, 3, 5), torch.randn(2, 3, 4)
    scores = torch.einsum("nfq,nfk->nqk", queries, keys).exp()
    assert_close(attention_map(queries, keys), scores / scores.sum(2, keepdim=True))


def test_each_query_by_hand():
    block = Attention(8, nn.Conv2d).double()
    nn.init.constant_(block.gamma, 0.7)
    x = torch.randn(1, 8, 4, 4, dtype=torch.float64)
    theta, phi, g = block.theta(x)[0, 0], block.phi(x)[0, 0], block.g(x)[0]
    windows = [(slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2)) for i in range(2) for j in range(2)]
    keys = torch.stack([phi[w].max() for w in windows])
    values = torch.stack([g[:, a, b].amax((1, 2)) for a, b in windows])
    mixed = torch.zeros(1, 4, 4, 4, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            mixed[0, :, i, j] = torch.softmax(theta[i, j] * keys, 0) @ values
    assert_close(block(x), x + 0.7 * block.o(mixed))


def test_no_biases_and_every_convolution_is_spectral():
    names = {name for name, _ in Attention(16, partial(SNConv2d, eps=1e-6)).state_dict().items()}
    assert names == {"gamma"} | {f"{c}.{k}" for c in ("theta", "phi", "g", "o") for k in ("weight", "u0", "sv0")}


def test_twice_differentiable():
    block = Attention(8, nn.Conv2d).double()
    nn.init.ones_(block.gamma)
    x = torch.randn(1, 8, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(block, x)


def test_too_few_channels():
    with pytest.raises(InputError, match="attention on 4 channels"):
        Attention(4, nn.Conv2d)


@pytest.mark.parametrize("needed", [(True, True, True), (True, False, True)])
def test_block_by_block_it_is_the_same(needed: tuple[bool, bool, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward, backward and the derivative of backward, in blocks of 5 queries and one of 3."""
    rng = torch.Generator().manual_seed(0)
    given = [torch.randn(2, *shape, generator=rng, dtype=torch.float64) for shape in ((3, 23), (3, 6), (4, 6))]
    slope, second = (torch.randn(2, *shape, generator=rng, dtype=torch.float64) for shape in ((4, 23), (3, 23)))

    def differentiated() -> list[Tensor]:
        tensors = [t.clone().requires_grad_(grad) for t, grad in zip(given, needed)]
        learn = [t for t in tensors if t.requires_grad]
        out = attention.attended(*tensors)
        first = torch.autograd.grad(out, learn, slope, retain_graph=True)
        again = torch.autograd.grad(out, learn, slope, create_graph=True)
        return [out, *first, *again, *torch.autograd.grad((again[0] * second).sum(), learn)]

    assert not attention.in_blocks(*given[:2])
    plain = differentiated()
    monkeypatch.setattr(attention, "LARGE", 1)
    monkeypatch.setattr(attention, "BLOCK", 5 * 6 * 8)
    assert attention.in_blocks(*given[:2])
    for ours, theirs in zip(differentiated(), plain):
        assert_close(ours, theirs)


def test_blocks_are_for_large_maps_in_full_precision() -> None:
    queries, keys = torch.zeros(1, 1, 64 * 64), torch.zeros(1, 1, 32 * 32)
    assert attention.in_blocks(queries, keys)
    assert not attention.in_blocks(queries[..., :1024], keys[..., :256])
    assert not attention.in_blocks(queries.to("meta"), keys.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not attention.in_blocks(queries, keys)
