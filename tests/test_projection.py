"""Projection: pictures back to codes, their own samples above all; what moves and what stays; what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ganvas import projection
from ganvas.errors import InputError
from ganvas.gan import GAN, Code, Request
from ganvas.projection import How, Prior, Projection, Search, spread
from tests import tiny

QUICK: dict[str, Any] = {"candidates": 48, "steps": 60, "restarts": 2}


@cache
def lively(name: str, **values: Any) -> GAN:
    """A tiny GAN whose images differ: random weights, larger ones in G."""
    gan = tiny.build(name, **values)
    with torch.no_grad():
        for p in gan.G.parameters():
            p.mul_(2.0 if p.dim() > 1 and not name.startswith("stylegan2") else 1.0)
    return gan.eval()


@pytest.mark.parametrize("name", ["wgan", "biggan", "logan", "unetgan-selfmod", "stylegan2-plain"])
def test_its_own_samples_are_found_again(name: str) -> None:
    """Their pixels: far nearer than the nearest of as many random samples, for every paper's code."""
    gan = lively(name)
    x = gan.sample(2, seed=900)
    found = gan.project(x, **{**QUICK, "steps": 120})
    others = gan.sample(48, seed=0)
    nearest = (others[None] - x[:, None]).square().flatten(2).mean(2).min(1).values
    assert found.x.shape == found.target.shape == x.shape
    assert (found.error < 0.2 * nearest).all(), (found.error, nearest)
    torch.testing.assert_close(found.error, (found.x - x).square().mean((1, 2, 3)))
    torch.testing.assert_close(gan.decode(found.code), found.x, rtol=1e-3, atol=1e-3)


@cache
def three_classes() -> GAN:
    """A conditional GAN whose classes make unlike images."""
    gan = lively("biggan-tables")
    with torch.no_grad():
        for name, p in gan.G.named_parameters():
            if "gain" in name or "bias.weight" in name:
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    return gan


def test_the_class_is_found_or_taken_as_given() -> None:
    gan = three_classes()
    y = [0, 1, 2]
    x = gan.sample(3, seed=900, classes=y)
    found = gan.project(x, **QUICK)
    assert found.y.tolist() == found.code.c.argmax(1).tolist() == y
    given = gan.project(x[:1], classes=2, **QUICK)
    assert given.y.tolist() == given.code.c.argmax(1).tolist() == [2]
    assert given.error > 2 * found.error[0]


def test_the_same_seed_is_the_same_code_whatever_else_is_projected() -> None:
    gan = lively("biggan-plain")
    x = gan.sample(2, seed=900)
    quick = {"candidates": 8, "steps": 8, "restarts": 1}
    both, again, other = (gan.project(x, seed=seed, **quick) for seed in (0, 0, 1))
    assert torch.equal(both.code.z, again.code.z)
    assert not torch.equal(both.code.z, other.code.z)
    torch.testing.assert_close(gan.project(x[1], **quick).code.z, both.code.z[1:])


def test_nothing_of_the_model_changes() -> None:
    gan = tiny.build("biggan").train()
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    random_state = torch.get_rng_state()
    gan.project(gan.sample(1), candidates=4, steps=2, restarts=1)
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())
    assert gan.training
    assert all(p.grad is None for p in gan.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_picture_far_from_all_images_is_paid_for_by_the_prior() -> None:
    """Without a price codes run away to where random ones never are; within limits even then."""
    gan = lively("biggan-plain")
    x = torch.ones(1, 1, 8, 8)
    lengths = [gan.project(x, **QUICK, prior=prior).code.z.square().mean().item() for prior in (0.0, 100.0)]
    assert lengths[1] < 2.5
    assert lengths[1] < lengths[0]
    box = lively("logan")
    assert box.project(x, **QUICK, prior=0.0, lr=2.0).code.z.abs().max() <= 1


def test_price_and_limits_by_formula() -> None:
    codes = Code(torch.tensor([[0.0, 2.0], [2.0, 6.0]]))  # means 1, 4; deviations sqrt(2), 2 sqrt(2)
    prior = Prior.of(codes, ("z",))
    far = Code(torch.tensor([[1.0, 4.0], [1.0 + 2**0.5, 4.0 + 4 * 8**0.5]]))
    torch.testing.assert_close(prior.price(far), torch.tensor([0.0, (1 + 16) / 2 - 1 - 2]))
    moving = {"z": torch.tensor([[-5.0, 9.0]])}
    prior.keep(moving)
    assert moving["z"].tolist() == [[0.0, 6.0]]
    unit = Prior.of(
        Code(torch.nn.functional.normalize(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)))), ("z",)
    )
    moving = {"z": torch.tensor([[0.3, 0.0, 0.4]])}
    unit.keep(moving)
    torch.testing.assert_close(moving["z"], torch.tensor([[0.6, 0.0, 0.8]]))


