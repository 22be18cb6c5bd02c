"""The watch over a run: verdicts by formula, what stops, what rolls back, and no alarm where all is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganvas import api
from ganvas.engine import checkpoint, health
from ganvas.engine.checkpoint import State
from ganvas.engine.run import Run, Settings, best_so_far
from ganvas.features import own
from ganvas.gan import GAN
from tests import tiny
from tests.engine import running

WELL = {"health/diversity": 0.9, "health/duplicates": 0.0, "health/blank": 0.0, "health/separation": 0.8}
SMALL = ["wgan-gp-digits", "--resolution", "8", "--set", "G_width=2", "D_width=8", "batch=8", "n_critic=1", "dim_z=2"]
SMALL += ["lr_schedule=constant"]  # so that a run may be extended
EVERY = ["--checkpoint-every", "16", "--evaluate-every", "16", "--images", "64"]

# what a look found, beside WELL -> the beginning of the sentence and whether it is a collapse; the peak is 1
VERDICTS: list[tuple[dict[str, float], str, bool]] = [
    ({}, "", False),
    ({"health/diversity": 0.41}, "", False),
    ({"health/diversity": 0.39}, "collapse: samples differ 0.39 times as much as real images do; 1.00 was the", True),
    ({"health/duplicates": 0.5}, "", False),
    ({"health/duplicates": 0.51}, "collapse: 51% of the samples have a twin", True),
    ({"health/blank": 0.6}, "collapse: 60% of the samples are blank", True),
    ({"health/G/grad": 1e-8}, "warning: the gradient of G has vanished, its norm is 1e-08", False),
    ({"health/D/grad": 2e4}, "warning: the gradient of D has exploded, its norm is 2e+04", False),
    ({"health/D/grad": float("nan")}, "warning: the gradient of D has exploded", False),
    ({"health/separation": 1.0, "health/D/grad": 2.0, "health/G/grad": 0.1}, "", False),
    (
        {"health/separation": 0.9995, "health/D/grad": 2.0, "health/G/grad": 1e-4},
        "warning: D is saturated, it ranks a real image above a sample 99.95% of the time, and a player's gradient is",
        False,
    ),
]


@pytest.mark.parametrize(("found", "sentence", "collapsed"), VERDICTS)
def test_verdicts(found: dict[str, float], sentence: str, collapsed: bool) -> None:
    verdict = health.judged(WELL | found, peak=1.0)
    assert verdict.collapsed == collapsed
    assert verdict.sentence.startswith(sentence)
    assert bool(verdict.sentence) == bool(sentence)
    assert verdict.evidence == pytest.approx(WELL | found, nan_ok=True)


def test_a_small_peak_is_measured_against_the_data() -> None:
    assert health.judged(WELL | {"health/diversity": 0.24}, peak=0.3).collapsed
    assert not health.judged(WELL | {"health/diversity": 0.26}, peak=0.3).collapsed


def test_before_anything_is_learned_blandness_is_no_collapse_and_later_a_warning() -> None:
    bland = {"health/diversity": 0.01, "health/duplicates": 1.0, "health/blank": 1.0, "health/separation": 1.0}
    assert health.judged(bland, peak=0.0, share=0.4) == health.Verdict(bland)
    late = health.judged(bland, peak=0.1, share=0.6)
    assert late.sentence.startswith("warning: 100% of the samples have a twin, and never did they differ much")
    assert not late.collapsed


@pytest.mark.parametrize("name", ["wgan-gp", "wgan-gp-acgan", "sagan", "biggan", "biggan-plain"])
def test_a_look_at_an_untrained_model_raises_no_alarm_and_leaves_it_alone(name: str) -> None:
    gan = tiny.build(name).train()
    before = {key: value.clone() for key, value in gan.state_dict().items()}
    verdict = health.look(gan, tiny.batch(gan, 16), {"G/grad": 0.1, "G/loss": 3.0}, peak=0.0)
    assert verdict.sentence == ""
    assert set(verdict.evidence) == {*WELL, "health/G/grad"}
    assert 0 <= verdict.evidence["health/separation"] <= 1
    torch.testing.assert_close(gan.state_dict(), before, rtol=0, atol=0)
    assert all(module.training for module in gan.modules())


def test_without_scores_the_rest_is_looked_at() -> None:
    gan = tiny.build("biggan", G_only=True)
    assert set(health.look(gan, tiny.batch(gan, 16), {}, 0.0).evidence) == set(WELL) - {"health/separation"}


# diversity of the generator that learns and of the average that is saved -> is the average named?
SAVED = [
    (0.9, 0.9, False),
    (0.9, 0.26, False),  # it is not bland, however much blander
    (0.9, 0.24, True),
    (0.4, 0.19, True),
    (0.4, 0.21, False),  # nor is the live one any better
]


@pytest.mark.parametrize(("live", "saved", "named"), SAVED)
def test_an_average_that_has_not_moved_is_named(
    live: float, saved: float, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = tiny.build("wgan")
    real = tiny.batch(gan, 16)
    monkeypatch.setattr(GAN, "sample", lambda self, *_, **__: real.x * saved)
    found = WELL | {"health/diversity": live}
    verdict = health.with_saved(health.Verdict(found), gan, real)
    assert verdict.evidence == pytest.approx(found | {"health/saved_diversity": saved})
    assert not verdict.collapsed
    start = f"warning: what is saved is the average of G, and its samples differ {saved:.2f} times as much as real"
    assert verdict.sentence.startswith(start) == named
    assert bool(verdict.sentence) == named
    if named:
        assert f"those of the live G {live:.2f} times" in verdict.sentence


def test_a_collapse_is_said_before_an_average(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny.build("wgan")
    real = tiny.batch(gan, 16)
    monkeypatch.setattr(GAN, "sample", lambda self, *_, **__: real.x * 0.1)
    collapse = health.Verdict(WELL, "collapse: so it is", collapsed=True)
    verdict = health.with_saved(collapse, gan, real)
    assert (verdict.sentence, verdict.collapsed) == ("collapse: so it is", True)
    assert verdict.evidence["health/saved_diversity"] == pytest.approx(0.1)


def test_samples_stand_beside_real_rows_from_the_same_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the seeds decide; where seeds do not suffice, with what the real rows were given."""
    gan = tiny.build("biggan")
    real = tiny.batch(gan, 6)
    seeds = list(range(health.FIRST, health.FIRST + 6))
    beside = health.samples_beside(gan, real)
    assert beside.shape == real.x.shape
    assert torch.equal(beside, health.samples_beside(gan, tiny.batch(gan, 6, seed=1)))
    assert torch.equal(beside, gan.sample(6, seed=health.FIRST, given=gan.given(seeds)))
    assert real.given.y is not None
    assert not torch.equal(real.given.y, gan.given(seeds).y)
    monkeypatch.setattr(type(gan), "seeds_suffice", False)
    assert torch.equal(health.samples_beside(gan, real), gan.sample(6, seed=health.FIRST, given=real.given))


