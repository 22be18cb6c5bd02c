"""Models that ship in the package: of each system a trained one, with its scores and what made it.

Here: where they are, what stands beside the weights, how a run becomes one.  Training one anew: `ganvas reproduce`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ganvas.errors import InputError
from ganvas.files import kind_of, read_json, whole_folder, write_json
from ganvas.metrics.protocol import Score, read_scores, write_scores

SHIPPED = Path(__file__).parent / "shipped"
CONFIG, MADE, SCORES = "config.json", "made.json", "scores.json"
LICENCE = "apache-2.0"  # of all weights that ship: ours; NOTICE names whose pictures they learned from


class Made(BaseModel):
    """made.json: what a shipped model was trained with, enough to do it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    data: str
    seed: int
    values: dict[str, Any] = Field(default_factory=dict)  # fields that differ from the preset
    metrics: str = "fid"  # of `scores.json`
    n: int | None = None  # samples in a set; None: as many as the reference has
    sets: int = 3
    seconds: float  # of training
    hardware: str

    @property
    def command(self) -> str:
        """What trains it."""
        sets = " ".join(f"{name}={value}" for name, value in self.values.items())
        return f"ganvas train {self.preset} --data {self.data} --seed {self.seed}" + (f" --set {sets}" if sets else "")


def names() -> list[str]:
    """The models that ship, sorted."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MADE}"))


def find(model: str | Path) -> Path:
    """The folder of a model that is given by its folder, by the name of one that ships, or as "user/name" of the hub.

    A folder comes first.  Raises InputError where the hub has none or cannot be reached.
    """
    path, name = Path(model).expanduser(), str(model)
    if kind_of(path):
        return path
    if name in names():
        return SHIPPED / name
    from ganvas.models import hub

    return hub.fetch(name) if hub.is_name(name) else path


def shipped(name: str) -> Path:
    """The folder of a model that ships.  Raises InputError for another name."""
    if name not in names():
        raise InputError(f"{name!r} is not a model that ships; there are {', '.join(names())}")
    return SHIPPED / name


def made(folder: Path) -> Made:
    """What a shipped model was made with.  Raises InputError where that is damaged."""
    try:
        return Made(**read_json(folder / MADE))
    except (ValidationError, TypeError):
        raise InputError(f"{folder / MADE} is damaged; install ganvas anew") from None


def scores(folder: Path) -> list[Score]:
    """The scores of a shipped model, with protocol."""
    return read_scores(folder / SCORES)[1]


def keep_scores(folder: Path, found: list[Score]) -> None:
    """The scores of a shipped model, as it ships: in half precision.  They stand on its card too."""
    write_scores(folder / SCORES, folder.name, found)
    write_card(folder, found)


def write_card(folder: Path, found: list[Score]) -> None:
    """The card of a shipped model anew."""
    import torch

    from ganvas.models import folder as model_folder
    from ganvas.models import hub

    gan, facts = model_folder.load(folder, torch.device("cpu")), model_folder.read_facts(folder)
    model_folder.write_card(gan, folder, model_folder.read(folder), hub.standing(facts), found, folder.name)


def rows() -> list[dict[str, Any]]:
    """A row for each model that ships: name, paper, what it makes, bytes, scores, the command that made it.

    Read from the files alone: a list of models is no reason to load torch.
    """
    found = []
    for name in names():
        folder = SHIPPED / name
        description, how = read_json(folder / CONFIG), made(folder)
        found.append(
            {
                "name": name,
                "paper": description["paper"],
                "shape": shape_of(description["config"]),
                "classes": description["class_names"],
                "data": how.data,
                "size_bytes": sum(path.stat().st_size for path in folder.iterdir()),
                "scores": {score.name: score.value for score in scores(folder)},
                "command": how.command,
                "folder": str(folder),
            }
        )
    return found


def shape_of(config: dict[str, Any]) -> list[int]:
    """Of one sample, from the fields of a Config: [C, H, W], or [D] of points."""
    channels, height = int(config["channels"]), int(config["resolution"])
    return [channels, height, int(config.get("width") or height)] if height else [channels]


def pack(run: Path, folder: Path, how: Made) -> None:
    """A run's model as one that ships: weights in half precision, card, picture, what made it.  Not yet its scores.

    folder: new.  Raises InputError where the run has no model.
    """
    from ganvas.models import folder as model_folder

    model_folder.read(run)
    with whole_folder(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(run.iterdir()):
            if path.is_file() and path.name not in ("train.jsonl", "film.gif"):
                shutil.copyfile(path, folder / path.name)
        weights = model_folder.halved(model_folder.read_weights(run))
        model_folder.write_weights(folder, weights, model_folder.read_facts(run))
        model_folder.write_description(folder, model_folder.read(run).model_copy(update={"licence": LICENCE}))
        write_json(folder / MADE, how.model_dump())
