"""One step of the loop: accumulation, bfloat16, the order of phases, and who may move."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ganvas import penalties
from ganvas.engine.train import iterate, new_state, split, step
from ganvas.gan import Batch, Loss, Phase
from ganvas.papers.wgan import WGAN, Drawn
from tests import tiny
from tests.engine import running

CPU = torch.device("cpu")


def part_of(drawn: Drawn, part: int, parts: int) -> Drawn:
    """The draws that belong to one part of a batch."""
    values = {f.name: getattr(drawn, f.name) for f in fields(drawn)}
    return Drawn(**{k: v.chunk(parts)[part] if isinstance(v, Tensor) else v for k, v in values.items()})


@pytest.mark.parametrize("player", ["D", "G"])
def test_accumulation_equals_the_whole_batch(player: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For networks without batch norm, given the same draws: gradients are means over parts of means within them."""
    uncoupled = {"G_net": "mlp", "D_net": "mlp", "optimizer": "rmsprop"}
    moved = []
    for parts in (1, 2, 4):
        gan = tiny.build("wgan-gp", batch=8, accumulate=parts, **uncoupled)
        state = new_state(gan, CPU)
        real = tiny.batch(gan, 8)
        drawn = gan.draw(real, torch.Generator().manual_seed(0))
        handed_out = iter([part_of(drawn, part, parts) for part in range(parts)])
        monkeypatch.setattr(gan, "draw", lambda *_, handed_out=handed_out: next(handed_out))
        phase = next(phase for phase in gan.phases() if phase.player == player)
        logs: dict[str, list[Tensor]] = {}
        step(gan, phase, real, state.optimisers[player], lambda part: torch.Generator(), nullcontext, logs)
        moved.append({name: p.grad for name, p in gan.players()[player].named_parameters()})
        assert len(logs[f"{player}/loss"]) == parts
    for other in moved[1:]:
        torch.testing.assert_close(other, moved[0], rtol=1e-4, atol=1e-6)


def test_parts_of_a_batch_keep_images_and_labels_together() -> None:
    x, y = torch.arange(6.0)[:, None], torch.arange(6)
    parts = list(split(Batch(x, y), 3))
    assert [p.x.flatten().tolist() for p in parts] == [[0, 1], [2, 3], [4, 5]]
    assert [p.y.tolist() for p in parts if p.y is not None] == [[0, 1], [2, 3], [4, 5]]
    assert [p.y for p in split(Batch(x), 2)] == [None, None]


class Recorder(WGAN):
    """Three phases that write down what they saw."""

    def phases(self) -> list[Phase]:
        self.seen: list[tuple[str, float]] = getattr(self, "seen", [])

        def loss(name: str, player: nn.Module) -> Any:
            def recorded(real: Batch, drawn: Any) -> Loss:
                self.seen.append((name, real.x.mean().item()))
                return Loss(sum(p.square().sum() for p in player.parameters()))

            return recorded

        return [
            Phase("D", loss("D", self.D), repeat=2, after=lambda: self.seen.append(("after", 0.0))),
            Phase("D", loss("lazy", self.D), every=3),
            Phase("G", loss("G", self.G)),
        ]


def test_phases_come_in_order_each_step_with_its_own_batch() -> None:
    gan = Recorder(tiny.build("wgan").config)
    state = new_state(gan, CPU)
    for iteration in range(4):
        gan.iteration = iteration
        _, used = iterate(
            gan, lambda k: Batch(torch.full((4, 1, 8, 8), float(k))), state.optimisers, lambda *_: torch.Generator()
        )
        assert used == 2
    usual = [("D", 0.0), ("after", 0.0), ("D", 1.0), ("after", 0.0), ("G", 0.0)]
    lazy = [*usual[:4], ("lazy", 0.0), usual[4]]
    assert gan.seen == lazy + usual + usual + lazy
    assert all(p.requires_grad for p in gan.parameters())  # nobody stays frozen


def test_bfloat16_trains_and_keeps_weights_and_penalty_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, penalised, fakes = penalties.input_gradient, set(), set()

    def watched(score: Any, x: Tensor, *args: Any) -> Tensor:
        gradient = plain(score, x, *args)
        penalised.update({x.dtype, gradient.dtype, score(x).dtype})
        return gradient

    loss = WGAN.generator_loss

    def watched_loss(self: WGAN, real: Batch, drawn: Drawn) -> Loss:
        if not real.x.is_meta:  # the rehearsal is in float32
            fakes.add(self.G(drawn.z_G).dtype)
        return loss(self, real, drawn)

    monkeypatch.setattr(penalties, "input_gradient", watched)
    monkeypatch.setattr(WGAN, "generator_loss", watched_loss)
    out = tmp_path / "run"
    assert running.train(out, "--images", "320", "--precision", "bf16") == 0
    assert penalised == {torch.float32}
    assert fakes == {torch.bfloat16}  # autocast was on indeed
    for name, value in running.left(out).items():
        assert value.dtype in (torch.float32, torch.int64), name
        assert torch.isfinite(value).all(), name


def test_bfloat16_resumes_exactly(tmp_path: Path) -> None:
    options = ["--precision", "bf16", "--set", "lr_schedule=constant"]
    assert running.train(tmp_path / "short", "--images", "320", *options) == 0
    assert running.train(tmp_path / "long", "--images", "640", *options) == 0
    assert running.resume(tmp_path / "short", "--images", "640") == 0
    assert not running.differences(running.left(tmp_path / "short"), running.left(tmp_path / "long"))


def test_the_model_folder_holds_the_average(tmp_path: Path) -> None:
    """What samples is the averaged generator; the live one is kept for going on."""
    out = tmp_path / "run"
    assert running.train(out, "--images", "320") == 0
    newest = max((out / "checkpoints").glob("[0-9]*"))
    state, model = load_file(newest / "state.safetensors"), load_file(out / "model.safetensors")
    for name, value in model.items():
        source = f"ema/{name}" if name.startswith("G.") else f"gan/{name}"
        assert torch.equal(value, state[source])
    assert any(not torch.equal(value, state[f"gan/{name}"]) for name, value in model.items())