def test_a_look_takes_few_images_at_a_time_and_the_scores_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny.build("biggan")
    real = tiny.batch(gan, 6)
    whole, scores = health.samples_beside(gan, real), health.scored(gan, real, real.x)
    assert scores is not None
    assert health.at_a_time(gan) == 2**16 // real.x[0, 0].numel()
    monkeypatch.setattr(health, "AT_A_TIME", 4 * real.x[0, 0].numel())
    assert health.at_a_time(gan) == 4
    torch.testing.assert_close(health.samples_beside(gan, real), whole)
    again = health.scored(gan, real, real.x)
    assert again is not None
    for a, b in zip(again, scores):
        torch.testing.assert_close(a, b)
    monkeypatch.setattr(type(gan), "grain", property(lambda self: 3))
    assert health.at_a_time(gan) == 3
    monkeypatch.setattr(health, "AT_A_TIME", 1)
    assert health.at_a_time(gan) == 3


def test_large_images_are_compared_by_the_means_of_their_parts() -> None:
    x = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(health.compared(x), x.unflatten(2, (32, 2)).mean(3))
    small = x[:, :, :16]
    assert health.compared(small) is small


def noise_or_one_image(collapsed: Callable[[GAN], bool]) -> Callable[..., Tensor]:
    """In place of `GAN.sample`: images of noise, or of a single one while `collapsed`."""

    def sample(self: GAN, n: int = 16, seed: int = 0, *_: Any, **__: Any) -> Tensor:
        x = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        return x[:1].expand(n, 1, 8, 8) if collapsed(self) else x

    return sample


