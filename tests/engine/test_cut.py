"""Less memory, the same run: batches that are taken in parts, activations that are computed twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganvas import costs, rng
from ganvas.engine.cut import cut_of
from ganvas.engine.recompute import recompute
from ganvas.engine.run import Settings
from ganvas.engine.step import freeze_all_but, iterate
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.recipes import Recipe
from ganvas.rows import to
from ganvas.team import ALONE
from tests import tiny
from tests.engine import running, together

CPU = torch.device("cpu")
UNCOUPLED: dict[str, dict[str, Any]] = {  # without batch norm
    "wgan-gp": {"G_net": "mlp", "D_net": "mlp", "penalty_eps": 1e-6, "augment": "diffaugment"},
    "stylegan2-plain": {},
    "stylegan2": {"path_decay": 0.0},  # D compares two rows: parts keep such groups whole
    "csgan": {},
}


@pytest.mark.parametrize("form", UNCOUPLED)
def test_parts_of_a_batch_take_the_step_of_the_whole(form: str) -> None:
    whole, parts = (together.trained(form, ALONE, micro_batch=rows, **UNCOUPLED[form]) for rows in (8, 4))
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-4)


def test_power_iterations_and_statistics_move_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors of spectral norm as by the whole batch; statistics the mean of those that the parts alone lead to."""
    found: dict[int, dict[str, Tensor]] = {}
    for rows in (8, 4):
        gan = tiny.build("biggan", batch=8, init="N02")  # of an orthogonal matrix no vector moves
        state = new_state(gan, CPU)
        phase = gan.phases()[0]
        monkeypatch.setattr(gan, "phases", lambda phase=phase: [phase])
        cut = cut_of(gan, ALONE, micro_batch=rows)
        iterate(gan, partial(tiny.batch, gan, 8), state.optimisers, partial(rng.generator, "step"), cut=cut)
        found[rows] = dict(gan.G.state_dict())
    assert cut.parts == 2
    vectors = [name for name in found[8] if name.endswith("u0")]
    means = [name for name in found[8] if name.endswith("stored_mean")]
    assert vectors
    assert means
    for name in vectors:
        torch.testing.assert_close(found[4][name], found[8][name], rtol=0, atol=1e-6)
    # the first batch norm's mean is linear in its rows: the mean over parts is the whole batch's
    torch.testing.assert_close(found[4][means[0]], found[8][means[0]], rtol=0, atol=1e-6)


RECOMPUTED = ["wgan-gp-acgan", "biggan", "logan", "unetgan", "stylegan2"]  # penalties, a latent step, a path length


@pytest.mark.parametrize("form", RECOMPUTED)
def test_activations_computed_twice_give_the_same_gradients_and_buffers(form: str) -> None:
    """Of every phase, those that differentiate twice among them; and less is kept."""
    results = []
    for twice in (False, True):
        gan, chance = tiny.build(form), torch.Generator().manual_seed(0)
        with torch.no_grad():  # of an orthogonal matrix every vector finds the same sigma
            for p in gan.parameters():
                p += 0.1 * torch.randn(p.shape, generator=chance)
        if twice:
            recompute(gan)
        for phase in gan.phases():
            results.append(of_phase(gan, phase))
    half = len(results) // 2
    for (gradients, buffers, _), (again, buffers_again, _) in zip(results[:half], results[half:]):
        assert gradients.keys() == again.keys()
        torch.testing.assert_close(again, gradients, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(buffers_again, buffers, rtol=0, atol=0)
    assert sum(kept for _, _, kept in results[half:]) < sum(kept for _, _, kept in results[:half])


def of_phase(gan: GAN, phase: Any) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Gradients of one phase's loss, the buffers after it, bytes that autograd keeps for it."""
    freeze_all_but(gan, phase.player)
    gan.zero_grad()
    real = tiny.batch(gan)
    drawn = to((phase.draw or gan.draw)(real, rng.generator("draw", phase.name)), CPU)
    with counted() as kept:
        loss = phase.loss(real, drawn).total
    loss.backward()
    gradients = {name: p.grad for name, p in gan.named_parameters() if p.grad is not None}
    return gradients, {name: b.clone() for name, b in gan.named_buffers()}, sum(kept.values())


@contextmanager
def counted() -> Iterator[dict[int, int]]:
    """Bytes of every tensor that is kept for the backward pass, by its place in memory."""
    found: dict[int, int] = {}

    def keep(t: Tensor) -> Tensor:
        found[t.data_ptr()] = t.numel() * t.element_size()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        yield found


def test_a_run_in_parts_is_the_run_and_goes_on_in_others(tmp_path: Path, capsys: Any) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert running.train(whole, "--images", "320") == 0
    assert running.train(parts, "--images", "320", "--micro-batch", "9") == 0  # of 32: 8
    for out, more in ((whole, []), (parts, ["--micro-batch", "16"])):
        assert running.resume(out, "--images", "640", *more) == 0
    torch.testing.assert_close(running.left(parts), running.left(whole), rtol=1e-3, atol=1e-4)
    assert running.train(tmp_path / "no", "--recompute") == 2
    assert "these networks have no blocks to compute twice" in capsys.readouterr().err


def test_auto_takes_the_rows_that_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """On a CPU by what is counted on paper."""
    recipe = Recipe("biggan", "biggan", tiny.build("biggan", batch=64).config)
    settings = Settings(data="digits", micro_batch="auto")
    paper = costs.on_paper(recipe, CPU)
    for rows in (1, 7, 32, 100):
        free = (paper.memory_bytes - paper.memory_row * (64 - rows - 0.5)) / costs.ROOM
        monkeypatch.setattr(costs, "available", lambda device, free=free: free)
        assert costs.micro_batch(recipe, settings, None) == {1: 1, 7: 4, 32: 32, 100: 64}[rows]
    assert costs.micro_batch(recipe, settings, None, processes=4, here=4) == 16
    assert costs.on_paper(recipe, CPU, twice=True).memory_row < paper.memory_row
    monkeypatch.setattr(costs, "available", lambda device: 0)
    with pytest.raises(InputError, match="does not fit cpu with the smallest part of a batch; pass --recompute"):
        costs.micro_batch(recipe, settings, None)
    monkeypatch.undo()
    assert running.train(tmp_path / "run", "--images", "64", "--micro-batch", "auto") == 0
    assert "micro-batch: 32 of the 32 rows of a process at a time" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "config.json").read_text())["training"]["micro_batch"] == 32


def test_on_a_gpu_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of every phase; whatever does not fit makes the rows fewer."""
    recipe, tried = Recipe("biggan", "biggan", tiny.build("biggan", batch=8).config), []
    settings = Settings(data="digits", micro_batch="auto")
    plain = costs.one_step

    def one_step(state: Any, phase: Any, feed: Any, rows: int, autocast: bool) -> None:
        tried.append((phase.name, rows))
        if phase.name == "G" and rows > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        plain(state, phase, feed, rows, autocast)

    monkeypatch.setattr(costs, "one_step", one_step)
    fits = [rows for rows in (8, 4, 2, 1) if costs.can_take(recipe, settings, costs.noise(recipe.config), rows)]
    assert fits == [2, 1]
    assert tried[:2] == [("D", 8), ("G", 8)]
