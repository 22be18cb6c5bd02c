"""A loss or a weight that is not a number stops the run by name, and never reaches a checkpoint."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import ganvas
from ganvas.engine.step import NonFinite, step
from ganvas.engine.train import new_state
from ganvas.gan import Batch, Loss, Phase
from ganvas.papers.wgan import WGAN
from tests import tiny
from tests.engine import running


def finite(out: Path) -> bool:
    return all(bool(torch.isfinite(v).all()) for v in running.left(out).values() if v.is_floating_point())


def test_a_rate_that_explodes_stops_the_run_and_keeps_a_good_checkpoint(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    assert running.train(out, "--images", "2k", "--set", "G_lr=1e30") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("ganvas: the loss of D is ")
    assert "stopped before its optimiser stepped" in line
    assert str(max((out / "checkpoints").glob("[0-9]*"))) in line
    assert "lower learning rates" in line
    assert finite(out)
    assert torch.isfinite(ganvas.load(out, "cpu").sample(4)).all()


@pytest.mark.parametrize(("player", "method"), [("D", "critic_loss"), ("G", "generator_loss")])
def test_the_phase_is_named_and_the_last_good_checkpoint_loads(
    player: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    plain = getattr(WGAN, method)

    def poisoned(self: WGAN, real: Batch, drawn: Any) -> Loss:
        loss = plain(self, real, drawn)
        return Loss(loss.total * float("nan"), loss.logs) if self.images_seen >= 600 else loss

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(WGAN, method, poisoned)
        assert running.train(out, "--images", "1k", "--checkpoint-every", "200") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"ganvas: the loss of {player} is nan")
    assert "at 640 images" in line
    assert str(out / "checkpoints" / "000000000640") in line  # it seems to be there and good: 600 is crossed at 640
    assert finite(out)
    assert running.resume(out) == 0  # the poison gone, the run goes on from there


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_the_optimiser_does_not_step_on_it(what: str) -> None:
    """The phase is named, not its player: of two phases of one player it says which."""
    gan = tiny.build("wgan")
    state = new_state(gan, torch.device("cpu"))
    before = {k: v.clone() for k, v in gan.state_dict().items()}

    def poisoned(real: Batch, drawn: Any) -> Loss:
        w = next(gan.G.parameters())
        return Loss(w.sum() * float("inf") if what == "loss" else (w - w.detach()).abs().sum().sqrt())

    phase, followed = Phase("G_path", "G", poisoned, after=lambda kept: followed.append(kept)), []
    with pytest.raises(NonFinite, match=rf"the {what} of G_path is (-?inf|nan), stopped before its optimiser stepped"):
        step(gan, phase, tiny.batch(gan), state.optimisers["G"], torch.Generator, nullcontext, {})
    assert followed == []
    assert all(torch.equal(v, gan.state_dict()[k]) for k, v in before.items())
    assert not state.optimisers["G"].state


def test_a_finite_loss_with_an_infinite_slope_stops_before_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    plain = WGAN.critic_loss

    def poisoned(self: WGAN, real: Batch, drawn: Any) -> Loss:
        loss = plain(self, real, drawn)
        if self.images_seen < 500:
            return loss
        w = next(self.D.parameters())
        return Loss(loss.total + (w - w.detach()).abs().sum().sqrt(), loss.logs)  # 0, with an infinite slope

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(WGAN, "critic_loss", poisoned)
        assert running.train(out, "--images", "1k", "--checkpoint-every", "64") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("ganvas: the gradient of D is nan, stopped before its optimiser stepped, at 512 images")
    assert finite(out)
    assert running.resume(out) == 0


def test_weights_that_are_not_finite_are_never_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """However they came about: here in what follows the optimiser's step."""
    plain = WGAN.phases

    def poisoned(self: WGAN) -> list[Phase]:
        def after(kept: list[dict[str, Tensor]]) -> None:
            with torch.no_grad():
                next(self.D.parameters())[0] = float("nan")

        *others, last = plain(self)
        return [*others, Phase("G", "G", last.loss, after=after if self.images_seen >= 500 else None)]

    out = tmp_path / "run"
    monkeypatch.setattr(WGAN, "phases", poisoned)
    assert running.train(out, "--images", "1k", "--checkpoint-every", "64") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("ganvas: D.")
    assert "of the model is not finite" in line
    assert "the last good checkpoint is" in line
    assert finite(out)
    assert all(torch.isfinite(v).all() for v in load_file(out / "best" / "model.safetensors").values())
