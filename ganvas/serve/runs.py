"""Training runs as they are now: read from their folders, whoever started them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema

from ganvas.errors import InputError
from ganvas.models import folder as model_folder
from ganvas.serve.jobs import NAME, Job, Jobs

State = Literal["starting", "running", "stopping", "stopped", "finished", "failed"]
POINTS = 300  # of a curve
LOG = "train.jsonl"
PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}  # all readers of OpenAPI know this
Point = Annotated[tuple[float, float], WithJsonSchema(PAIR)]
JUST_NOW = 60.0  # seconds: a log that was written since then is being written, by whoever it is
INTERRUPTED = "ganvas: interrupted"  # the last line of one that was asked to stop while it was still starting
TELLING = ("warning:", "collapse:", "rolled back", "stopped", "resuming", "ganvas:")


class NoRun(InputError):
    """No run of that name."""


class RunShown(BaseModel):
    """A run as it is now."""

    id: str
    state: State
    preset: str | None = None
    data: str | None = None
    images_seen: int = 0
    images: int | None = Field(default=None, description="in all")
    seconds: float | None = Field(default=None, description="of training so far")
    seconds_left: float | None = None
    images_per_second: float | None = None
    best: str | None = None
    sentences: list[str] = Field(default=[], description="what the watch over the run said, the newest last")
    model: bool = Field(default=False, description="whether there are weights to sample")
    mine: bool = Field(default=False, description="whether this server can stop it")


class RunWhole(RunShown):
    """A run with its curves and pictures."""

    curves: dict[str, list[Point]] = Field(default={}, description="name -> (images seen, value)")
    samples: list[int] = Field(default=[], description="images seen at each picture")
    film: bool = False
    log: list[str] = []


class Runs:
    """The runs of a folder, by name."""

    def __init__(self, folder: Path, jobs: Jobs) -> None:
        self.folder, self.jobs = folder, jobs

    def names(self) -> list[str]:
        """Those that train or have trained here, the newest first."""
        inside = self.folder.iterdir() if self.folder.is_dir() else ()
        found = {p.name: p.stat().st_mtime for p in inside if NAME.fullmatch(p.name) and (p / LOG).is_file()}
        for job in self.jobs.all():
            if job.kind == "train":
                found.setdefault(job.about["run"], job.started)
        return sorted(found, key=lambda name: -found[name])

    def job(self, name: str) -> Job | None:
        """The job that trains this run, if this folder's server started it."""
        try:
            return self.jobs.find(f"train-{name}")
        except InputError:
            return None

    def show(self, name: str, whole: bool = False) -> RunShown:
        """The run as it is now.  Raises NoRun."""
        if name not in self.names():
            raise NoRun(f"no run {name[:80]!r}; GET /api/runs lists them")
        folder, job = self.folder / name, self.job(name)
        facts: dict[str, Any] = {"id": name, "mine": job is not None}
        lines = list(logged(folder / LOG))
        facts |= progress(lines)
        try:
            description = model_folder.read(folder)
            facts |= {"preset": description.preset, "data": description.data.get("name")}
            facts["images"] = description.config.get("images") or model_folder.config_of(description).images
            facts["model"] = (folder / model_folder.WEIGHTS).is_file()
        except InputError:
            facts |= {key: value for key, value in (job.about if job else {}).items() if key in ("preset", "data")}
        if facts.get("model"):
            facts["best"] = best(folder)
        said = self.jobs.lines(f"train-{name}")
        facts["sentences"] = [line for line in said if any(word in line for word in TELLING)][-12:]
        facts["state"] = self.state(folder, job, facts, said)
        if facts.get("images") and facts.get("images_per_second") and facts["state"] == "running":
            facts["seconds_left"] = max(0, facts["images"] - facts["images_seen"]) / facts["images_per_second"]
        if not whole:
            return RunShown(**facts)
        return RunWhole(
            **facts,
            curves=curves(lines),
            samples=[int(p.stem) for p in self.pictures(name)],
            film=(folder / "film.gif").is_file(),
            log=said[-40:],
        )

    def state(self, folder: Path, job: Job | None, facts: dict[str, Any], said: list[str]) -> State:
        """What the run does."""
        if job is not None and self.jobs.runs(job):
            if self.jobs.stopping(job):
                return "stopping"
            return "running" if facts["images_seen"] else "starting"
        if facts.get("images") and facts["images_seen"] >= facts["images"]:
            return "finished"
        if job is None:
            return "running" if time.time() - (folder / LOG).stat().st_mtime < JUST_NOW else "stopped"
        wrong = bool(said) and said[-1].startswith("ganvas:") and said[-1] != INTERRUPTED
        return "failed" if wrong or not facts.get("model") else "stopped"

    def pictures(self, name: str) -> list[Path]:
        """The run's pictures in the order of training."""
        return sorted((self.folder / name / "samples").glob("[0-9]*.png"))


def logged(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's log that are whole."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:  # the last one, being written
            continue
        if isinstance(value, dict) and isinstance(value.get("images"), int):
            yield value


def progress(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """How far a run is and how fast it goes: over the last ten lines of its log that lie in one sitting."""
    timed = [(line["images"], float(line["seconds"])) for line in lines if isinstance(line.get("seconds"), int | float)]
    if not timed:
        return {"images_seen": lines[-1]["images"] if lines else 0}
    (a, start), (b, end) = timed[max(0, len(timed) - 10)], timed[-1]
    if len(timed) == 1:
        a, start = 0, 0.0
    speed = (b - a) / (end - start) if end > start else None
    return {"images_seen": b, "seconds": end, "images_per_second": speed}


def curves(lines: list[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """A curve for each logged number, thinned."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        for key, value in line.items():
            if key not in ("images", "iteration", "seconds") and isinstance(value, int | float):
                found.setdefault(key, []).append((line["images"], value))
    return {key: points[:: len(points) // POINTS + 1] for key, points in found.items()}


def best(folder: Path) -> str | None:
    """The best score so far, as the header of the weights has it."""
    try:
        said = model_folder.read_facts(folder).get("best")
    except Exception:  # being written anew
        return None
    return said if said != "none" else None