def from_48_on(gan: GAN) -> bool:
    return gan.images_seen >= 48


def once() -> Callable[[GAN], bool]:
    """Collapsed when 48 images are seen for the first time, and not when other draws have led there."""
    visits: set[int] = set()

    def collapsed(gan: GAN) -> bool:
        if gan.images_seen == 48:
            visits.add(hash(tuple(next(gan.D.parameters()).flatten()[:8].tolist())))
        return gan.images_seen == 48 and len(visits) == 1

    return collapsed


def steps_of(out: Path) -> list[int]:
    return [int(path.name) for path in checkpoint.checkpoints(out / "checkpoints")]


def test_a_collapse_is_named_and_the_run_goes_on(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(GAN, "sample", noise_or_one_image(from_48_on))
    assert running.train(run_dir, *EVERY, recipe=SMALL) == 0
    assert "at 48 images: collapse: samples differ 0.00 times as much as real images do" in capsys.readouterr().err
    looks = [json.loads(line) for line in (run_dir / "train.jsonl").read_text().splitlines()]
    looks = [line for line in looks if "health/diversity" in line]
    assert [line["images"] for line in looks] == [16, 32, 48, 64]
    assert {*WELL, "health/G/grad", "health/D/grad", "score/sliced_wasserstein"} <= set(looks[0])
    assert looks[1]["health/duplicates"] == 0
    assert looks[2]["health/duplicates"] == 1
    assert steps_of(run_dir)[-1] == 64


def test_the_average_is_looked_at_too_and_does_not_stop_a_run(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def is_the_average(gan: GAN) -> bool:
        return not next(gan.G.parameters()).requires_grad

    monkeypatch.setattr(GAN, "sample", noise_or_one_image(is_the_average))
    options = ["--evaluate-every", "32", "--images", "64", "--on-collapse", "stop"]
    assert running.train(run_dir, *options, "--set", "ema=0.5", recipe=SMALL) == 0
    said = capsys.readouterr().err
    assert "at 32 images: warning: what is saved is the average of G, and its samples differ 0.00 times" in said
    looks = [json.loads(line) for line in (run_dir / "train.jsonl").read_text().splitlines()]
    looks = [line for line in looks if "health/diversity" in line]
    assert looks[0]["health/saved_diversity"] == 0
    assert looks[0]["health/diversity"] > 0.9
    assert steps_of(run_dir)[-1] == 64


def test_stop_keeps_the_state_before_the_collapse(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(GAN, "sample", noise_or_one_image(from_48_on))
    often = ["--checkpoint-every", "8", "--evaluate-every", "64", "--images", "64"]
    assert running.train(run_dir, *often, "--on-collapse", "stop", recipe=SMALL) == 1
    said = capsys.readouterr().err
    assert "at 48 images: collapse" in said  # every checkpoint is looked at, however rare the looks
    assert f"stopped at 48 images by a collapse; {run_dir} holds the state before it" in said
    assert steps_of(run_dir) == [32, 40]
    pictures = [(run_dir / name).read_bytes() for name in ("samples.png", "samples/000000000040.png")]
    assert pictures[0] == pictures[1]


def test_rolling_back_ends_after_three_times(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(GAN, "sample", noise_or_one_image(from_48_on))
    assert running.train(run_dir, *EVERY, "--on-collapse", "rollback", recipe=SMALL) == 1
    said = capsys.readouterr().err
    assert [f"going on with other draws ({k} of 3)" in said for k in (1, 2, 3, 4)] == [True, True, True, False]
    assert "stopped after 3 roll-backs" in said
    assert steps_of(run_dir) == [16, 32]


def test_a_run_rolled_back_goes_on_with_other_draws_and_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = [*EVERY[:4], "--on-collapse", "rollback"]
    for name, images in (("whole", "96"), ("part", "64")):
        monkeypatch.setattr(GAN, "sample", noise_or_one_image(once()))
        assert running.train(tmp_path / name, *watched, "--images", images, recipe=SMALL) == 0
    assert running.resume(tmp_path / "part", "--images", "96") == 0
    whole = running.left(tmp_path / "whole")
    assert not running.differences(running.left(tmp_path / "part"), whole)
    counters = json.loads((tmp_path / "part" / "checkpoints" / "000000000096" / "state.json").read_text())
    assert counters["rollbacks"] == 1
    monkeypatch.setattr(GAN, "sample", noise_or_one_image(lambda gan: False))
    assert running.train(tmp_path / "well", *watched, "--images", "96", recipe=SMALL) == 0
    assert running.differences(running.left(tmp_path / "well"), whole)


def test_the_best_outlives_a_roll_back(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """best/ on disk may be younger than the checkpoint: what follows has to beat it, not what the checkpoint knew."""
    monkeypatch.setattr(GAN, "sample", noise_or_one_image(once()))
    scores = iter([5.0, 4.0, 4.0, 4.0, 1.0, 9.0, 3.0, 2.0, 6.0, 6.0])  # at 8, 16, ..., 48, and after it 40, 48, ...

    def falling(*_: Any, **__: Any) -> Callable[[GAN], dict[str, float]]:
        return lambda gan: {"score": next(scores)}

    monkeypatch.setattr("ganvas.scoring.choose.scorer", falling)
    rare = ["--checkpoint-every", "32", "--evaluate-every", "8", "--images", "64", "--on-collapse", "rollback"]
    assert running.train(run_dir, *rare, recipe=SMALL) == 0
    state = json.loads((run_dir / "checkpoints" / "000000000064" / "state.json").read_text())
    assert state["best"] == {"score": 1.0, "images": 40}


@pytest.mark.parametrize("name", ["sagan", "wgan"])
def test_no_false_alarm_in_a_short_run(name: str, run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gan = tiny.build(name)
    config = gan.config.model_copy(update={"num_classes": 10 if gan.config.num_classes else 0, "images": 64})
    every = {"sample_every": 64, "checkpoint_every": 64, "evaluate_every": 32}
    settings = Settings(data="digits", on_collapse="stop", **every)
    outcome = api.train(api.Recipe(tiny.TINY[name][0], name, config), settings, run_dir)
    assert not outcome.collapsed
    assert "collapse" not in capsys.readouterr().err


def test_a_rising_score_is_kept_as_it_is(run_dir: Path) -> None:
    gan, best = tiny.build("wgan"), []
    state = State(gan, {}, None)
    settings = Settings(data="noise")
    run = Run(
        run_dir, tiny.images(gan), settings, lambda gan, folder, facts, score: best.append((folder, facts["best"]))
    )
    for images, value in enumerate((1.5, 2.5, 2.0, float("nan"))):
        state.gan.images_seen = 1000 * images
        run.keep_best(state, "IS-own", value)
    assert state.best == {"IS-own": 2.5, "images": 1000}
    assert best_so_far(state) == "IS-own 2.5 at 1,000 images"
    assert best == [
        (run_dir / "best", f"IS-own {value} at {at} images") for value, at in (("1.5", "0"), ("2.5", "1,000"))
    ]


@pytest.mark.parametrize(("score", "name"), [("fid", "FD-own"), ("coverage", "coverage-own")])
def test_the_best_is_chosen_by_a_metric_whose_network_is_trained_once(
    score: str, name: str, run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(own, "Settings", partial(own.Settings, steps=2, width=4, dim=8))
    trained, looked = [], []
    train_classifier, forward = own.train_classifier, own.Own.forward
    monkeypatch.setattr(own, "train_classifier", lambda *args: trained.append(1) or train_classifier(*args))
    monkeypatch.setattr(own.Own, "forward", lambda self, x: looked.append(len(x)) or forward(self, x))
    options = ["--evaluate-every", "16", "--images", "32", "--score", score]
    assert running.train(run_dir, *options, recipe=SMALL) == 0
    assert len(trained) == 1
    assert sum(looked) == 1797 + 2 * 1797  # the reference once, the samples of two looks
    looks = [json.loads(line) for line in (run_dir / "train.jsonl").read_text().splitlines()]
    values = [line[f"score/{name}"] for line in looks if f"score/{name}" in line]
    state = json.loads(max((run_dir / "checkpoints").glob("[0-9]*")).joinpath("state.json").read_text())
    assert state["best"][name] == (min(values) if score == "fid" else max(values))
    assert f"best so far: {name} " in (run_dir / "README.md").read_text()
