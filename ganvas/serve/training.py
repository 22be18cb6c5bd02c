"""Starting, stopping and going on with runs; checks of data and evaluations of models: what becomes of such a request.

Here a request becomes the arguments of a `ganvas` command.  Data are named by a key of a table that the command line
filled, so no path comes from a request; presets are ours; and only data that `ganvas check` has seen are trained on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ganvas import data as datasets
from ganvas import recipes
from ganvas.errors import InputError
from ganvas.files import read_json, write_atomic
from ganvas.metrics.protocol import Score, read_scores
from ganvas.presets import families, presets
from ganvas.serve.jobs import Job, Jobs
from ganvas.serve.limits import Limits
from ganvas.serve.runs import Runs
from ganvas.serve.shelf import Entry, unused

NOT_SHOWN = ("warning:", "contact", "report:", "checking:")  # of what check says: shown elsewhere, or progress
PROJECTED = "picture"  # what a projection calls its files
GIVEN = "given"  # the folder of what it was given
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Conflict(InputError):
    """Right in itself, but not now."""


class TrainAsked(BaseModel):
    """A new run."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"preset": "biggan-digits", "data": "digits", "images": 20000, "seed": 0}]},
    )

    preset: Word = Field(description="of `ganvas papers`, or a bare name that picks one that fits the data")
    data: Word = Field(description="an id of GET /api/data")
    name: Word | None = Field(default=None, description="of the run; none: made of preset and data")
    images: int | None = Field(default=None, ge=1, le=10**12, description="real images to show in all")
    batch: int | None = Field(default=None, ge=1, le=65536)
    resolution: int | None = Field(default=None, ge=4, le=2048)
    seed: int = Field(default=0, ge=0, le=2**53)
    set: dict[Word, bool | int | float | Word] = Field(default={}, max_length=64, description="fields of the Config")


class ResumeAsked(BaseModel):
    """How far a run goes on; none: to where it was meant to go."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"images": 40000}]})

    images: int | None = Field(default=None, ge=1, le=10**12)


class EvaluateAsked(BaseModel):
    """Scores of a model against a data set."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"data": "digits", "n": 1000}]})

    data: Word
    metrics: str | None = Field(default=None, pattern=r"^[a-z_]+(,[a-z_]+)*$", max_length=100)
    n: int | None = Field(default=None, ge=2, le=50_000, description="samples; none: as many as the reference has")
    seed: int = Field(default=0, ge=0, le=2**53)


class ProjectAsked(BaseModel):
    """How long is looked for a picture's code."""

    model_config = ConfigDict(extra="forbid")

    label: str | None = Field(default=None, max_length=200, description="its class; none: the nearest")
    restarts: int = Field(default=2, ge=1, le=8, description="descents")
    steps: int = Field(default=150, ge=1, le=1000, description="of a descent")
    seed: int = Field(default=0, ge=0, le=2**53)


class DataShown(BaseModel):
    """Data at hand, and what `check` said of them."""

    id: str
    checked: bool = Field(description="only data that check has seen are trained on")
    job: str | None = Field(default=None, description="of the check that runs or failed")
    state: str | None = None
    summary: list[str] = []
    warnings: list[str] = []
    sheet: str | None = Field(default=None, description="address of the contact sheet")


