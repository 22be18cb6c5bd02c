"""ADC-GAN's checkpoints: five heads in every D, of which those that were trained are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import ganvas
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.nets import biggan, heads
from ganvas.papers.adcgan import ADCGAN
from ganvas.pretrained.adcgan import TRAINED, convert

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


def test_objectives_are_those_of_the_heads():
    assert TRAINED == heads.HEADS


@pytest.mark.parametrize("objective", TRAINED)
def test_the_trained_heads_load_and_compute_the_same(objective):
    torch.manual_seed(0)
    source, used = full_D().eval(), TRAINED[objective]
    imported = convert(G_state(), theirs(source), objective)
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
    assert "left out" in notes
    assert all(name in notes for name in {*CLASSIFIERS, "embed"} - set(used))


def test_values():
    G = G_state()
    imported = convert(G, theirs(full_D()))
    assert_close(imported.G, G)
    assert imported.paper == "adcgan"
    expected = {"resolution": 32, "num_classes": 3, "hier": False, "shared_dim": 0, "dim_z": 8, "G_ch": 2, "D_ch": 2}
    expected |= {"sn_eps": 1e-8, "bn_eps": 1e-5, "final_bn_eps": 1e-5, "objective": "adc"}
    assert {key: imported.values[key] for key in expected} == expected


def test_tiny_imagenet():
    G = biggan.Generator(64, ch=4, dim_z=10, num_classes=3, attention=(64,), shared_dim=5).state_dict()
    imported = convert(G, theirs(full_D(64)))
    assert imported.values["sn_eps"] == 1e-6
    assert (imported.values["G_attention"], imported.values["D_attention"]) == ([64], [])
    assert (imported.values["resolution"], imported.values["hier"]) == (64, True)


def test_without_d():
    imported = convert(G_state())
    assert imported.paper == "biggan"
    assert imported.D is None
    assert "objective" not in imported.values


def test_what_is_refused():
    state = theirs(full_D())
    with pytest.raises(InputError, match="objective=twin given, expected one of adc, ac, tac, pd, am"):
        convert(G_state(), state, "twin")
    plain = biggan.Discriminator(32, ch=2, num_classes=3, attention=()).state_dict()
    with pytest.raises(InputError, match=r"no 'adc\.weight', expected those of a D of ADC-GAN's code"):
        convert(G_state(), plain)
    with pytest.raises(InputError, match="num_classes is 3 in G, 4 in D"):
        convert(G_state(), theirs(heads.Discriminator((*CLASSIFIERS, "embed"), 32, ch=2, num_classes=4)))


def save(folder: Path, resolution: int = 32, **G: object) -> tuple[biggan.Generator, heads.Discriminator]:
    """An experiment's folder in the layout, every tensor with numbers of its own.  -> its average and its D"""
    folder.mkdir()
    torch.manual_seed(0)
    settings = {"ch": 4, "dim_z": 8, "num_classes": 3, "attention": (), "shared_dim": 0, "hier": False, **G}
    networks = [biggan.Generator(resolution, final_bn_eps=1e-5, bn_eps=1e-5, **settings) for _ in range(2)]
    D = heads.Discriminator((*CLASSIFIERS, "embed"), resolution, ch=4, num_classes=3)
    for network in (*networks, D):
        for key, value in network.state_dict().items():
            value += torch.rand(value.shape) * (1.0 if key.endswith("stored_var") else 0.1)
    for name, network in zip(("G", "G_ema"), networks):
        torch.save(network.state_dict(), folder / f"{name}.pth")
        torch.save(torch.optim.Adam(network.parameters()).state_dict(), folder / f"{name}_optim.pth")
    torch.save(theirs(D), folder / "D.pth")
    return networks[1].eval(), D.eval()


def run(*args: object) -> int:
    return main([str(a) for a in args])


@pytest.mark.parametrize(
    ("objective", "expected"),
    [("adc", "adcgan"), ("ac", "acgan"), ("tac", "tacgan"), ("pd", "pdgan"), ("am", "acgan")],
)
def test_a_folder_becomes_a_model_that_computes_the_same(objective, expected, tmp_path):
    G, D = save(tmp_path / "weights")
    told = ["--set", f"objective={objective}"] if objective != "adc" else []
    assert run("import", "adcgan", tmp_path / "weights", "--out", tmp_path / "model", *told) == 0
    gan = ganvas.load(tmp_path / "model", device="cpu")
    assert isinstance(gan, ADCGAN)
    assert gan.config.objective == objective
    assert gan.config.adversarial == ("none" if objective == "am" else "hinge")
    description = json.loads((tmp_path / "model" / "config.json").read_text())
    assert description["preset"] == f"{expected}-cifar10"
    notes = " ".join(description["notes"])
    assert ("objective=adc was assumed" in notes) == (objective == "adc")
    assert "G_ema.pth" in notes
    x, y, z = torch.randn(2, 3, 32, 32), torch.tensor([0, 2]), torch.randn(2, 8)
    with torch.no_grad():
        answer, source = gan.D(x, y), D(x, y)
        for head in set(TRAINED[objective]) & set(CLASSIFIERS):
            assert_close(getattr(answer, head), getattr(source, head))
        assert_close(answer.score, source.score if objective == "pd" else D.heads.linear(D.features(x)))
        assert_close(gan.G(z, gan.G.shared(y)), G(z, G.shared(y)))
    assert [phase.name for phase in gan.phases()] == ["D", "G"]
    assert gan.sample(2, classes=[0, 2]).shape == (2, 3, 32, 32)


def test_tiny_imagenets_and_told_epsilons(tmp_path):
    save(tmp_path / "w", 64, dim_z=10, shared_dim=5, hier=True, attention=(64,))
    assert run("import", "adcgan", tmp_path / "w", "--out", tmp_path / "m", "--set", "bn_eps=1e-5") == 0
    config = ganvas.load(tmp_path / "m", device="cpu").config
    assert (config.resolution, config.sn_eps, config.G_attention, config.D_attention) == (64, 1e-6, (64,), ())
    assert (config.batch, config.accumulate, config.G_lambda) == (100, 2, 0.5)  # the preset's
    assert run("import", "adcgan", tmp_path / "w", "--out", tmp_path / "m2", "--set", "sn_eps=1e-3") == 0
    assert ganvas.load(tmp_path / "m2", device="cpu").config.sn_eps == 1e-3


def test_amgan_may_have_had_an_adversarial_loss(tmp_path):
    save(tmp_path / "w")
    told = ["--set", "objective=am", "adversarial=logistic"]
    assert run("import", "adcgan", tmp_path / "w", "--out", tmp_path / "m", *told) == 0
    assert ganvas.load(tmp_path / "m", device="cpu").config.adversarial == "logistic"


def test_a_generator_alone_is_biggans(tmp_path):
    save(tmp_path / "w")
    assert run("import", "adcgan", tmp_path / "w" / "G_ema.pth", "--out", tmp_path / "m") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    assert gan.D is None
    assert gan.sample(2).shape == (2, 3, 32, 32)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (["--preset", "acgan-cifar10"], "acgan-cifar10 has objective=ac, these weights have objective=adc"),
        (["--set", "objective=twin"], "expected one of adc, ac, tac, pd, am"),
        (["--set", "num_classes=5"], "the weights show num_classes=3"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(told, line, tmp_path, capsys):
    save(tmp_path / "w")
    capsys.readouterr()
    assert run("import", "adcgan", tmp_path / "w", "--out", tmp_path / "m", *told) == 2
    said = capsys.readouterr().err.strip()
    assert line in said
    assert "\n" not in said
    assert not (tmp_path / "m").exists()
