"""The encoder that needs no labels: its loss by formula, its views, what it learns, its cache."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from ganvas import rng
from ganvas.errors import InputError
from ganvas.features import extractor
from ganvas.features.own import scale
from ganvas.features.selfsup import Encoder, Settings, nt_xent, own_selfsup, rate, views
from ganvas.features.travel import rebuilt, travels

QUICK = Settings(width=8, dim=16, steps=4, batch=16)
STILL = Settings(least_area=1.0, stretch=1.0, turn=0.0)


def digits() -> tuple[Tensor, Tensor]:
    """uint8 [1797, 1, 8, 8], int64 [1797]"""
    bunch = load_digits()
    return torch.from_numpy((bunch.images * 15.9375).astype("uint8"))[:, None], torch.from_numpy(bunch.target)


def test_the_loss_by_formula() -> None:
    """Two images whose views are equal and at right angles: log(1 + 2 exp(-1/t)) for each."""
    a = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    assert float(nt_xent(a, 2 * a, 0.5)) == pytest.approx(math.log(1 + 2 * math.exp(-2)), rel=1e-5)
    assert float(nt_xent(a, a.flip(0), 0.5)) == pytest.approx(2 + math.log(1 + 2 * math.exp(-2)), rel=1e-5)


def test_it_learns_the_shapes_of_digits_without_labels() -> None:
    """Neighbours of unseen digits share their class more often than by the untrained encoder."""
    x, y = digits()
    train, test = torch.arange(len(x)) % 4 != 0, torch.arange(len(x)) % 4 == 0

    def agreement(features: Tensor) -> float:
        f = F.normalize(features, dim=1)
        near = (f[test] @ f[train].T).topk(50, 1).indices
        return float((y[train][near] == y[test][:, None]).float().mean())

    settings = Settings(steps=100, batch=128)
    network = own_selfsup(x[train], settings=settings)
    torch.manual_seed(0)
    untrained = Encoder(1, 8, settings).eval()(scale(x)).detach()
    assert agreement(network(x).features) > agreement(untrained) + 0.1


def test_same_seed_same_weights() -> None:
    x, _ = digits()
    torch.manual_seed(1)
    first = own_selfsup(x, settings=QUICK)
    torch.manual_seed(2)
    assert own_selfsup(x.numpy(), settings=QUICK).weights_hash == first.weights_hash
    other = own_selfsup(x, settings=Settings(width=8, dim=16, steps=4, batch=16, seed=1))
    assert other.weights_hash != first.weights_hash


def test_the_cache_gives_the_same_network(tmp_path: Path) -> None:
    x, _ = digits()
    steps: list[tuple[int, int]] = []
    first = own_selfsup(x, tmp_path, QUICK, lambda done, total: steps.append((done, total)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(list(tmp_path.iterdir())) == 2
    (path,) = tmp_path.glob("*.safetensors")
    stamp = path.stat().st_mtime_ns
    again = own_selfsup(x, tmp_path, QUICK)
    assert (again.weights_hash, path.stat().st_mtime_ns) == (first.weights_hash, stamp)
    assert torch.equal(again(x[:5]).features, first(x[:5]).features)
    own_selfsup(x[:100], tmp_path, QUICK)
    assert len(list(tmp_path.iterdir())) == 4


def test_views_without_their_freedom_are_the_images_but_for_the_light() -> None:
    """v = (x + 1) gain - 1 + shift where it is not clamped: one gain and one shift an image, grey never mirrored."""
    x = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen = views(x, STILL, rng.generator("test"))
    for before, after in zip(scale(x) + 1, seen + 1):
        inside = (after > 0) & (after < 2)
        a, b = before[inside], after[inside]
        assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.9999
    assert (seen >= -1).all()
    assert (seen <= 1).all()


def test_colour_pictures_are_mirrored_half_of_the_time() -> None:
    x = torch.zeros(200, 3, 8, 8, dtype=torch.uint8)
    x[..., :4] = 120
    seen = views(x, STILL, rng.generator("test"))
    left = (seen[..., :4].mean((1, 2, 3)) > seen[..., 4:].mean((1, 2, 3))).float().mean()
    assert 0.38 < left < 0.62
    grey = views(x[:, :1], STILL, rng.generator("test"))
    assert (grey[..., :4].mean((1, 2, 3)) > grey[..., 4:].mean((1, 2, 3))).all()


def test_views_show_a_part_of_the_image_in_random_places() -> None:
    """A ramp: a part of it has a smaller range; the parts' middles lie on both sides of the image's."""
    ramp = torch.arange(0, 256, 8, dtype=torch.uint8).expand(100, 1, 32, 32)
    seen = views(ramp, Settings(least_area=0.3, turn=0.0), rng.generator("test"))
    rises = (seen[..., -1] - seen[..., 0]).mean((1, 2))
    whole = views(ramp, STILL, rng.generator("test"))
    assert rises.mean() < 0.9 * (whole[..., -1] - whole[..., 0]).mean()
    assert not torch.equal(seen, views(ramp, Settings(least_area=0.3, turn=0.0), rng.generator("other")))


def test_the_rate_rises_and_falls_to_zero() -> None:
    s = Settings(steps=200, lr=1.0)
    assert [rate(0, s), rate(24, s)] == pytest.approx([1 / 50, 0.5 * 0.5 * (1 + math.cos(math.pi * 0.12))])
    assert rate(100, s) == pytest.approx(0.5)
    assert rate(199, s) < 1e-3


def test_what_it_cannot_learn_from_is_one_line() -> None:
    x, _ = digits()
    with pytest.raises(InputError, match="images that differ; 1 given, expected 2 or more"):
        own_selfsup(x[:1])
    with pytest.raises(InputError, match="expected uint8"):
        own_selfsup(x.float())
    with pytest.raises(InputError, match="need the data set they are trained on"):
        extractor("own-selfsup")
    with pytest.raises(InputError, match="given for features own-selfsup, which are trained on the data"):
        extractor("own-selfsup", weights="x.pth", data=(x, None))


@pytest.mark.parametrize("channels", [1, 3])
def test_it_travels_with_a_model(channels: int) -> None:
    """Made again of its weights, without the data, it gives the same features and the same hash."""
    x = digits()[0][:60].expand(-1, channels, -1, -1)
    network = own_selfsup(x, settings=QUICK)
    again = rebuilt({"name": network.name}, network.state_dict(), tuple(x.shape[1:]))
    assert torch.equal(again(x).features, network(x).features)
    assert again.weights_hash == network.weights_hash
    assert travels("own-selfsup")
    with pytest.raises(InputError, match="own-selfsup of this model is damaged"):
        rebuilt({"name": network.name}, {**network.state_dict(), "net.out.0.weight": torch.zeros(3)}, (channels, 8, 8))
