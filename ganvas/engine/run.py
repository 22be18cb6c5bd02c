"""A run's folder and what is written into it: pictures, film, model folder, best/, checkpoints.  Not here: the loop.

What a model folder looks like is not the engine's affair: whoever makes a Run hands in `write_model`.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from ganvas.data import Dataset, grid
from ganvas.engine import checkpoint, health
from ganvas.engine.checkpoint import State
from ganvas.engine.ema import Average, averaged
from ganvas.engine.feed import Feed
from ganvas.engine.log import Log, Screen, Unwritten
from ganvas.engine.step import NonFinite
from ganvas.files import write_atomic
from ganvas.gan import GAN, Batch
from ganvas.metrics.protocol import lower_is_better
from ganvas.team import ALONE, Team

PICTURE = "samples.png"
SHOWN = {1: 2000, 3: 64}  # rows of the data at hand for the run's picture: of points, of images

Score = Callable[[GAN], dict[str, float]]  # the first entry decides; its name says which way is better
# (the GAN as it samples, folder, facts for the header of the weights, a line for the card)
WriteModel = Callable[[GAN, Path, dict[str, str], str], None]


class Settings(BaseModel):
    """What a run is besides its paper's Config: the engine's own choices, recorded in config.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    fit: str = "crop"
    max_unreadable: float = 0.0
    classes: bool = True  # False: folders are no classes
    seed: int = 0
    device: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"  # bf16: autocast, with penalties and weights in float32
    checkpoint_every: int = 0  # images; 0: a tenth of the run, at most 1,000,000
    sample_every: int = 0  # images; 0: a fortieth of the run, at most 250,000
    log_every: int = 0  # images; 0: a two-hundredth of the run, at most 50,000
    evaluate_every: int = 0  # images; 0: with every checkpoint
    score: str = "sliced"  # what chooses best/: sliced, or one of `scoring.CHOICES` with features "own"
    source: str = ""  # the model that it started from
    freeze_D: int = 0  # blocks of D, from its input on, that stay as they were there
    on_collapse: Literal["warn", "stop", "rollback"] = "warn"
    sync_batch_norm: bool = False  # of several processes: batch norm sees the rows of all
    micro_batch: int | Literal["auto"] = 0  # the most rows that a process takes at a time; 0: accumulate
    recompute: bool = False  # activations of blocks are computed twice instead of being kept

    def interval(self, name: str, images: int) -> int:
        """The interval in images, defaults worked out."""
        if name == "evaluate" and not self.evaluate_every:
            name = "checkpoint"
        given = getattr(self, f"{name}_every")
        parts, most = {"checkpoint": (10, 1_000_000), "sample": (40, 250_000), "log": (200, 50_000)}.get(name, (1, 1))
        return given or max(1, min(images // parts, most))


@dataclass
class Run:
    """A run's folder and what is written into it."""

    folder: Path
    data: Dataset
    settings: Settings
    write_model: WriteModel
    score: Score | None = None
    screen: Screen = field(default_factory=Screen)
    filmed: int = 0  # pictures in the film as it was last written here
    scoring: Team = ALONE  # the processes that share the work of `score`

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def write_picture(self, state: State, kept: bool = True) -> None:
        """What the paper's `sheet` shows as samples.png, and if it is kept, for the film, samples/<images_seen>.png."""
        with averaged(state.gan, state.average) as gan, torch.no_grad():
            picture = grid.drawn(gan.sheet(self.real(SHOWN[len(gan.config.shape)])))
        if kept:
            grid.save(picture, self.folder / "samples" / f"{state.gan.images_seen:012d}.png")
        grid.save(picture, self.folder / PICTURE)

    def write_film(self, ended: bool = True) -> None:
        """film.gif of the pictures so far; before the end only where they have doubled since it was last written."""
        frames = sorted((self.folder / "samples").glob("[0-9]*.png"))
        if len(frames) > 1 and (ended or len(frames) >= 2 * self.filmed):
            grid.film(frames, self.folder / "film.gif")
            self.filmed = len(frames)

    def book(self, state: State, folder: Path) -> None:
        """A model folder of the state as it is: averaged players where there is an average."""
        with averaged(state.gan, state.average) as gan:
            facts = {
                "images_seen": str(gan.images_seen),
                "iteration": str(gan.iteration),
                "ema": str(bool(state.average)),
                "best": best_so_far(state),
            }
            score = f"After {gan.images_seen:,} images" + (f"; best so far: {best_so_far(state)}" if state.best else "")
            self.write_model(gan, folder, facts, score)

    def evaluate(self, state: State, means: dict[str, float]) -> tuple[dict[str, float], health.Verdict]:
        """Score of the players that sample, health of those that learn and of what is saved; best/ if it is the best.

        -> what to log, verdict
        """
        must_be_finite(state)  # best/ is no place for a critic that is not a number, however well G still scores
        gan, found = state.gan, {}
        if self.score is not None:
            with as_the_first_samples(state, self.scoring) as sampling:
                found = self.score(sampling)
        # Health is that of the generator that learns: an average forgets slowly and hides for long that it collapsed.
        if len(gan.config.shape) == 1 or len(self.data) < 2:
            verdict = health.Verdict({})  # a tight mode of points is no collapse; they have mode counts
        else:
            real = self.real(health.LOOK)
            verdict = health.look(gan, real, means, state.diversity)
            if state.average is not None:
                with averaged(gan, state.average):
                    verdict = health.with_saved(verdict, gan, real)
        state.diversity = max(state.diversity, verdict.evidence.get("health/diversity", 0.0))
        if found and not verdict.collapsed:
            self.keep_best(state, *next(iter(found.items())))
        return {f"score/{name}": value for name, value in found.items()} | verdict.evidence, verdict

    def keep_best(self, state: State, name: str, value: float) -> None:
        """best/, if the value is better than the best so far."""
        sign = 1 if lower_is_better(name) else -1
        if not math.isfinite(value) or (state.best is not None and sign * value >= sign * state.best[name]):
            return
        state.best = {name: value, "images": state.gan.images_seen}
        self.book(state, self.folder / "best")
        picture = self.folder / PICTURE
        if picture.exists():
            write_atomic(self.folder / "best" / PICTURE, partial(shutil.copyfile, picture))

    def real(self, most: int) -> Batch:
        """The same real rows for every look at the run, spread over the data set."""
        m = len(self.data)
        index = torch.from_numpy(np.linspace(0, m - 1, min(most, m)).astype(np.int64))
        feed = Feed(self.data, self.settings.seed, torch.device(self.settings.device))
        return self.data.rows(feed.take, index, None, torch.full((len(index), self.data.chances), 0.5))

    def save(self, state: State, ended: bool = True) -> None:
        """Model folder, film, and last the checkpoint.  ended: is the run over, or left?

        What a kill leaves is then never older than the checkpoint that the run goes on from.  Raises NonFinite,
        with nothing written, where a weight is not a number.
        """
        must_be_finite(state)
        self.book(state, self.folder)
        self.write_film(ended)
        checkpoint.save(state, self.checkpoints)

    def log(self, images_seen: int) -> Log:
        """train.jsonl, without the lines after so many images."""
        return Log(self.folder, images_seen)


class Silent(Run):
    """Of a process that leaves speaking and writing to the first one, and shares the work of a score at the most."""

    def write_picture(self, state: State, kept: bool = True) -> None:
        """Nothing."""

    def evaluate(self, state: State, means: dict[str, float]) -> tuple[dict[str, float], health.Verdict]:
        """No verdict; its part of the samples that the first one scores."""
        if self.score is not None:
            with as_the_first_samples(state, self.scoring) as sampling:
                self.score(sampling)
        return {}, health.Verdict({})

    def save(self, state: State, ended: bool = True) -> None:
        """Nothing."""

    def log(self, images_seen: int) -> Log:
        """A log that nobody reads."""
        return Unwritten()


@contextmanager
def as_the_first_samples(state: State, team: Team) -> Iterator[GAN]:
    """The GAN with its averaged players in every process of a team, though the first one alone keeps the average."""
    gan, average = state.gan, state.average
    if team.size > 1 and gan.has_average:
        average = mine = average or Average(gan)
        mine.players.load_state_dict(team.sent(lambda: on_the_cpu(mine.players.state_dict())))
    with averaged(gan, average):
        yield gan


def on_the_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As `Team.sent` takes them."""
    return {name: value.cpu().contiguous() for name, value in tensors.items()}


def must_be_finite(state: State) -> None:
    """Raises NonFinite, naming the player, if a weight, average or buffer is not a number."""
    for name, value in (*state.gan.state_dict().items(), *averages(state)):
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise NonFinite(f"{name} of the model is not finite")


def best_so_far(state: State) -> str:
    """The best score for people: "FD-own 12.3 at 60,000 images"."""
    if state.best is None:
        return "none"
    name, value = next(iter(state.best.items()))
    return f"{name} {value:.5g} at {state.best['images']:,} images"


def averages(state: State) -> list[tuple[str, Tensor]]:
    """The averaged players' tensors by name."""
    return list(state.average.players.state_dict().items()) if state.average is not None else []
