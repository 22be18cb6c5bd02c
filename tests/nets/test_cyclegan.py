"""CycleGAN's players: counts to the digit, the published layer list in plain functions, what a score sees."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import cyclegan
from ganvas.nets.cyclegan import Discriminator, Generator


def count(build) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build().parameters())


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: Generator(3, 3), 11_378_179),
        (lambda: Generator(1, 3), 11_371_907),
        (lambda: Generator(3, 1), 11_371_905),
        (lambda: Generator(1, 1), 11_365_633),
        (lambda: Generator(3, 3, num_blocks=6), 7_837_699),
        (lambda: Generator(3, 3, dropout=True), 11_378_179),
        (lambda: Discriminator(3), 2_764_737),
        (lambda: Discriminator(1), 2_762_689),
        (lambda: nn.ModuleList([Generator(), Generator(), Discriminator(), Discriminator()]), 28_285_832),
    ],
)
def test_parameter_counts(build, expected: int) -> None:
    assert count(build) == expected


def seeded(network: nn.Module) -> dict[str, Tensor]:
    """Weights large enough to be seen, biases that are not zero; read through the state dict."""
    rng = torch.Generator().manual_seed(1)
    for p in network.parameters():
        nn.init.normal_(p, 0.0, 0.2, generator=rng)
    return network.state_dict()


def normed(x: Tensor) -> Tensor:
    return (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()


def mirrored(x: Tensor, weights: dict[str, Tensor], name: str, border: int) -> Tensor:
    x = F.pad(x, (border,) * 4, mode="reflect")
    return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def plain_generator(x: Tensor, w: dict[str, Tensor], num_blocks: int, keep: Tensor | None) -> Tensor:
    h = normed(mirrored(x, w, "first", 3)).relu()
    h = normed(F.conv2d(h, w["downs.0.weight"], w["downs.0.bias"], stride=2, padding=1)).relu()
    h = normed(F.conv2d(h, w["downs.1.weight"], w["downs.1.bias"], stride=2, padding=1)).relu()
    for i in range(num_blocks):
        inner = normed(mirrored(h, w, f"blocks.{i}.conv1", 1)).relu()
        if keep is not None:
            inner = torch.where(keep[:, i], inner / 0.5, 0.0)
        h = h + normed(mirrored(inner, w, f"blocks.{i}.conv2", 1))
    for i in range(2):
        weight, bias = w[f"ups.{i}.weight"], w[f"ups.{i}.bias"]
        h = normed(F.conv_transpose2d(h, weight, bias, stride=2, padding=1, output_padding=1)).relu()
    return torch.tanh(mirrored(h, w, "last", 3))


@pytest.mark.parametrize("dropout", [False, True])
def test_generator_is_the_published_layer_list(dropout: bool) -> None:
    G = Generator(3, 1, width=4, num_blocks=2, dropout=dropout).double()
    weights = seeded(G)
    rng = torch.Generator().manual_seed(2)
    x = torch.randn(2, 3, 16, 24, generator=rng, dtype=torch.float64)
    keep = G.draw_dropout(2, 16, 24, rng)
    assert (keep is not None) == dropout
    out = G(x, keep)
    assert out.shape == (2, 1, 16, 24)
    assert_close(out, plain_generator(x, weights, 2, keep))
    assert_close(G.eval()(x, keep), out)  # no statistics run along
    assert not list(G.buffers())


def test_discriminator_is_the_published_layer_list() -> None:
    D = Discriminator(3, width=2).double()
    w = seeded(D)
    x = torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    h = F.leaky_relu(F.conv2d(x, w["convs.0.weight"], w["convs.0.bias"], stride=2, padding=1), 0.2)
    for i, stride in ((1, 2), (2, 2), (3, 1)):
        h = F.conv2d(h, w[f"convs.{i}.weight"], w[f"convs.{i}.bias"], stride=stride, padding=1)
        h = F.leaky_relu(normed(h), 0.2)
    assert_close(D(x), F.conv2d(h, w["convs.4.weight"], w["convs.4.bias"], padding=1))


def test_widths_double_up_to_eight_times() -> None:
    assert [conv.out_channels for conv in Discriminator(width=2, num_layers=5).convs] == [2, 4, 8, 16, 16, 16, 1]


def test_thirty_by_thirty_scores_of_256_pixels() -> None:
    assert Discriminator(width=1)(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize(("num_layers", "patch"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_what_one_score_sees(monkeypatch, num_layers: int, patch: int) -> None:
    """Without instance norm, which sees everything: positive weights, so no path is cancelled or dead."""
    monkeypatch.setattr(cyclegan, "instance_norm", lambda x: x)
    D = Discriminator(1, width=1, num_layers=num_layers).double()
    for p in D.parameters():
        nn.init.constant_(p, 0.25)
    x = torch.ones(1, 1, 2 * patch, 2 * patch, dtype=torch.float64, requires_grad=True)
    scores = D(x)
    middle = scores.shape[2] // 2
    (gradient,) = torch.autograd.grad(scores[0, 0, middle, middle], x)
    for axis in (2, 3):
        assert int((gradient != 0).any(axis).sum()) == patch
    assert D.patch == patch


def test_what_one_pixel_of_the_generator_sees(monkeypatch) -> None:
    monkeypatch.setattr(cyclegan, "instance_norm", lambda x: x)
    G = Generator(1, 1, width=1, num_blocks=1).double()
    for p in G.parameters():
        nn.init.constant_(p, 0.01)
    seen = []
    for at in range(40, 44):  # the four phases of the two strides
        x = torch.ones(1, 1, 8, 84, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(G(x)[0, 0, 4, at], x)
        columns = (gradient != 0).any(2).flatten().nonzero().flatten()
        seen.append(max(at - int(columns[0]), int(columns[-1]) - at))
    assert max(seen) == G.reach == 20
    with torch.device("meta"):
        assert [Generator(num_blocks=n).reach for n in (6, 9)] == [60, 84]


@pytest.mark.parametrize("size", [(13, 18), (5, 7), (16, 8)])
def test_any_size_is_mirrored_and_cropped(size: tuple[int, int]) -> None:
    G = Generator(2, 4, width=2, num_blocks=1).double()
    weights = seeded(G)
    x = torch.randn(1, 2, *size, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    padded = F.pad(x, (0, -size[1] % 4, 0, -size[0] % 4), mode="reflect")
    assert_close(G(x), plain_generator(padded, weights, 1, None)[..., : size[0], : size[1]])
    keep = torch.ones(1, 1, 8, -(-size[0] // 4), -(-size[1] // 4), dtype=torch.bool)
    assert G(x, keep).shape == (1, 4, *size)


def test_dropout_lets_half_through_and_is_drawn_beforehand() -> None:
    G = Generator(1, 1, width=8, num_blocks=3, dropout=True)
    keep = G.draw_dropout(2, 30, 61, torch.Generator().manual_seed(5))
    assert keep is not None
    assert keep.shape == (2, 3, 32, 8, 16)
    assert abs(keep.float().mean().item() - 0.5) < 0.02
    again = G.draw_dropout(2, 30, 61, torch.Generator().manual_seed(5))
    assert torch.equal(keep, again)


def test_weights_begin_at_a_fiftieth_and_biases_at_zero() -> None:
    torch.manual_seed(6)
    for network in (Generator(width=16, num_blocks=1), Discriminator(width=16)):
        weights = [p for p in network.parameters() if p.dim() > 1]
        assert all(abs(p.std().item() / 0.02 - 1) < 0.15 for p in weights)
        assert not any(p.any() for p in network.parameters() if p.dim() == 1)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Generator(5, 3), "5 channels given"),
        (lambda: Discriminator(0), "0 channels given"),
        (lambda: Generator(num_blocks=0), "0 residual blocks given"),
        (lambda: Discriminator(num_layers=0), "0 layers given"),
        (lambda: Generator(width=1, num_blocks=1)(torch.zeros(1, 3, 4, 9)), "images of 9x4 pixels; the generator"),
        (lambda: Discriminator(width=1)(torch.zeros(1, 3, 30, 23)), "images of 23x30 pixels, but D takes 24"),
    ],
)
def test_what_does_not_fit_is_one_line(build, says: str) -> None:
    with pytest.raises(InputError, match=says):
        build()


def test_the_smallest_images() -> None:
    assert Discriminator(width=1)(torch.zeros(1, 3, 24, 24)).shape == (1, 1, 1, 1)
    assert Generator(width=1, num_blocks=1)(torch.zeros(1, 3, 5, 5)).shape == (1, 3, 5, 5)
