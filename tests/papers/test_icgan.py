"""IC-GAN: both losses by formula, whose conditions are whose, and a run from data to samples like a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import ganvas
from ganvas import api
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.features import own
from ganvas.gan import GAN, Batch, evaluating
from ganvas.recipes import recipe
from tests import tiny

FORMS = ["icgan", "icgan-classes"]


@pytest.fixture(params=FORMS)
def gan(request: pytest.FixtureRequest) -> GAN:
    return tiny.build(request.param)


def test_D_and_G_minimise_the_hinge_loss_of_pairs_with_their_own_conditions(gan: GAN) -> None:
    real = tiny.batch(gan, 6)
    drawn = gan.draw(real, torch.Generator().manual_seed(1))
    with evaluating(gan), torch.no_grad():  # statistics and singular vectors stay where they are
        fake = gan.G(drawn.z, gan.G.shared(real.fake.y), gan.G.shared_feat(real.fake.h))
        of_real, of_fake = (gan.D(x, given.y, given.h) for x, given in ((real.x, real.given), (fake, real.fake)))
        D, G = gan.D_loss(real, drawn), gan.G_loss(real, drawn)
    assert_close(D.total, (1 - of_real).relu().mean() + (1 + of_fake).relu().mean())
    assert_close(G.total, -of_fake.mean())
    assert_close(D.logs["D/real"], of_real.mean())
    assert_close(D.logs["D/fake"], of_fake.mean())
    assert_close(gan.scores(real), of_real.flatten())


def test_the_conditions_of_fakes_move_the_fakes_and_not_the_reals(gan: GAN) -> None:
    real = tiny.batch(gan, 6)
    other = Batch(real.x, real.given, tiny.batch(gan, 6, seed=9).fake)
    drawn = gan.draw(real, torch.Generator().manual_seed(1))
    with evaluating(gan), torch.no_grad():
        first, second = (gan.D_loss(batch, drawn).logs for batch in (real, other))
    assert torch.equal(first["D/real"], second["D/real"])
    assert not torch.equal(first["D/fake"], second["D/fake"])


def test_samples_of_two_instances_differ_and_noise_matters(gan: GAN) -> None:
    given = gan.given([0, 1])
    assert not torch.allclose(gan.sample(1, 5, given=gan.given([0])), gan.sample(1, 5, given=gan.given([1])))
    x = gan.sample(2, seed=5, given=type(given)(*(None if t is None else t[:1].expand(2, *t.shape[1:]) for t in (
        given.y, given.h))))  # fmt: skip
    assert not torch.allclose(x[0], x[1])


def test_settings_that_no_network_has_are_refused() -> None:
    for name in ("k", "dim_h", "shared_dim_feat"):
        with pytest.raises(InputError, match=f"{name}=0"):
            tiny.build("icgan", **{name: 0})
    with pytest.raises(InputError, match="expected some of color, translation, cutout"):
        tiny.build("icgan", augment="diffaugment", augment_policy=())


def test_the_length_of_features_follows_the_network() -> None:
    kind = api.peek("icgan-digits", "digits")
    assert recipe("icgan-digits", kind).config.dim_h == 128
    assert recipe("icgan-digits", kind, None, {"features": "resnet50"}).config.dim_h == 2048
    assert recipe("icgan-digits", kind, None, {"features": "timm:x", "dim_h": 7}).config.dim_h == 7


def untrained(
    images: Tensor, labels: Tensor, num_classes: int, settings: own.Settings, progress: Any = None
) -> own.Classifier:
    """A network in no time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return own.Classifier(images.shape[1], images.shape[2], num_classes, settings).eval().requires_grad_(False)


def test_from_data_to_samples_like_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line alone: train, sample by seeds, like a picture, between two, evaluate; and go on with the run."""
    monkeypatch.setattr(own, "train_classifier", untrained)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    small = ["--set", "features=own", "G_ch=4", "D_ch=4", "batch=16", "k=5"]
    model, how = tmp_path / "model", ["--device", "cpu"]
    assert main(["train", "cc-icgan-digits", "--images", "32", "--out", str(model), *how, *small]) == 0
    ganvas.to_pil(torch.linspace(-1, 1, 3 * 20 * 30).view(3, 20, 30)).save(tmp_path / "a.png")
    ganvas.to_pil(torch.linspace(1, -1, 64).view(1, 8, 8)).save(tmp_path / "b.png")
    pictures = ["--like", str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    for i, words in enumerate(([], pictures, [*pictures, "--interpolate", "3"], ["--class", "7"])):
        out = tmp_path / f"{i}.npz"
        assert main(["sample", str(model), "-n", "4", "--seed", "2", "--out", str(out), *how, *words]) == 0
    gan = ganvas.load(model, "cpu")
    assert len(gan.stored) == 1000
    assert gan.class_names == [str(k) for k in range(10)]
    kept = (model / "instances.safetensors").read_bytes()
    assert main(["train", "--resume", str(model), "--images", "48"]) == 0
    assert (model / "instances.safetensors").read_bytes() == kept
    assert gan.config.dim_h == gan.stored.h.shape[1]
    assert main(["sample", str(model), *pictures, "--scores"]) == 2
    assert main(["sample", str(model), *pictures[:2], "--interpolate", "3"]) == 2
    assert main(["sample", str(model), "--weights", "x.pth"]) == 2
