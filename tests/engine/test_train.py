"""One step of the loop: accumulation, draws, hooks, bfloat16, the order of phases, and who may move."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn

from ganvas import penalties, rng
from ganvas.config import Config
from ganvas.engine.run import Settings
from ganvas.engine.step import iterate
from ganvas.engine.train import new_state
from ganvas.gan import GAN, Batch, Given, Loss, Phase
from ganvas.papers.wgan import WGAN, Draws
from tests import tiny
from tests.engine import running

CPU = torch.device("cpu")
UNCOUPLED = {  # forms without batch norm, in which samples do not meet
    "points": {"resolution": 0, "channels": 2, "G_net": "toy", "D_net": "toy"},
    "images": {"G_net": "mlp", "D_net": "mlp", "G_batch_ratio": 2},
}


@pytest.mark.parametrize("form", UNCOUPLED)
def test_accumulation_equals_the_whole_batch(form: str) -> None:
    """Batch and draws are cut together, and gradients are means over parts of means within them."""
    weights, logged = [], []
    for parts in (1, 2, 4):
        # this optimiser's first steps are smooth in the gradient: rounding stays rounding
        smooth = {"optimizer": "rmsprop_tf1", "G_lr": 0.1, "D_lr": 0.1, "penalty_eps": 1e-6}
        values = {"batch": 8, "accumulate": parts, "G_width": 16, "D_width": 16, **UNCOUPLED[form], **smooth}
        gan = tiny.build("wgan-gp", **values)
        first = {name: p.detach().clone() for name, p in gan.named_parameters()}
        state = new_state(gan, CPU)
        real = partial(tiny.batch, gan, 8)  # batch k from seed k
        logs, _ = iterate(gan, real, state.optimisers, partial(rng.generator, "step"))
        weights.append(dict(gan.named_parameters()))
        logged.append(logs)
        still = [n for n, p in gan.named_parameters() if (p - first[n]).abs().max() < 1e-3 and p.dim() > 1]
        assert still == []
    for parts in (1, 2):
        torch.testing.assert_close(weights[parts], weights[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(logged[parts], logged[0], rtol=1e-4, atol=1e-5)


@dataclass(frozen=True)
class Noise:
    z: Tensor


class Toy(GAN[Config]):
    """Three phases, two of them of one player, that write down what they saw."""

    config_type = Config
    title = "toy"

    def __init__(self, **values: Any) -> None:
        super().__init__(Config(resolution=0, channels=1, num_classes=4, batch=4, **values))
        self.G, self.D = nn.Linear(1, 1), nn.Linear(1, 1)
        self.seen: list[tuple[str, list[float], list[float]]] = []  # what happened, real rows, drawn rows

    def phases(self) -> list[Phase]:
        return [
            Phase("D", "D", partial(self.recorded, "D"), repeat=2),
            Phase("D_lazy", "D", partial(self.recorded, "D_lazy"), every=3),
            Phase("G", "G", partial(self.recorded, "G"), draw=lambda *_: Noise(torch.arange(4.0))),
        ]

    def draw(self, real: Batch, rng: torch.Generator) -> Noise:
        return Noise(torch.rand(len(real.x), generator=rng))

    def recorded(self, name: str, real: Batch, drawn: Noise) -> Loss:
        assert real.given.y is not None
        assert real.x.flatten().tolist() == real.given.y.tolist()
        self.seen.append((name, real.x.flatten().tolist(), drawn.z.tolist()))
        player = self.G if name == "G" else self.D
        total = sum((p.square().sum() for p in player.parameters()), torch.zeros(())) + real.x.mean()
        return Loss(total, {f"{name}/mean": real.x.mean()}, {"x": real.x, "weight": player.weight.detach().clone()})


def four(k: int) -> Batch:
    """Batch k of an iteration: the numbers 4 k, 4 k + 1, 4 k + 2, 4 k + 3, which are also their classes."""
    y = torch.arange(4 * k, 4 * k + 4)
    return Batch(y.float()[:, None], Given(y=y))


def iterated(gan: GAN, iteration: int = 0) -> dict[str, Tensor]:
    """The logs of an iteration whose longest phase takes two batches."""
    gan.iteration = iteration
    logs, used = iterate(gan, four, new_state(gan, CPU).optimisers, partial(rng.generator, "step", iteration))
    assert used == 2
    return logs


def test_phases_come_in_order_each_step_with_its_own_batch() -> None:
    gan = Toy()
    for iteration in range(4):
        iterated(gan, iteration)
    usual = [("D", 0.0), ("D", 4.0), ("G", 0.0)]
    lazy = [*usual[:2], ("D_lazy", 0.0), usual[2]]
    assert [(name, x[0]) for name, x, _ in gan.seen] == lazy + usual + usual + lazy
    assert all(len(x) == 4 for _, x, _ in gan.seen)
    assert all(p.requires_grad for p in gan.parameters())  # nobody stays frozen


def test_every_step_of_every_phase_draws_anew_from_its_name() -> None:
    gan = Toy()
    iterated(gan)
    drawn = [z for _, _, z in gan.seen]
    expected = [
        torch.rand(4, generator=rng.generator("step", 0, *path)) for path in (("D", 0), ("D", 1), ("D_lazy", 0))
    ]
    assert drawn[:3] == [z.tolist() for z in expected]
    assert len({tuple(z) for z in drawn[:3]}) == 3
    assert drawn[3] == [0.0, 1.0, 2.0, 3.0]  # a phase may draw in its own way


def test_two_phases_of_one_player_are_told_apart_in_the_log() -> None:
    logs = iterated(Toy())
    assert set(logs) == {f"{phase}/{what}" for phase in ("D", "D_lazy", "G") for what in ("loss", "grad", "mean")}
    assert (logs["D/mean"], logs["D_lazy/mean"]) == (3.5, 1.5)  # the mean over D's two steps, and the lazy one's own
    assert logs["D/loss"] != logs["D_lazy/loss"]


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_step_draws_once_and_cuts_batch_and_draws_together(parts: int) -> None:
    gan = Toy(accumulate=parts)
    logs = iterated(gan)
    whole = torch.rand(4, generator=rng.generator("step", 0, "D", 1)).tolist()
    micro = gan.seen[parts : 2 * parts]  # of D's second step
    assert [name for name, _, _ in micro] == ["D"] * parts
    n = 4 // parts
    assert [x for _, x, _ in micro] == [[4.0 + i for i in range(k * n, k * n + n)] for k in range(parts)]
    assert [z for _, _, z in micro] == [whole[k * n : k * n + n] for k in range(parts)]
    assert logs["D/mean"] == 3.5


@pytest.mark.parametrize("parts", [1, 2])
def test_before_and_after_stand_around_a_step_and_see_what_its_parts_kept(parts: int) -> None:
    gan, happened, given = Toy(accumulate=parts), [], []
    weights: dict[str, Tensor] = {}

    def before() -> None:
        happened.append(("before", len(gan.seen)))
        weights["before"] = gan.D.weight.detach().clone()

    def after(kept: list[dict[str, Tensor]]) -> None:
        happened.append(("after", len(gan.seen)))
        weights["after"] = gan.D.weight.detach().clone()
        given.append(kept)

    phase = Phase("D", "D", partial(gan.recorded, "D"), repeat=2, before=before, after=after)
    gan.phases = lambda: [phase]
    iterated(gan)
    assert happened == [("before", 0), ("after", parts), ("before", parts), ("after", 2 * parts)]
    assert [len(kept) for kept in given] == [parts, parts]  # once a step, with an entry for each part
    for k, kept in enumerate(given):
        assert torch.equal(torch.cat([part["x"] for part in kept]), four(k).x)
    assert torch.equal(given[1][0]["weight"], weights["before"])  # no part of a step moves the player
    assert not torch.equal(weights["before"], weights["after"])  # and `after` sees it moved


def test_before_runs_before_the_loss_is_taken() -> None:
    gan = Toy()

    def zeroed() -> None:
        gan.D.weight.data.zero_()
        gan.D.bias.data.zero_()

    gan.phases = lambda: [Phase("D", "D", partial(gan.recorded, "D"), repeat=2, before=zeroed)]
    assert iterated(gan)["D/loss"] == 3.5  # the mean of the real rows alone


def test_rates_follow_the_rule_of_the_moment() -> None:
    gan = Toy(lr_schedule="linear", images=100, G_lr=0.5, D_lr=0.25)
    state = new_state(gan, CPU)
    gan.images_seen = 60
    iterate(gan, four, state.optimisers, partial(rng.generator, "step"))
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in state.optimisers.items()}
    assert rates == pytest.approx({"G": 0.2, "D": 0.1})


def test_an_average_that_will_hardly_move_is_named_before_the_run(tmp_path: Path, capsys: Any) -> None:
    slow = ["--images", "320", "--set", "ema=0.99"]  # 5 iterations of 2 x 32 images
    assert running.train(tmp_path / "slow", *slow) == 0
    said = capsys.readouterr().err
    assert "warning: the average of G, which is what samples, will at the end of 320 images still be 95% its" in said
    assert "(ema=0.99); set ema_ramp=true, a lower ema, or more images" in said
    assert running.train(tmp_path / "ramp", *slow, "ema_ramp=true") == 0
    assert running.train(tmp_path / "fast", "--images", "320", "--set", "ema=0.5") == 0
    assert "warning" not in capsys.readouterr().err


def test_bfloat16_trains_and_keeps_weights_and_penalty_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, penalised, fakes = penalties.input_gradient, set(), set()

    def watched(score: Any, x: Tensor, *args: Any) -> Tensor:
        gradient = plain(score, x, *args)
        penalised.update({x.dtype, gradient.dtype, score(x).dtype})
        return gradient

    loss = WGAN.generator_loss

    def watched_loss(self: WGAN, real: Batch, drawn: Draws) -> Loss:
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


def test_another_precision_is_refused() -> None:
    assert Settings(data="digits").precision == "fp32"
    with pytest.raises(ValidationError, match="'fp32' or 'bf16'"):
        Settings(data="digits", precision="fp16")


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
