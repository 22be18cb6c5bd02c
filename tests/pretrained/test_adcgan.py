"""ADC-GAN's checkpoints: five heads in every D, of which those that were trained are kept."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import biggan, heads
from ganvas.pretrained.adcgan import convert

CLASSIFIERS = ("adc", "ac", "mi", "am")


def G_state(**kwargs) -> dict[str, torch.Tensor]:
    settings = {"resolution": 32, "ch": 2, "dim_z": 8, "num_classes": 3, "attention": (), "shared_dim": 0}
    return biggan.Generator(**settings, hier=False, **kwargs).state_dict()


def theirs(D: heads.Discriminator) -> dict[str, torch.Tensor]:
    """The state dict under the names of their layout: every head right in D."""
    renamed = {}
    for key, value in D.state_dict().items():
        renamed[key.removeprefix("heads.").removeprefix("classify.")] = value
    return renamed


def full_D(resolution: int = 32, **kwargs) -> heads.Discriminator:
    return heads.Discriminator((*CLASSIFIERS, "embed"), resolution, ch=2, num_classes=3, **kwargs)


def test_the_layout_is_the_one_of_the_specification():
    owners = {key.split(".")[0] for key in theirs(full_D())}
    assert owners == {"blocks", "linear", "adc", "ac", "mi", "am", "embed"}


@pytest.mark.parametrize("used", [("adc",), ("ac",), ("ac", "mi"), ("embed",), ("am",), (*CLASSIFIERS, "embed")])
def test_the_trained_heads_load_and_compute_the_same(used):
    torch.manual_seed(0)
    source = full_D().eval()
    imported = convert(G_state(), theirs(source), used)
    D = heads.Discriminator(used, 32, ch=imported.values["D_ch"], num_classes=3).eval()
    D.load_state_dict(imported.D)  # strict: nothing is missing and nothing too much
    x, y = torch.randn(2, 3, 32, 32), torch.tensor([0, 2])
    answer, expected = D(x, y), source(x, y)
    for name in set(used) & set(CLASSIFIERS):
        assert_close(getattr(answer, name), getattr(expected, name))
    h = source.features(x)
    score = expected.score if "embed" in used else source.heads.linear(h)
    assert_close(answer.score, score)
    notes = " ".join(imported.notes)
    unused = {*CLASSIFIERS, "embed"} - set(used)
    assert all(name in notes for name in unused)
    assert ("left out" in notes) == bool(unused)


def test_values():
    G = G_state()
    imported = convert(G, theirs(full_D()))
    assert_close(imported.G, G)
    assert imported.paper == "adcgan"
    expected = {"resolution": 32, "num_classes": 3, "hier": False, "shared_dim": 0, "dim_z": 8, "G_ch": 2, "D_ch": 2}
    expected |= {"sn_eps": 1e-8, "bn_eps": 1e-5, "final_bn_eps": 1e-5, "heads": ["adc"]}
    assert {key: imported.values[key] for key in expected} == expected


def test_tiny_imagenet():
    G = biggan.Generator(64, ch=4, dim_z=10, num_classes=3, attention=(64,), shared_dim=5).state_dict()
    imported = convert(G, theirs(full_D(64)), sn_eps=1e-6)
    assert (imported.values["G_attention"], imported.values["D_attention"]) == ([64], [])
    assert (imported.values["resolution"], imported.values["hier"]) == (64, True)


def test_without_d():
    imported = convert(G_state())
    assert imported.paper == "adcgan"
    assert imported.D is None
    assert "heads" not in imported.values


def test_what_is_refused():
    state = theirs(full_D())
    with pytest.raises(InputError, match="'twin', expected some of embed, ac, mi, adc, am"):
        convert(G_state(), state, ("twin",))
    plain = biggan.Discriminator(32, ch=2, num_classes=3, attention=()).state_dict()
    with pytest.raises(InputError, match=r"no 'adc\.weight', expected those of a D of ADC-GAN's code"):
        convert(G_state(), plain)
    with pytest.raises(InputError, match="num_classes is 3 in G, 4 in D"):
        convert(G_state(), theirs(heads.Discriminator((*CLASSIFIERS, "embed"), 32, ch=2, num_classes=4)))