class Training:
    """The jobs, the runs and the data of one server."""

    def __init__(self, runs: Path, data: Sequence[str], limits: Limits, device: str = "auto") -> None:
        self.jobs = Jobs(runs / ".serve")
        self.runs = Runs(runs, self.jobs)
        self.folder, self.limits, self.device = runs, limits, device
        self.data: dict[str, str] = {name: name for name in (*datasets.EMBEDDED, *datasets.MADE)}
        for text in data:
            whole = Path(text).expanduser().resolve()
            self.data[unused(re.sub(r"[^A-Za-z0-9._-]+", "-", whole.name).strip(".-") or "data", self.data)] = str(
                whole
            )

    def path(self, name: str) -> str:
        """What the command line calls these data.  Raises InputError."""
        if name not in self.data:
            raise InputError(f"no data {name!r}; there are {', '.join(self.data)}; start the server with --data PATH")
        return self.data[name]

    def shown(self, name: str) -> DataShown:
        """Data, and what check said of them."""
        path = self.path(name)
        if path in (*datasets.EMBEDDED, *datasets.MADE) and path != "digits":
            return DataShown(id=name, checked=True, summary=["ganvas makes them itself"])
        job = next((job for job in self.jobs.all() if job.kind == "check" and job.about["path"] == path), None)
        if job is None:
            return DataShown(id=name, checked=False)
        state = self.jobs.state(job)
        if state != "done":
            return DataShown(id=name, checked=False, job=job.id, state=state, summary=self.jobs.lines(job.id)[-3:])
        result = self.jobs.result(job)
        assert result is not None
        report = read_json(result)
        sheet = f"/api/jobs/{job.id}/sheet" if self.sheet(job) else None
        lines = [line for line in self.jobs.lines(job.id) if not line.startswith(NOT_SHOWN)]
        return DataShown(
            id=name, checked=True, job=job.id, state=state, summary=lines[:12], sheet=sheet,
            warnings=[str(line) for line in report.get("warnings", [])][:20],
        )  # fmt: skip

    def sheet(self, job: Job) -> Path | None:
        """The contact sheet of a check."""
        path = self.jobs.folder / job.id / "sheet.png"
        return path if path.is_file() else None

    def check(self, name: str) -> Job:
        """Looks the data over."""
        path, job = self.path(name), f"check-{name}"
        where = self.jobs.folder / job
        options = ["--json", str(where / "report.json"), "--sheet", str(where / "sheet.png")]
        return self.jobs.start("check", job, ["check", path, *options], {"data": name, "path": path}, self.limits.jobs)

    def start(self, asked: TrainAsked) -> Job:
        """Starts a run.  Raises InputError for a recipe that cannot be, Conflict for data that were not checked."""
        path = self.path(asked.data)
        if asked.preset not in presets() and asked.preset not in families():
            raise InputError(f"no preset {asked.preset!r}; GET /api/presets lists them")
        if not self.shown(asked.data).checked:
            raise Conflict(f"{asked.data} have not been checked; POST /api/data/{asked.data}/check first")
        overrides = {**asked.set, **{k: v for k in ("images", "batch") if (v := getattr(asked, k)) is not None}}
        recipe = recipes.recipe(asked.preset, recipes.peek(asked.preset, path), asked.resolution, overrides)
        recipes.rehearse(recipe)
        name = asked.name or unused(f"{recipe.preset}-{asked.data}"[:60], self.taken())
        if name in self.taken():
            raise Conflict(f"{name} is there already; resume it, or give another name")
        options = ["--data", path, "--seed", str(asked.seed), "--device", self.device, "--out", str(self.folder / name)]
        for key in ("images", "batch", "resolution"):
            if (value := getattr(asked, key)) is not None:
                options += [f"--{key}", str(value)]
        if asked.set:
            options += ["--set", *(f"{key}={json.dumps(value)}" for key, value in asked.set.items())]
        about = {"run": name, "preset": asked.preset, "data": asked.data}
        return self.jobs.start("train", f"train-{name}", ["train", asked.preset, *options], about, self.limits.training)

    def taken(self) -> dict[str, None]:
        """Names that a new run may not have."""
        inside = [p.name for p in self.folder.iterdir()] if self.folder.is_dir() else []
        return dict.fromkeys([*inside, *self.runs.names()])

    def stop(self, name: str) -> None:
        """Asks a run to save and leave.  Raises Conflict for one that this server cannot stop."""
        shown, job = self.runs.show(name), self.runs.job(name)
        if shown.state not in ("running", "starting", "stopping"):
            raise Conflict(f"{name} does not run")
        if job is None:
            raise Conflict(f"{name} was not started here; stop it where it runs, with Ctrl-C")
        self.jobs.stop(job)

    def resume(self, name: str, asked: ResumeAsked) -> Job:
        """Goes on with a run where its newest checkpoint stands.  Raises Conflict while it runs."""
        shown = self.runs.show(name)
        if shown.state in ("running", "starting", "stopping"):
            raise Conflict(f"{name} runs already" if shown.state != "stopping" else f"{name} is still being saved")
        if not shown.model:
            raise Conflict(f"{name} has no checkpoint to go on from; start it anew under another name")
        if shown.state == "finished" and (asked.images is None or asked.images <= shown.images_seen):
            raise Conflict(f"{name} has seen all of its {shown.images_seen:,} images; say how many more: images")
        options = ["--images", str(asked.images)] if asked.images is not None else []
        about = {"run": name, "preset": shown.preset, "data": shown.data}
        arguments = ["train", "--resume", str(self.folder / name), "--device", self.device, *options]
        return self.jobs.start("train", f"train-{name}", arguments, about, self.limits.training)

    def evaluate(self, entry: Entry, asked: EvaluateAsked) -> Job:
        """Scores of a model."""
        path = self.path(asked.data)
        number = unused(f"evaluate-{entry.id}"[:80] + "-1", {job.id: None for job in self.jobs.all()})
        options = ["--data", path, "--seed", str(asked.seed), "--device", self.device]
        options += ["--json", str(self.jobs.folder / number / "scores.json")]
        options += ["--metrics", asked.metrics] if asked.metrics else []
        options += ["-n", str(asked.n)] if asked.n else []
        about = {"model": entry.id, "folder": str(entry.folder.resolve()), "data": asked.data}
        return self.jobs.start("evaluate", number, ["evaluate", str(entry.folder), *options], about, self.limits.jobs)

    def project(self, entry: Entry, asked: ProjectAsked, picture: Image.Image) -> Job:
        """The code of a model whose image is nearest to a picture.  Raises InputError."""
        if not entry.seeds_suffice or entry.makes_points:
            raise InputError(
                f"{entry.id} has no codes to look for; a projection needs a model that makes images of seeds"
            )
        number = unused(f"project-{entry.id}"[:80] + "-1", {job.id: None for job in self.jobs.all()})
        where = self.jobs.folder / number
        given = where / GIVEN / f"{PROJECTED}.png"
        write_atomic(given, picture.save)  # what was uploaded never reaches the disk, only what it was decoded to
        options = ["--out", str(where), "--seed", str(asked.seed), "--device", self.device, "--overwrite"]
        options += ["--restarts", str(asked.restarts), "--steps", str(asked.steps)]
        if asked.label is not None:
            options += ["--class", str(entry.class_index(asked.label))]
        about = {"model": entry.id, "folder": str(entry.folder.resolve())}
        arguments = ["project", str(entry.folder), str(given), *options]
        return self.jobs.start("project", number, arguments, about, self.limits.jobs)

    def projected(self, job: Job, suffix: str) -> Path | None:
        """What a projection has made: .png the image, .safetensors the code; GIVEN: what it looks for."""
        where = self.jobs.folder / job.id
        path = where / GIVEN / f"{PROJECTED}.png" if suffix == GIVEN else where / f"{PROJECTED}{suffix}"
        return path if job.kind == "project" and path.is_file() else None

    def scores(self, entry: Entry) -> list[Score]:
        """What evaluations of this model have found, the newest first."""
        folder, found = str(entry.folder.resolve()), []
        for job in self.jobs.all():
            if job.kind == "evaluate" and job.about.get("folder") == folder and self.jobs.state(job) == "done":
                result: Any = self.jobs.result(job)
                found += read_scores(result)[1]
        return found
