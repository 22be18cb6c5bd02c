"""The non-local block of SAGAN's released code."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganvas.errors import InputError
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
