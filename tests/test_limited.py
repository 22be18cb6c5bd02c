"""Few images: what D is shown, what is added to its loss, and what it remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganvas import limited, losses, rng, rows
from ganvas.engine import checkpoint
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import GAN, Loss
from ganvas.ops import augment
from tests import tiny
from tests.papers.test_laws import CPU, go, same

SYSTEMS = ["sagan", "biggan", "wgan-gp"]


def draws(gan: GAN, seed: int = 0) -> Any:
    return gan.draw(tiny.batch(gan), rng.generator("draw", seed))


def shown_to_D(gan: GAN, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    seen: list[Tensor] = []
    forward = gan.D.forward
    monkeypatch.setattr(gan.D, "forward", lambda x, *a: (seen.append(x.detach()), forward(x, *a))[1])
    return seen


@pytest.mark.parametrize("name", SYSTEMS)
def test_switched_off_nothing_is_drawn(name: str) -> None:
    gan = tiny.build(name)
    drawn = draws(gan)
    assert drawn.shown is None
    assert drawn.again is None
    assert not list(gan.memory.buffers())


@pytest.mark.parametrize("name", SYSTEMS)
def test_real_and_fake_are_shown_transformed_each_by_its_own_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, gan = tiny.build(name), tiny.build(name, augment="diffaugment")
    real, drawn = tiny.batch(gan), draws(gan)
    assert torch.equal(drawn.z, draws(plain).z), "what else is drawn stays"
    assert len(drawn.shown.matrix) == 8
    images = []
    for one, transform in ((plain, None), (gan, drawn.shown)):
        seen = shown_to_D(one, monkeypatch)
        D, G = one.phases()
        with torch.no_grad():
            one.train()
            D_loss = D.loss(real, drawn if transform is not None else draws(plain))
            G_loss = G.loss(real, drawn if transform is not None else draws(plain))
        assert torch.isfinite(D_loss.total + G_loss.total)
        images.append(torch.cat(seen))
    before, after = images
    fakes, reals = slice(0, 4), slice(4, 8)
    if name == "wgan-gp":  # two passes, real first; the penalty looks at what lies between
        fakes, reals = slice(4, 8), slice(0, 4)
    expected = {
        "fake": augment.apply(before[fakes], rows.take(drawn.shown, slice(4))),
        "real": augment.apply(before[reals], rows.take(drawn.shown, slice(4, 8))),
    }
    torch.testing.assert_close(after[fakes], expected["fake"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(after[reals], expected["real"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        after[-4:], augment.apply(before[-4:], rows.take(drawn.shown, slice(4))), rtol=1e-4, atol=1e-4
    )


def test_ada_remembers_and_resumes(tmp_path: Path) -> None:
    """Its probability moves by the signs of real scores, every four iterations, and is in checkpoints alone."""
    values = {"augment": "ada", "ada_speed": 40, "ada_target": 0.0}
    through = new_state(tiny.build("sagan", **values), CPU)
    data = tiny.images(through.gan)
    go(through, 3, data)
    assert through.gan.memory.ada.p == 0
    assert through.gan.memory.ada.count == 12
    go(through, 1, data)
    assert through.gan.memory.ada.count == 0
    assert through.gan.memory.ada.p in (0.0, pytest.approx(16 / 40))
    go(through, 5, data)
    first = new_state(tiny.build("sagan", **values), CPU)
    go(first, 6, data)
    checkpoint.save(first, tmp_path)
    second = new_state(tiny.build("sagan", seed=9, **values), CPU)
    checkpoint.restore(second, tmp_path)
    go(second, 3, data)
    assert same(through.tensors(), second.tensors())
    assert not any("memory" in key for key in through.gan.model_state())


def test_ada_moves_by_the_sign_of_real_scores() -> None:
    gan = tiny.build("biggan", augment="ada", ada_speed=64)
    real, fake = torch.tensor([1.0, 2.0, 3.0, -1.0]), torch.full((4,), -5.0)
    for i in range(4):
        limited.observe(gan.memory, gan.config, i, [{"real_scores": real, "fake_scores": fake}])
    assert gan.memory.ada.p == 0, "E[sign] = 0.5 is below the target of 0.6, and p is not negative"
    for i in range(4):
        limited.observe(gan.memory, gan.config, i, [{"real_scores": real.abs(), "fake_scores": fake}])
    assert gan.memory.ada.p == pytest.approx(4 * gan.config.batch / 64)


def test_lecam_and_consistency_by_formula() -> None:
    gan = tiny.build("biggan", lecam=0.5, shift_consistency=2.0, lecam_decay=0.9)
    real, fake, again = torch.tensor([1.0, 3.0]), torch.tensor([-2.0, 0.0]), torch.tensor([0.5, 3.5])
    first = gan.limited(Loss(torch.tensor(1.0)), real, fake, lambda: again)
    torch.testing.assert_close(first.total, torch.tensor(1.0 + 2.0 * 0.25)), "LeCam waits for its first means"
    gan.observe([first.kept])
    means = gan.memory.score_means
    assert (means.real.item(), means.fake.item()) == (2.0, -1.0)
    second = gan.limited(Loss(torch.tensor(1.0)), real, fake, lambda: again)
    expected = 1.5 + 0.5 * losses.lecam(real, fake, torch.tensor(2.0), torch.tensor(-1.0))
    torch.testing.assert_close(second.total, expected)
    gan.observe([{"real_scores": real + 10, "fake_scores": fake}])
    assert means.real.item() == pytest.approx(3.0)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("values", [{"augment": "diffaugment"}, {"lecam": 0.3}, {"shift_consistency": 1.0}])
def test_each_trains_and_changes_the_run(name: str, values: dict[str, Any]) -> None:
    plain, state = (new_state(tiny.build(name, D_lr=0.03, **v), CPU) for v in ({}, values))
    for one in (plain, state):
        go(one, 5, tiny.images(one.gan))
    weights = [one.gan.model_state() for one in (plain, state)]
    assert not same(*weights)
    assert all(torch.isfinite(v).all() for v in weights[1].values())


def test_a_critic_has_no_sign_to_read() -> None:
    with pytest.raises(InputError, match="ada reads the sign of D's scores"):
        tiny.build("wgan-gp", augment="ada")
