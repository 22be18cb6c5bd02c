"""The models at hand: folders that were named or are runs, by id; loaded when asked for, a few at a time.

A request names a model by its id and never by a path: ids are the keys of a table that is made from the folders.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ganvas.config import Config
from ganvas.devices import without_memory
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.metrics.protocol import Score
from ganvas.models import folder as model_folder
from ganvas.models import hub, zoo
from ganvas.models.folder import Description
from ganvas.papers import PAPERS

PASS_PIXELS = 2**20  # of one pass through a generator
MOST_ROWS = 64


class Unknown(InputError):
    """No model of that id."""


@dataclass(frozen=True)
class Entry:
    """One model at hand.  What costs time is worked out when it is first asked for."""

    id: str
    folder: Path
    stamp: tuple[int, int]  # when config.json and the weights were written

    @cached_property
    def description(self) -> Description:
        """config.json."""
        return model_folder.read(self.folder)

    @cached_property
    def config(self) -> Config:
        """The paper's Config."""
        return model_folder.config_of(self.description)

    @cached_property
    def blank(self) -> GAN:
        """The GAN without memory: what it can do and how large it is."""
        with without_memory():
            gan = PAPERS[self.description.paper](self.config)
        return gan.eval()

    @property
    def seeds_suffice(self) -> bool:
        """Whether a seed makes an image."""
        return PAPERS[self.description.paper].seeds_suffice

    @property
    def makes_points(self) -> bool:
        """Whether it makes points, not images."""
        return len(self.config.shape) == 1

    @property
    def takes_likes(self) -> bool:
        """Whether a picture can say what samples should be like."""
        return PAPERS[self.description.paper].reads == "instances" and bool(self.description.instances)

    @cached_property
    def judges_pixels(self) -> bool:
        """Whether D scores every pixel."""
        batch = self.blank.blank(1, torch.device("meta"))
        return self.blank.pixel_scores(batch.x, batch.given) is not None

    @property
    def classes(self) -> list[str]:
        """Names of the classes, or their numbers."""
        k = self.config.num_classes
        names = self.description.class_names
        return names if len(names) == k else [str(i) for i in range(k)]

    def class_index(self, given: str) -> int:
        """The index of a class by its name or number.  Raises InputError."""
        blank = self.blank
        blank.class_names = self.description.class_names
        if not self.config.num_classes:
            raise InputError(f"class {given!r} given, but {self.id} is unconditional; leave it out")
        return blank.class_index(given)

    @property
    def rows_at_once(self) -> int:
        """Images of one pass: bounded by memory."""
        shape = self.config.shape
        return max(1, min(MOST_ROWS, PASS_PIXELS // max(1, shape[-1] * shape[-2]))) if len(shape) > 1 else 4096

    @property
    def scores(self) -> list[Score]:
        """The scores that lie in the folder, each with its protocol."""
        return model_folder.scores_in(self.folder)

    @property
    def facts(self) -> dict[str, str]:
        """What the header of the weights says: images seen, average or not, best score."""
        try:
            return model_folder.read_facts(self.folder)
        except Exception:  # the file is being written anew, or damaged: loading will say so
            return {}

    @property
    def licence(self) -> str | None:
        """What the folder says of its licence; what ships has ganvas' own."""
        if self.folder.parent == zoo.SHIPPED:
            return "Apache-2.0"
        said = (
            self.description.licence or self.description.data.get("licence") or self.description.training.get("licence")
        )
        return str(said) if said else None

    @property
    def command(self) -> str | None:
        """What made a model that ships."""
        try:
            return zoo.made(self.folder).command if (self.folder / zoo.MADE).is_file() else None
        except InputError:
            return None

    def picture(self) -> Path | None:
        """samples.png, if it is there."""
        path = self.folder / model_folder.PICTURE
        return path if path.is_file() else None


class Shelf:
    """The models by id, in the order of the folders, and those that are loaded."""

    def __init__(self, models: Sequence[Path], runs: Path | None, device: torch.device, loaded: int = 4) -> None:
        self.models, self.runs, self.device, self.most = list(models), runs, device, loaded
        self.lock = threading.Lock()
        self.closed = False  # the server ends: nothing more is worked out
        self.entries: dict[str, Entry] = {}
        self.gans: OrderedDict[tuple[str, tuple[int, int]], GAN] = OrderedDict()
        self.renew()

    def renew(self) -> dict[str, Entry]:
        """Looks at the folders again: runs come and go.  -> id -> model"""
        found: dict[str, Entry] = {}
        with self.lock:
            for folder in self._folders():
                stamp = stamped(folder)
                if stamp is None:
                    continue
                name = unused(named(folder), found)
                old = self.entries.get(name)
                entry = old if old and (old.folder, old.stamp) == (folder, stamp) else Entry(name, folder, stamp)
                try:
                    entry.config  # noqa: B018  a folder that is no model is none of ours
                except InputError:
                    continue
                found[name] = entry
            self.entries = found
        return found

    def _folders(self) -> Iterable[Path]:
        yield from self.models
        if self.runs is not None and self.runs.is_dir():
            taken = {folder.resolve() for folder in self.models}
            inside = (p for p in sorted(self.runs.iterdir()) if p.is_dir() and not p.name.startswith("."))
            yield from (p for p in inside if p.resolve() not in taken)

    def find(self, name: str) -> Entry:
        """The model of this id.  Raises Unknown."""
        entry = self.entries.get(name) or self.renew().get(name)
        if entry is None:
            raise Unknown(f"no model {name[:80]!r}; GET /api/models lists them")
        if stamped(entry.folder) != entry.stamp:  # a run wrote it anew, or it is gone
            entry = self.renew().get(name)
            if entry is None:
                raise Unknown(f"model {name!r} is gone; GET /api/models lists those that are there")
        return entry

    def warm(self) -> None:
        """Works out once what the gallery asks first: the first GAN without memory costs seconds of imports."""
        for entry in list(self.entries.values()):
            if self.closed:
                return
            with contextlib.suppress(InputError):
                entry.judges_pixels  # noqa: B018

    def load(self, entry: Entry) -> GAN:
        """The GAN, from memory or from its folder.  For the batcher's thread alone.  Raises InputError."""
        key = (entry.id, entry.stamp)
        if key not in self.gans:
            for old in [k for k in self.gans if k[0] == entry.id]:
                del self.gans[old]
            while len(self.gans) >= self.most:
                self.gans.popitem(last=False)
            self.gans[key] = model_folder.load(entry.folder, self.device)
        self.gans.move_to_end(key)
        return self.gans[key]


def named(folder: Path) -> str:
    """An id from the folder's name; a run's best/ is called after the run, a model of the hub user-name."""
    whole = folder.resolve()
    name = hub.called(whole) or (f"{whole.parent.name}-best" if whole.name == "best" else whole.name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "model"


def unused(name: str, taken: dict[str, Any]) -> str:
    """The name, or the name with the first number behind it that is free."""
    names = [name, *(f"{name}-{i}" for i in range(2, len(taken) + 3))]
    return next(n for n in names if n not in taken)


def stamped(folder: Path) -> tuple[int, int] | None:
    """When config.json and the weights were written last; None where either is missing."""
    try:
        times = [(folder / name).stat().st_mtime_ns for name in (model_folder.CONFIG, model_folder.WEIGHTS)]
    except OSError:
        return None
    return times[0], times[1]
