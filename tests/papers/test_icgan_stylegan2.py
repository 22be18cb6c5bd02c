"""IC-GAN on StyleGAN2's own: whose conditions reals and fakes have, and what it asks of its reader."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

import ganvas
from ganvas import rng
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.features import own
from ganvas.gan import Given
from ganvas.nets import styles
from tests import tiny

both = pytest.mark.parametrize("name", ["icgan-stylegan2", "icgan-stylegan2-classes"])


@both
def test_fakes_have_conditions_of_their_own(name):
    gan = tiny.build(name)
    real = tiny.batch(gan)
    assert real.fake is not None
    drawn = gan.draw(real, rng.generator("a"))
    fake = styles.fakes(gan.G, drawn)[0]
    of_fakes, of_reals = gan.D(fake, real.fake.y, real.fake.h), gan.D(real.x, real.given.y, real.given.h)
    assert_close(gan.G_loss(real, drawn).total, F.softplus(-of_fakes).mean())
    assert_close(gan.D_loss(real, drawn).total, F.softplus(of_fakes).mean() + F.softplus(-of_reals).mean())
    ws = gan.G.mapping(drawn.z, real.fake.y, real.fake.h)
    assert_close(gan.D_loss(real, drawn).kept["ws"], ws)
    path = styles.draw_path(gan, real, rng.generator("p"))
    assert torch.equal(path.given.h, real.fake.h[:2])


@both
def test_both_players_see_the_features(name):
    gan = tiny.build(name)
    real = tiny.batch(gan)
    assert real.given.h is not None
    y, h = real.given.y, real.given.h
    with torch.no_grad():
        assert not torch.allclose(gan.D(real.x, y, h), gan.D(real.x, y, h.roll(1, 0)))
    x = gan.sample(2, seed=1, given=Given(None if y is None else y[:1].expand(2), h[:2]), truncation=1.0)
    one = gan.sample(2, seed=1, given=Given(None if y is None else y[:1].expand(2), h[:1].expand(2, -1)))
    assert_close(x[0], one[0])
    assert not torch.allclose(x[1], one[1])


def test_r1_is_with_the_reals_conditions():
    gan = tiny.build("icgan-stylegan2")
    real = tiny.batch(gan)
    x = real.x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(gan.D(x, None, real.given.h).sum(), x)
    expected = slope.square().sum((1, 2, 3)).mean()
    assert_close(gan.r1_loss(real, styles.Shown(None)).logs["D/r1"].detach(), expected)


def test_what_it_asks_of_its_reader():
    plain, classes = tiny.build("icgan-stylegan2", flip_features=False), tiny.build("icgan-stylegan2-classes")
    asked = {"features": "own", "k": 3, "augment": False, "feature_dim": 6, "classes": False, "conditions": "instance"}
    assert plain.config.reading() == asked
    assert classes.config.reading()["classes"]
    other = tiny.build("icgan-stylegan2-classes", fake_y="independent").config.reading()
    assert other["conditions"] == "independent", "as the authors' code drew classes"
    with pytest.raises(InputError, match="fake_y=independent given, but it counts only with classes"):
        tiny.build("icgan-stylegan2", fake_y="independent")


def untrained(
    images: Tensor, labels: Tensor, num_classes: int, settings: own.Settings, progress: Any = None
) -> own.Classifier:
    """A network in no time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return own.Classifier(images.shape[1], images.shape[2], num_classes, settings).eval().requires_grad_(False)


def test_the_command_line_from_data_to_samples_like_a_picture(tmp_path, monkeypatch, capsys):
    """train, go on, sample by seeds, like a picture, and from like one to like another."""
    monkeypatch.setattr(own, "train_classifier", untrained)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = str(tmp_path / "model")
    small = ["--set", "channel_max=4", "dim_z=4", "dim_w=4", "batch=16", "--images", "32", "--out", model]
    assert main(["train", "cc-icgan-stylegan2", "--data", "digits", "--device", "cpu", *small]) == 0
    for name, shade in (("a", 1.0), ("b", -1.0)):
        ganvas.to_pil(torch.linspace(-shade, shade, 64).view(1, 8, 8)).save(tmp_path / f"{name}.png")
    like = ["--like", str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    for words in ([], like, [*like, "--interpolate", "3"], ["--class", "7", "--truncation", "0.7"]):
        assert main(["sample", model, "-n", "4", "--out", str(tmp_path / "x.png"), "--device", "cpu", *words]) == 0
    gan = ganvas.load(model, "cpu")
    assert gan.config.dim_h == gan.stored.h.shape[1] == 128
    assert gan.config.num_classes == 10
    assert main(["train", "--resume", model, "--images", "48"]) == 0
