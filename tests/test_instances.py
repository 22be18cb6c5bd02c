"""Instances as conditions: what a model stores, what seeds and pictures make of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import ganvas
from ganvas import instances
from ganvas.errors import InputError
from ganvas.features import own
from ganvas.features.travel import rebuilt
from ganvas.gan import GAN, Batch, Given, Request
from ganvas.instances import Stored
from ganvas.models import folder
from ganvas.models.folder import Description
from ganvas.ops.pixels import to_uint8
from tests import tiny

SETTINGS = own.Settings(width=4, dim=6)


def network(seed: int = 0) -> own.Own:
    """A small network of its own kind that has learned nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = own.Classifier(1, 8, 3, SETTINGS).eval()
    return own.Own(net, 1, True, SETTINGS)


def record(found: own.Own) -> dict[str, object]:
    return {"features": "own", "name": found.name, "weights": found.weights_hash, "resize": "none", "size": 0}


@pytest.fixture
def gan() -> GAN:
    """Six stored instances with two neighbours each, and the network beside them."""
    made, found = tiny.build("icgan-classes"), network()
    h = torch.nn.functional.normalize(torch.rand(6, 6, generator=torch.Generator().manual_seed(5)), dim=1)
    y = torch.tensor([[0, 0], [0, 1], [1, 1], [1, 0], [0, 0], [1, 1]])
    made.stored = Stored(h, y, record(found), found.state_dict())
    return made.eval()


def picture(seed: int) -> Tensor:
    """Whole grey levels, so that writing it changes nothing.  [1, 8, 8] in [-1, 1]"""
    levels = torch.randint(0, 256, (1, 8, 8), generator=torch.Generator().manual_seed(seed))
    return levels / 127.5 - 1


def rows_of(gan: GAN, h: Tensor) -> list[int]:
    return (h @ gan.stored.h.T).argmax(1).tolist()


def test_seeds_draw_every_stored_instance_and_a_class_of_its_neighbours(gan: GAN) -> None:
    given = gan.given(range(600))
    chosen = rows_of(gan, given.h)
    counts = torch.bincount(torch.tensor(chosen), minlength=6)
    assert counts.min() > 60, "uniform: a hundred each"
    assert all(y in gan.stored.y[row] for row, y in zip(chosen, given.y.tolist()))
    assert {y for row, y in zip(chosen, given.y.tolist()) if row == 1} == {0, 1}
    again = gan.given([17, 3])
    assert torch.equal(again.h[0], given.h[17]), "a seed is an instance, whatever else is asked for"
    assert torch.equal(again.y, given.y[[17, 3]])


def test_a_class_that_is_asked_for_chooses_among_instances_that_have_it_near(gan: GAN) -> None:
    given = instances.drawn(gan, list(range(300)), torch.full((300,), 1))
    counts = torch.bincount(torch.tensor(rows_of(gan, given.h)), minlength=6)
    assert counts[0] == counts[4] == 0
    assert counts[1] < counts[2], "in proportion to their neighbours of the class"
    assert given.y.tolist() == [1] * 300
    nowhere = instances.drawn(gan, [0, 1, 2, 3], torch.full((4,), 2))
    assert nowhere.y.tolist() == [2] * 4


def test_samples_like_a_picture_are_those_of_its_features(gan: GAN, tmp_path: Path) -> None:
    a, b = picture(1), picture(2)
    ganvas.to_pil(a).save(tmp_path / "a.png")
    h = gan.encode([a, b])
    assert_close(h, torch.nn.functional.normalize(network()(to_uint8(torch.stack([a, b]))).features, dim=1))
    assert_close(h.norm(dim=1), torch.ones(2))
    like = gan.sample(4, seed=3, classes=[0, 1, 2, 0], like=[tmp_path / "a.png", b])
    given = Given(y=torch.tensor([0, 1, 2, 0]), h=h[[0, 0, 1, 1]])
    assert_close(like, gan.sample(4, seed=3, given=given))
    assert_close(like[:2], gan.sample(2, seed=3, classes=[0, 1], like=a)), "one picture needs no list"


def test_a_picture_of_another_size_and_colour_is_made_like_the_training_images(gan: GAN) -> None:
    colour = ganvas.to_pil(torch.linspace(-1, 1, 3 * 20 * 30).view(3, 20, 30))
    assert gan.encode([colour]).shape == (1, 6)
    square = torch.linspace(-1, 1, 64).view(1, 8, 8)
    large = square.repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert float((gan.encode([square]) * gan.encode([large])).sum()) > 0.99


def test_without_a_class_it_is_that_of_what_is_stored_near(gan: GAN) -> None:
    h = gan.stored.h[[2, 2, 4]]
    assert gan.stored.classes_near(h, [0, 1, 2]).tolist() == [1, 1, 0]
    assert set(gan.stored.classes_near(gan.stored.h[[1] * 40], range(40)).tolist()) == {0, 1}
    gan.sample(2, like=picture(0))
    gan.stored = replace(gan.stored, y=None)
    with pytest.raises(InputError, match="say which"):
        gan.sample(2, like=picture(0))


