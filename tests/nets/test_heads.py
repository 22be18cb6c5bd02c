"""D with classifiers: counts to the digit, which head sees what, and the nets of the mixture of Gaussians."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import biggan, mog
from ganvas.nets.heads import HEADS, Answer, Discriminator, Heads

ALL = ("adc", "ac", "mi", "am", "embed")
CIFAR = {"resolution": 32, "ch": 64, "attention": ()}
SETTINGS = {
    "C10": {**CIFAR, "num_classes": 10},
    "C100": {**CIFAR, "num_classes": 100},
    "TI200": {"resolution": 64, "ch": 64, "attention": (), "num_classes": 200},
}
COUNTS = {  # trunk; all heads as ADC-GAN's code builds them; only those that AC, TAC, PD, ADC, AM need
    "C10": (4_204_544, 4_220_468, (4_207_371, 4_209_941, 4_207_361, 4_209_941, 4_207_628)),
    "C100": (4_204_544, 4_359_158, (4_230_501, 4_256_201, 4_230_401, 4_256_201, 4_230_758)),
    "TI200": (19_541_696, 20_773_546, (19_747_721, 19_952_721, 19_747_521, 19_952_721, 19_748_746)),
}
METHODS = ("ac", "tac", "pd", "adc", "am")


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def tiny(heads=("adc",), **kwargs) -> Discriminator:
    return Discriminator(heads, **{"resolution": 8, "ch": 4, "num_classes": 3, **kwargs})


@pytest.mark.parametrize("name", COUNTS)
def test_discriminator_counts(name):
    trunk, everything, needed = COUNTS[name]
    with torch.device("meta"):
        D = Discriminator(ALL, **SETTINGS[name])
        assert count(D) == everything
        assert count(D) - count(D.heads) == trunk
        assert tuple(count(Discriminator(HEADS[method], **SETTINGS[name])) for method in METHODS) == needed


def test_head_sizes():
    with torch.device("meta"):
        heads = Heads(ALL, 256, 10)
    sizes = {"linear": count(heads.linear), "embed": count(heads.embed)}
    sizes |= {name: count(head) for name, head in heads.classify.items()}
    assert sizes == {"linear": 257, "adc": 5140, "ac": 2570, "mi": 2570, "am": 2827, "embed": 2560}


TABLES = {"resolution": 32, "dim_z": 128, "hier": False, "shared_dim": 0, "attention": ()}


@pytest.mark.parametrize(
    ("G", "expected"),
    [
        ({**TABLES, "num_classes": 10}, 4_304_387),
        ({**TABLES, "num_classes": 100}, 4_580_867),
        ({"resolution": 64, "dim_z": 120, "num_classes": 200, "attention": (64,)}, 31_805_700),
    ],
)
def test_generator_counts(G, expected):
    with torch.device("meta"):
        assert count(biggan.Generator(ch=64, **G)) == expected


def test_the_answer_has_what_was_asked_for():
    x, y = torch.zeros(2, 3, 8, 8), torch.tensor([0, 2])
    for method, heads in HEADS.items():
        answer = tiny(heads)(x, y)
        shapes = {name: tuple(field.shape) for name, field in answer._asdict().items() if field is not None}
        widths = {"ac": 3, "mi": 3, "adc": 6, "am": 4}
        expected = {"score": (2, 1), **{name: (2, widths[name]) for name in heads if name != "embed"}}
        assert shapes == expected, method
    assert tiny(())(x)[1:] == (None,) * 4


def test_every_head_is_one_linear_map_of_the_same_features():
    D = tiny(ALL).eval()
    x, y = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2])
    h, answer = D.features(x), D(x, y)
    assert h.shape == (2, D.num_features)
    for name, head in D.heads.classify.items():
        assert_close(getattr(answer, name), head(h))
        assert head.bias is not None
        assert head.u0.shape == (1, head.out_features)  # one sigma for the whole matrix, both signs of "adc" included
    assert_close(answer.score, D.heads.linear(h) + (D.heads.embed(y) * h).sum(1, keepdim=True))


@pytest.mark.parametrize("heads", [("ac",), ("ac", "mi"), ("adc",), ("am",)])
def test_only_projection_looks_at_y(heads):
    x, y = torch.zeros(2, 3, 8, 8), torch.tensor([0, 2])
    D = tiny(heads).eval()
    assert_close(D(x)._asdict(), D(x, y)._asdict(), rtol=0, atol=0)
    with pytest.raises(AssertionError, match="needs y"):
        tiny(("embed",))(x)


def test_projection_is_biggans_discriminator():
    torch.manual_seed(0)
    ours = tiny(("embed",), sn_eps=1e-4).eval()
    theirs = biggan.Discriminator(8, 4, 3, attention=()).eval()
    theirs.load_state_dict({key.removeprefix("heads."): value for key, value in ours.state_dict().items()})
    x, y = torch.randn(2, 3, 8, 8), torch.tensor([0, 2])
    assert_close(ours(x, y).score, theirs(x, y), rtol=0, atol=0)


def test_split_cuts_every_field():
    score, adc = torch.arange(5.0)[:, None], torch.arange(30.0).view(5, 6)
    fake, real = Answer(score, adc=adc).split([2, 3])
    assert_close((fake.score, fake.adc), (score[:2], adc[:2]))
    assert_close((real.score, real.adc), (score[2:], adc[2:]))
    assert fake.ac is real.am is None


def test_initialisation():
    torch.manual_seed(0)
    D = tiny(ALL, ch=64)
    for head in (*D.heads.classify.values(), D.heads.embed, D.heads.linear):
        assert head.weight.std().item() == pytest.approx(0.02, rel=0.15)
    assert D.heads.classify["adc"].bias.any()  # PyTorch's default
    assert not tiny(bias_init="zero").heads.classify["adc"].bias.any()


def test_the_epsilon_reaches_every_layer():
    layers = [m for m in tiny(ALL, sn_eps=1e-6).modules() if hasattr(m, "sn_eps")]
    assert len(layers) == 5 + len(ALL) + 1  # two blocks' convolutions, the heads, the score
    assert {layer.sn_eps for layer in layers} == {1e-6}


def test_what_is_refused():
    with pytest.raises(InputError, match="'twin', expected some of embed, ac, mi, adc, am"):
        tiny(("twin",))
    with pytest.raises(InputError, match="need classes"):
        tiny(num_classes=0)


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        (("ac", "mi"), 317),  # as the authors keep it for AC-GAN and TAC-GAN
        (("embed", "ac", "mi"), 347),  # and for PD-GAN
        (("adc", "ac", "mi"), 383),
        (("adc",), 317),  # as large as TAC-GAN's
        (("ac",), 284),
        (("embed",), 281),
    ],
)
def test_mixture_discriminator_counts(heads, expected):
    assert count(mog.Discriminator(heads)) == expected


def test_mixture_of_gaussians_nets():
    torch.manual_seed(0)
    G = mog.Generator()
    assert count(G) == 287
    y = torch.tensor([0, 1, 2, 0])
    x = G(torch.zeros(4, 2), G.shared(y))
    assert x.shape == (4, 1)
    assert_close(x[0], x[3])
    assert (x[0] - x[1]).abs() > 1e-3  # the class reaches the point
    assert not any("u0" in key for key in mog.Discriminator(ALL).state_dict())

    G, D = mog.Generator(dim=2), mog.Discriminator(ALL, dim=2)
    answer = D(G(torch.zeros(4, 2), G.shared(y)), y)
    assert (answer.score.shape, answer.adc.shape) == ((4, 1), (4, 6))
    assert D.layers[-1].out_features == 10  # no tanh before the heads
