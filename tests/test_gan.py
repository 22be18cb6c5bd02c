"""The seam's own parts: sheets, blanks, epochs, modes, what is mixed how."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganvas import rng
from ganvas.gan import Code, evaluating
from tests import tiny


def test_a_sheet_has_a_row_for_each_class_from_fixed_seeds() -> None:
    gan = tiny.build("biggan", num_classes=12)
    sheet = gan.sheet(tiny.batch(gan))
    assert (sheet.columns, sheet.real) == (8, None)
    rows = [k for k in range(10) for _ in range(8)]  # the first ten classes
    assert torch.equal(sheet.x, gan.sample(80, seed=0, classes=rows))
    few = tiny.build("biggan")  # three classes: again from the first on
    assert torch.equal(few.sheet(tiny.batch(few)).x, few.sample(64, seed=0, classes=[i // 8 % 3 for i in range(64)]))


def test_a_sheet_without_classes_and_of_points() -> None:
    gan = tiny.build("wgan")
    assert torch.equal(gan.sheet(tiny.batch(gan)).x, gan.sample(64, seed=0))
    points = tiny.build("wgan", resolution=0, channels=2, G_net="toy", D_net="toy")
    real = tiny.batch(points)
    cloud = points.sheet(real)
    assert torch.equal(cloud.x, points.sample(2000, seed=0))
    assert cloud.real is real.x
    assert cloud.columns is None


@pytest.mark.parametrize("name", ["wgan", "biggan"])
def test_a_blank_has_the_shape_of_a_batch(name: str) -> None:
    gan = tiny.build(name)
    blank, real = gan.blank(4, torch.device("cpu")), tiny.batch(gan)
    assert (blank.x.shape, blank.x.dtype) == (real.x.shape, real.x.dtype)
    assert not blank.x.any()
    assert (blank.given.y is None) == (real.given.y is None)
    assert blank.given.y is None or (blank.given.y.dtype, blank.given.y.shape) == (torch.int64, (4,))


def test_epochs_are_whole_passes_over_the_data() -> None:
    gan = tiny.build("wgan")
    gan.dataset_size = 10
    found = []
    for gan.images_seen in (0, 9, 10, 19, 20):
        found.append(gan.epoch)
    assert found == [0, 0, 1, 1, 2]


def test_evaluating_is_for_the_block_and_each_module_gets_its_own_mode_back() -> None:
    gan = tiny.build("wgan").train()
    gan.D.eval()
    modes = {name: module.training for name, module in gan.named_modules()}
    assert len(set(modes.values())) == 2
    with evaluating(gan):
        assert not any(module.training for module in gan.modules())
    assert {name: module.training for name, module in gan.named_modules()} == modes
    with pytest.raises(KeyError), evaluating(gan):
        raise KeyError
    assert {name: module.training for name, module in gan.named_modules()} == modes


def test_latents_are_mixed_on_the_circle_and_conditions_on_the_line() -> None:
    gan = tiny.build("wgan")
    a, b = (Code(rng.noise([s, s + 1], 4), rng.noise([s + 8, s + 9], 3)) for s in (0, 4))
    mixed = gan.mix(a, b, 0.25)
    assert a.c is not None
    assert b.c is not None
    torch.testing.assert_close(mixed.z, rng.slerp(a.z, b.z, 0.25))
    torch.testing.assert_close(mixed.c, 0.75 * a.c + 0.25 * b.c)
    assert not torch.allclose(mixed.z, torch.lerp(a.z, b.z, 0.25))


def test_players_are_the_modules_that_learn() -> None:
    gan = tiny.build("wgan")
    gan.hub = nn.BatchNorm2d(2, affine=False)  # buffers alone
    assert set(gan.players()) == {"G", "D"}
    assert gan.parameter_counts() == {n: sum(p.numel() for p in getattr(gan, n).parameters()) for n in ("G", "D")}


def test_classes_of_fakes_are_drawn_from_all_of_them() -> None:
    gan = tiny.build("sagan")
    drawn = gan.draw(tiny.batch(gan, 300), rng.generator("draw"))
    assert torch.bincount(drawn.y, minlength=3).min() > 70
    assert drawn.z.shape == (300, 4)
    assert abs(drawn.z.std() - 1) < 0.1