def test_between_two_pictures_starts_at_one_and_ends_at_the_other(gan: GAN) -> None:
    a, b, c = picture(1), picture(2), picture(3)
    row = gan.between([a, b], seeds=[7], classes=0, steps=4)
    assert row.shape == (4, 1, 8, 8)
    assert_close(row[:1], gan.sample(1, seed=7, classes=0, like=a), rtol=1e-4, atol=1e-5)
    assert_close(row[3:], gan.sample(1, seed=7, classes=0, like=b), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(row[1], row[0])
    three = gan.between([a, b, c], seeds=[7, 8], classes=[0, 0, 0], steps=4)
    assert len(three) == 2 * 7, "where legs meet there is one picture"
    assert_close(three[3:4], row[3:], rtol=1e-4, atol=1e-5)


def test_mixed_features_stay_of_unit_length(gan: GAN) -> None:
    a, b = (gan.code(Request([seed], gan.given([seed]))) for seed in (0, 1))
    assert not torch.equal(a.h, b.h)
    assert_close(gan.mix(a, b, 0.5).h.norm(dim=1), torch.ones(1))


def test_the_model_folder_holds_instances_and_network(gan: GAN, tmp_path: Path) -> None:
    description = Description(paper="icgan", config=gan.config.counting(), data={}, training={})
    folder.write(gan, tmp_path, description, {}, "")
    again = ganvas.load(tmp_path, "cpu")
    assert torch.equal(again.stored.h, gan.stored.h)
    assert torch.equal(again.stored.y, gan.stored.y)
    assert again.stored.network == gan.stored.network
    assert torch.equal(again.sample(3, seed=1), gan.sample(3, seed=1))
    assert torch.equal(again.sample(3, seed=1, classes=0, like=picture(4)), gan.sample(3, 1, 0, like=picture(4)))
    (tmp_path / folder.INSTANCES).write_bytes(b"no")
    with pytest.raises(InputError, match=r"instances.safetensors is damaged"):
        ganvas.load(tmp_path, "cpu")
    (tmp_path / folder.INSTANCES).unlink()
    with pytest.raises(InputError, match="is missing; copy the folder again"):
        ganvas.load(tmp_path, "cpu")


def test_features_of_another_network_are_refused(gan: GAN, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="travels with this model; leave weights out"):
        gan.encode([picture(0)], weights=tmp_path / "other.pth")
    gan.stored = replace(gan.stored, weights=network(seed=1).state_dict())
    with pytest.raises(InputError, match="this model was trained with those of own"):
        gan.encode([picture(0)])
    with pytest.raises(InputError, match="they are another network's"):
        gan.sample(1, given=Given(y=torch.tensor([0]), h=torch.ones(1, 5)))
    with pytest.raises(InputError, match="expected 1: divide each by its length"):
        gan.sample(1, given=Given(y=torch.tensor([0]), h=torch.ones(1, 6)))


def test_what_cannot_be_a_condition_is_said_in_one_line(gan: GAN, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="given no picture"):
        gan.sample(2, like=[])
    with pytest.raises(InputError, match="cannot be read"):
        gan.sample(2, like=tmp_path / "absent.png")
    with pytest.raises(InputError, match="expected a picture"):
        gan.sample(2, like=torch.zeros(2, 1, 8, 8))
    with pytest.raises(InputError, match="leave one of them out"):
        gan.sample(2, like=picture(0), given=gan.given([0, 1]))
    with pytest.raises(InputError, match="not conditioned on instances"):
        tiny.build("biggan").sample(2, like=picture(0))
    with pytest.raises(InputError, match="two or more"):
        gan.between([picture(0)])
    gan.stored = replace(gan.stored, h=gan.stored.h[:0])
    with pytest.raises(InputError, match="seeds alone do not sample it"):
        gan.sample(2)
    gan.stored = None
    with pytest.raises(InputError, match="does not say which network"):
        gan.encode([picture(0)])


def test_a_network_is_made_again_of_its_weights() -> None:
    first = network()
    second = rebuilt(record(first), first.state_dict(), (1, 8, 8))
    x = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first(x).features, second(x).features)
    assert second.weights_hash == first.weights_hash
    broken = {key: value for key, value in first.state_dict().items() if "hidden.bias" not in key}
    with pytest.raises(InputError, match="is damaged"):
        rebuilt(record(first), broken, (1, 8, 8))
    with pytest.raises(InputError, match="do not travel"):
        rebuilt({"name": "inception"}, {}, (1, 8, 8))


def test_scores_say_where_conditions_are_from(gan: GAN) -> None:
    assert gan.sampling_record(None) == {"conditions": "6 stored instances"}
    assert tiny.build("biggan").sampling_record(None) == {}


def test_a_runs_picture_shows_a_neighbour_and_samples_of_its_instance(gan: GAN) -> None:
    real: Batch = tiny.batch(gan, 20)
    shown = gan.sheet(real)
    assert shown.columns == 8
    assert shown.x.shape == (80, 1, 8, 8)
    assert torch.equal(shown.x[8], real.x[2]), "every second of twenty"
    wanted = gan.sample(70, given=Given(*(t[::2].repeat_interleave(7, 0) for t in (real.given.y, real.given.h))))
    assert_close(shown.x[9:16], wanted[7:14], rtol=1e-4, atol=1e-5)
