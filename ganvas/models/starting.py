"""Going on from a model: which settings its networks ask for, and its weights in a GAN of other classes.

Paper-agnostic: a field belongs to the networks if the paper reads it while it builds them, and a tensor belongs to the
classes if its shape changes with their number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import Tensor

from ganvas.config import LIMITED, Config
from ganvas.devices import without_memory
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.models import folder as model_folder
from ganvas.papers import PAPERS
from ganvas.presets import fitting, preset

SHAPES = ("resolution", "channels")  # read through `Config.shape`
NEVER = (*LIMITED, "num_classes", "conditional", "G_only", "statistics")


class Watched:
    """A Config that remembers which of its fields were read."""

    def __init__(self, config: Config) -> None:
        self.config, self.read = config, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.config, name)


def network_fields(paper: str, config: Config) -> dict[str, Any]:
    """The fields that decide what networks the paper builds, with this Config's values."""
    watched = Watched(config)
    with without_memory():
        PAPERS[paper](cast(Config, watched))
    counting = config.counting()
    return {k: counting[k] for k in sorted({*watched.read, *SHAPES} - {*NEVER}) if k in counting}


def overrides_of(model: Path, name: str, given: dict[str, Any], num_classes: int) -> dict[str, Any]:
    """What a recipe must take over from the model so that its weights fit; what was given stays.  Raises InputError."""
    description = model_folder.read(model)
    paper = preset(name if name.endswith(".toml") else fitting(name, 0, False)).paper
    if paper != description.paper:
        raise InputError(f"--from {model} is a model of {description.paper}, {name} is of {paper}; take one of its own")
    config = model_folder.config_of(description)
    if config.num_classes and not num_classes:
        raise InputError(f"--from {model} has {config.num_classes} classes, the data have none; give a folder a class")
    wanted = network_fields(paper, config)
    unlike = [f"{k}={given[k]} (the model has {wanted[k]})" for k in given if k in wanted and given[k] != wanted[k]]
    if unlike:
        raise InputError(f"--from {model} has other networks than {', '.join(unlike)}; leave these out")
    return {**wanted, "conditional": bool(config.num_classes), **given}


def take(gan: GAN, model: Path, class_names: list[str]) -> list[str]:
    """Copies the model's weights into the GAN, rows of classes by name.  -> what was taken and what is new, in lines

    Same names, or as many classes where one side has no names: the rows as they are.  Raises InputError.
    """
    description = model_folder.read(model)
    weights = model_folder.read_weights(model)
    rows = rows_by_name(description.class_names, class_names, gan.config.num_classes, description.config)
    sized, own = by_class(gan), gan.model_state()
    taken, new = 0, []
    for name, value in own.items():
        old = weights.get(name)
        if old is None:
            new.append(name)
        elif name in sized:
            copy_rows(value, old, sized[name], rows, gan.config.num_classes)
            taken += 1
        elif old.shape != value.shape:
            raise InputError(
                f"--from {model}: {name} is {list(old.shape)} there and {list(value.shape)} here; "
                "its networks are others, leave out what changes them"
            )
        else:
            value.copy_(old)
            taken += 1
    lines = [f"from {model}: {taken} of {len(own)} tensors taken" + (f", new: {summary(new)}" if new else "")]
    if gan.config.num_classes:
        fresh = [class_names[i] if class_names else str(i) for i in range(gan.config.num_classes) if i not in rows]
        lines.append(f"classes: {len(rows)} taken" + (f", {len(fresh)} new ({', '.join(fresh[:8])})" if fresh else ""))
    return lines


def summary(names: list[str]) -> str:
    """D (41 tensors)"""
    players = {name.split(".")[0] for name in names}
    return ", ".join(f"{p} ({sum(n.startswith(p + '.') for n in names)} tensors)" for p in sorted(players))


def rows_by_name(old: list[str], new: list[str], number: int, config: dict[str, Any]) -> dict[int, int]:
    """Our class -> the model's."""
    if old and new and old != new:
        return {i: old.index(name) for i, name in enumerate(new) if name in old}
    before = int(config.get("num_classes") or 0)
    return {i: i for i in range(number)} if before == number else {}


def by_class(gan: GAN) -> dict[str, int]:
    """Tensors whose shape changes with the number of classes, and along which axis."""
    k = gan.config.num_classes
    if not k:
        return {}
    with without_memory():
        larger = type(gan)(gan.config.model_copy(update={"num_classes": k + 1})).model_state()
    own = gan.model_state()
    changed = {n: [i for i, (a, b) in enumerate(zip(v.shape, larger[n].shape)) if a != b] for n, v in own.items()}
    return {name: axes[0] for name, axes in changed.items() if axes}


def copy_rows(value: Tensor, old: Tensor, axis: int, rows: dict[int, int], number: int) -> None:
    """The rows of known classes; all others keep their first weights, as do heads that have more than a row a class."""
    if old.shape == value.shape and all(i == j for i, j in rows.items()) and len(rows) == number:
        value.copy_(old)
    elif value.shape[axis] == number:
        for i, j in rows.items():
            if j < old.shape[axis]:
                value.select(axis, i).copy_(old.select(axis, j))
