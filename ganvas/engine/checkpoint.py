"""Training state on disk: everything that going on exactly needs, in safetensors and JSON, whole or absent.

What needs no saving: the random state and the position in the data, both functions of the seed and the counters below.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ganvas.engine import optim
from ganvas.engine.ema import Average
from ganvas.engine.step import Half
from ganvas.errors import InputError
from ganvas.files import one_line, read_json, save_tensors, sync, write_json
from ganvas.gan import GAN
from ganvas.team import Team

KEEP = 2  # newest checkpoints that stay
# 1, without a number: before training had a memory; 2: after whole iterations only.  Both are still read.
FORMAT = 3


@dataclass
class State:
    """What changes while training."""

    gan: GAN
    optimisers: dict[str, torch.optim.Optimizer]
    average: Average | None
    seconds: float = 0.0  # training time so far, over all sittings
    best: dict[str, float] | None = None  # score and images_seen of the best sample so far
    diversity: float = 0.0  # the most that a look at the run's health has seen
    rollbacks: int = 0  # after each, the draws are others
    half: Half | None = None  # what is done of the iteration at hand, if it was left in its middle

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by a flat name, on the CPU."""
        parts: dict[str, dict[str, Tensor]] = {"gan": self.gan.state_dict()}
        if self.average is not None:
            parts["ema"] = self.average.players.state_dict()
        if self.half is not None:
            parts["handed"] = self.gan.handed()
        for player, optimiser in self.optimisers.items():
            parts[f"optim.{player}"] = optim.flat_state(optimiser)
        return {f"{part}/{k}": v.detach().cpu().contiguous() for part, d in parts.items() for k, v in d.items()}

    def counters(self) -> dict[str, Any]:
        """Everything that is no tensor, JSON-able."""
        return {
            "iteration": self.gan.iteration,
            "images_seen": self.gan.images_seen,
            "seconds": self.seconds,
            "best": self.best,
            "diversity": self.diversity,
            "rollbacks": self.rollbacks,
            "half": asdict(self.half) if self.half is not None else None,
        }

    def load(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """The reverse of `tensors`.  Values are copied, so that memory layout is that of a fresh start."""
        parts: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            part, key = name.split("/", 1)
            parts.setdefault(part, {})[key] = value.clone()
        self.gan.load_state_dict(parts["gan"])
        if self.average is not None:
            self.average.players.load_state_dict(parts["ema"])
        for player, optimiser in self.optimisers.items():
            optim.load_flat_state(optimiser, parts.get(f"optim.{player}", {}))
        self.gan.iteration, self.gan.images_seen = counters["iteration"], counters["images_seen"]
        self.seconds, self.best = counters["seconds"], counters["best"]
        self.diversity, self.rollbacks = counters["diversity"], counters["rollbacks"]
        self.half = Half(**counters["half"]) if counters.get("half") else None
        self.gan.hand(parts.get("handed", {}))

    def share(self, team: Team) -> None:
        """The first process's state in all of them, the average in the first alone."""
        if not team.first:
            self.average = None
        if team.size > 1:
            tensors, counters = team.sent(self.tensors), team.told(self.counters)
            if not team.first:
                self.load(tensors, counters)


def save(state: State, folder: Path) -> Path:
    """Writes folder/<images_seen>/ and drops all but the newest two.  -> its path"""
    path = folder / f"{state.gan.images_seen:012d}"
    temporary = folder / f".{path.name}.{os.getpid()}.tmp"
    with one_line(path):
        try:
            temporary.mkdir(parents=True, exist_ok=True)
            save_tensors(state.tensors(), temporary / "state.safetensors")
            sync(temporary / "state.safetensors")
            counters = {
                "format": FORMAT,
                **state.counters(),
                "sha256": _sha256(temporary / "state.safetensors"),
            }
            write_json(temporary / "state.json", {**counters, "check": _digest(counters)})
            if path.exists():
                shutil.rmtree(path)
            os.replace(temporary, path)
            sync(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    _drop_old(folder)
    return path


def restore(state: State, folder: Path) -> tuple[Path, list[str]]:
    """Loads the newest whole checkpoint of `folder` into `state`.  -> its path, what was wrong with newer ones

    Raises InputError where none is whole.
    """
    problems: list[str] = []
    for path in reversed(checkpoints(folder)):
        try:
            state.load(*read(path))
            return path, problems
        except (InputError, OSError, SafetensorError, KeyError, TypeError, RuntimeError, ValueError) as error:
            problems.append(f"{path.name}: {' '.join(str(error).split())}")
    found = "; ".join(problems) if problems else "there is none"
    raise InputError(f"no whole checkpoint in {folder} to resume from ({found}); start the run anew")


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and counters of one checkpoint, checked; raises InputError, OSError and the like if it is damaged."""
    counters = read_json(path / "state.json")
    if counters.pop("check", None) != _digest(counters):
        raise InputError("state.json is damaged")
    if counters.get("format", 1) > FORMAT:
        raise InputError(
            f"it has format {counters['format']}, this ganvas reads up to {FORMAT}; install a newer ganvas"
        )
    if counters["sha256"] != _sha256(path / "state.safetensors"):
        raise InputError("state.safetensors is damaged")
    return load_file(path / "state.safetensors"), counters


def checkpoints(folder: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    return sorted(p for p in folder.glob("[0-9]*") if p.is_dir()) if folder.is_dir() else []


def _drop_old(folder: Path) -> None:
    for path in checkpoints(folder)[:-KEEP]:
        shutil.rmtree(path, ignore_errors=True)
    for stray in folder.glob(".*.tmp"):  # left by a kill
        shutil.rmtree(stray, ignore_errors=True)


def _digest(counters: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(counters, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