def test_starts_are_the_best_of_the_best_classes_in_turn() -> None:
    order, classes = torch.tensor([5, 3, 1, 0, 2, 4]), torch.tensor([0, 1, 1, 1, 0, 1])
    assert spread(order, None, 3).tolist() == [5, 3, 1]
    # best first: 5 and 3 and 1 and 0 of classes 1 1 1 0, then 2 of 1 and 4 of 0
    assert classes[order].tolist() == [1, 1, 1, 0, 1, 0]
    assert spread(order, classes, 4).tolist() == [5, 0, 3, 4]
    assert spread(order, classes, 1).tolist() == [5, 0]  # every class has a chance


def test_a_likeness_counts() -> None:
    """Another measure added to the pixels: here one that wants the image dark."""
    gan = lively("biggan-plain")
    x = gan.sample(1, seed=900)
    usual = gan.project(x, **QUICK)
    dark = gan.project(x, **QUICK, likeness=lambda a, b: 10 * (a + 1).flatten(1).mean(1))
    assert dark.x.mean() < usual.x.mean()
    assert dark.error > usual.error


def test_unlike_images_by_formula() -> None:
    """The mean over 8x8 and 4x4 pixels: a checkerboard and its negative agree at the coarser scale."""
    board = (torch.arange(64).view(8, 8).sum(0) * 0 + (torch.arange(8)[:, None] + torch.arange(8)) % 2).float() * 2 - 1
    search = Search(lively("biggan-plain"), How(), None, None, None, None)  # type: ignore[arg-type]
    found = search.unlike(torch.stack([board, -board])[:, None], board[None, None])
    assert found.tolist() == [0.0, (4.0 + 0.0) / 2]


def test_progress_ends_at_the_end() -> None:
    gan = lively("biggan-plain")
    seen: list[tuple[int, int]] = []
    gan.project(gan.sample(2), candidates=4, steps=5, restarts=1, progress=lambda *counts: seen.append(counts))
    assert seen == sorted(seen)
    assert seen[-1] == (200, 200)
    assert 0 < seen[0][0] < 50


def test_the_code_can_be_mixed_and_changed() -> None:
    gan = lively("biggan")
    found: Projection = gan.project(gan.sample(2, seed=900, classes=[0, 1]), classes=[0, 1], **QUICK)
    a, b = (replace(found.code, z=found.code.z[i : i + 1], c=found.code.c[i : i + 1]) for i in range(2))
    torch.testing.assert_close(gan.decode(gan.mix(a, b, 0.0)), found.x[:1], rtol=1e-3, atol=1e-3)
    changed = replace(a, c=b.c)
    assert not torch.allclose(gan.decode(changed), found.x[:1])


def test_pictures_come_as_files_too(tmp_path: Path) -> None:
    gan = lively("biggan-plain")
    Image.new("RGB", (40, 20), (255, 255, 255)).save(tmp_path / "white.png")
    found = projection.targets(gan, [tmp_path / "white.png", Image.new("L", (8, 8), 0)])
    assert found.shape == (2, 1, 8, 8)
    assert found.flatten(1).unique(dim=1).tolist() == [[1.0], [-1.0]]


@pytest.mark.parametrize(
    ("name", "picture", "values", "said"),
    [
        ("csgan", torch.zeros(1, 1, 8, 8), {}, "images of images"),
        ("adcgan-points", torch.zeros(1, 1), {}, "makes points of 1 coordinates"),
        ("biggan", torch.zeros(1, 3, 8, 8), {}, r"tensor of \[1, 3, 8, 8\] given, expected \[N, 1, 8, 8\]"),
        ("biggan", "missing.png", {}, "missing.png cannot be read"),
        ("biggan", torch.zeros(1, 1, 8, 8), {"steps": 0}, "expected counts of at least 1"),
        ("biggan", torch.zeros(1, 1, 8, 8), {"speed": 1}, "speed given, a projection knows"),
        ("biggan", torch.zeros(1, 1, 8, 8), {"classes": "7"}, "unknown class '7'"),
        ("biggan-plain", torch.zeros(1, 1, 8, 8), {"classes": 1}, "unconditional"),
    ],
)
def test_what_cannot_be_projected_is_said_in_one_line(name: str, picture: Any, values: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        tiny.build(name).project(picture, **values)


def test_a_model_without_anything_to_move_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny.build("biggan")
    monkeypatch.setattr(type(gan), "projected", ("w",))
    with pytest.raises(InputError, match="hold none of w"):
        gan.project(torch.zeros(1, 1, 8, 8))


def test_random_codes_are_of_the_class_asked_for_or_of_all_in_turn() -> None:
    gan = tiny.build("biggan")
    search = Search.of(gan, None, 0, How(candidates=5), None)
    assert search.classes.tolist() == [0, 1, 2, 0, 1, 2]  # twice as many as classes at least
    assert torch.equal(search.codes.z, gan.code(Request(list(range(6)))).z)
    assert Search.of(gan, 1, 0, How(candidates=5), None).classes.tolist() == [1] * 5
