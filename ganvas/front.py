"""The front door for scripts: train, resume, evaluate and check by plain values.  `ganvas.train(...)` is `front.train`.

Here: names and paths become recipes, settings and folders.  Not here: what is done with them (api.py, scoring/).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ganvas import api
from ganvas import budget as choosing
from ganvas import data as datasets
from ganvas.data import PairReport, Report
from ganvas.devices import choose_device, must_compute
from ganvas.engine.log import Screen
from ganvas.engine.parallel import current, joined, own_device
from ganvas.engine.run import Settings
from ganvas.engine.train import Outcome
from ganvas.errors import InputError
from ganvas.files import numbered, one_line, remove_empty, to_be_made
from ganvas.gan import GAN
from ganvas.metrics.compare import describe
from ganvas.metrics.protocol import Score, write_scores
from ganvas.rng import whole
from ganvas.scoring import subject as scoring

Name = str | PathLike[str]


@dataclass(frozen=True)
class Trained:
    """A run that ended.  folder: its model folder; stopped: the signal that ended it early, or None"""

    folder: Path
    images_seen: int
    seconds: float  # over all sittings
    best: dict[str, float] | None  # score and images_seen of best/, where one was kept
    stopped: int | None = None
    collapsed: bool = False  # ended by the watch over it

    def load(self, device: str | None = None) -> GAN:
        """The GAN that was trained."""
        return api.load(self.folder, device)


class Scores(Mapping[str, float]):
    """Numbers by name, as `scores["FD-own"]`; `scores.records` has each with its spread and its protocol."""

    def __init__(self, subject: str, records: Sequence[Score]) -> None:
        self.subject = subject
        self.records = list(records)

    def __getitem__(self, name: str) -> float:
        for record in self.records:
            if record.name == name:
                return record.value
        raise KeyError(f"{name}; there are {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        return iter([record.name for record in self.records])

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return "\n".join(describe(record) for record in self.records)

    def save(self, path: Name) -> None:
        """A file for `ganvas compare`."""
        write_scores(Path(path), self.subject, self.records)


def train(
    preset: str,
    data: Name | None = None,
    *,
    out: Name | None = None,
    resolution: int | tuple[int, int] | None = None,
    images: int | None = None,
    batch: int | None = None,
    budget: str | float | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: str = "fp32",
    classes: bool = True,
    progress: bool = True,
    settings: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Trained:
    """Trains a preset, a bare name ("biggan": what fits the data) or your own FILE.toml, as `ganvas train` does.

    data: digits, a toy or a path (None: what the preset is for).  out: a new folder (None: runs/PRESET-DATA).
    resolution: pixels per side or (height, width).  images: real images to show in all.  budget: seconds, or "45m",
    "8h", "2d": width, batch and length that fit it are chosen.  device: None is the GPU if there is one.  classes:
    False ignores sub-folders.  progress: lines on stderr.  settings: of the run, as {"score": "fid", "sample_every":
    1000}; see `engine.run.Settings`.  fields: of the paper's Config, as G_ch=32.
    Raises InputError, in one line, for whatever can be mended.
    """
    name = str(data) if data is not None else api.default_data(preset)
    if not name.strip():
        raise InputError("data='' given, expected digits, a toy, or a path")
    asked = {**fields, **{k: whole(k, v) for k, v in {"images": images, "batch": batch}.items() if v is not None}}
    kind = api.peek(preset, name, classes)
    where = own_device(choose_device(device))
    must_compute(where, precision)
    run = settings_of(
        {**kind.settings, **dict(settings or {})},
        data=whole_name(name),
        seed=whole("seed", seed),
        device=str(where),
        precision=precision,
        classes=classes,
    )
    with joined(where) as team:
        if budget is None:
            recipe = api.recipe(preset, kind, resolution, asked)
        else:
            chosen = team.told(lambda: choosing.choose(preset, kind, resolution, asked, run, seconds_of(budget)))
            recipe, run = chosen.recipe, chosen.settings.model_copy(update={"device": str(where)})
        default = Path("runs") / f"{recipe.preset}-{Path(name).stem}"
        with chosen_folder(None if out is None else Path(out).expanduser(), default) as folder:
            return trained(folder, api.train(recipe, run, folder, screen_of(progress)))


def resume(folder: Name, *, images: int | None = None, device: str | None = None, progress: bool = True) -> Trained:
    """Goes on with a run exactly where its newest checkpoint stands; images: extend it to so many in all."""
    path = Path(folder).expanduser()
    asked = None if images is None else whole("images", images)
    return trained(path, api.resume(path, asked, None, device, screen_of(progress)))


def evaluate(
    subject: Name,
    data: Name,
    *,
    metrics: str | Sequence[str] | None = None,
    features: str = "own",
    weights: Name | Sequence[Name] = (),
    n: int | None = None,
    seed: int = 0,
    sets: int = 1,
    device: str | None = None,
    **how: Any,
) -> Scores:
    """Scores of a model folder, or of a folder of images, against a data set, as `ganvas evaluate` does.

    metrics: some of fid, kid, is, prdc, intra_fid, cas, memorisation (of pairs mse, psnr, ssim, lpips); None: what
    fits.  features: own (a classifier trained on the data), inception or timm:MODEL.  sets: disjoint sample sets, of
    which mean and spread are given.  how: further arguments of `scoring.subject.evaluate`, as truncation=0.5.  Several
    processes that torchrun started share the work, and all get the scores.
    """
    names = metrics if metrics is None or isinstance(metrics, str) else ",".join(metrics)
    files = [weights] if isinstance(weights, str | PathLike) else list(weights)
    where = own_device(choose_device(device))
    with joined(where) as team:
        name, scores = scoring.evaluate(
            Path(subject),
            str(data),
            metrics=names,
            features=features,
            weights=[Path(file) for file in files],
            n=None if n is None else whole("n", n),
            seed=whole("seed", seed),
            sets=whole("sets", sets),
            device=where,
            team=team,
            **how,
        )
    return Scores(name, scores)


def check(data: Name, *, sheet: Name | None = None, pairs: bool | None = None) -> Report | PairReport:
    """What a data set holds and what is odd about it; `"\\n".join(report.lines())` is what `ganvas check` prints.

    sheet: draw a contact sheet there.  pairs: read it as pairs (None: where there are folders A and B).
    """
    name = str(data)
    if datasets.holds_pairs(name) if pairs is None else pairs:
        return datasets.check_pairs(name)
    return datasets.check(name, sheet=None if sheet is None else Path(sheet))


def seconds_of(budget: str | float) -> float:
    """Seconds of "45m", "8h" or "2d", or a number of them.  Raises InputError."""
    text = str(budget).strip()
    scale = {"s": 1, "m": 60, "h": 3600, "d": 86_400}.get(text[-1:], 0)
    try:
        seconds = float(text[:-1]) * scale if scale else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(f"budget={budget!r} given, expected seconds, or a time as '45m', '8h' or '2d'")
    return seconds


def whole_name(data: str) -> str:
    """The name of an embedded data set, or the absolute path, so that a run resumes from anywhere."""
    return data if data in (*datasets.EMBEDDED, *datasets.MADE) else str(Path(data).expanduser().absolute())


@contextmanager
def chosen_folder(given: Path | None, default: Path) -> Iterator[Path]:
    """The folder that was asked for, or a new one by the default name, gone again where nothing was written."""
    if given is not None:
        yield given
        return
    made = to_be_made(default.parent)
    with one_line(default):
        out = current().told(lambda: numbered(default))
    try:
        yield out
    finally:
        if current().first:
            remove_empty([out, *made])


def settings_of(values: Mapping[str, Any], **more: Any) -> Settings:
    """The run's settings, checked.  Raises InputError."""
    from pydantic import ValidationError

    from ganvas.errors import in_words

    if twice := sorted(set(values) & set(more) & {"seed", "device", "precision", "classes", "data"}):
        raise InputError(f"settings {', '.join(twice)} given, which are arguments of train; pass them there")
    try:
        return Settings(**{**values, **more})
    except ValidationError as error:
        raise InputError(in_words(error)) from None


def screen_of(progress: bool) -> Screen:
    """Where a run speaks: stderr, or nowhere."""
    return Screen() if progress else Screen(io.StringIO())


def trained(folder: Path, outcome: Outcome) -> Trained:
    """What a run's end is to a script."""
    return Trained(
        folder, outcome.images_seen, outcome.seconds, outcome.best, outcome.stopped, collapsed=outcome.collapsed
    )
