"""IC-GAN on StyleGAN2's own: whose conditions reals and fakes have, and what it asks of its reader."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from ganvas import rng
from ganvas.errors import InputError
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
