"""Recipes: a paper, a preset and the Config that they and the data give.  Nothing here trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganvas import data as datasets
from ganvas import rng
from ganvas.config import Config, configure
from ganvas.data import Kind
from ganvas.devices import without_memory
from ganvas.errors import InputError
from ganvas.features.dims import dim_of
from ganvas.gan import GAN
from ganvas.papers import PAPERS
from ganvas.presets import Preset, families, fitting, own_fields, preset, presets


@dataclass(frozen=True)
class Recipe:
    """A paper, a preset and the Config that they and the data give."""

    paper: str
    preset: str
    config: Config

    def build(self, seed: int) -> GAN:
        """The GAN with weights initialised from the seed; the global random state stays as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return PAPERS[self.paper](self.config)

    def on_meta(self) -> GAN:
        """The GAN without memory: for counting."""
        with without_memory():
            return PAPERS[self.paper](self.config)


def papers() -> list[dict[str, Any]]:
    """A row per preset: paper, resolution, exact parameter counts, data, source, published score."""
    rows = []
    for name, row in presets().items():
        gan = Recipe(row.paper, name, as_meant(row)).on_meta()
        c = gan.config
        rows.append({
            "preset": name, "paper": row.paper, "title": gan.title, "resolution": c.resolution,
            "channels": c.channels, "num_classes": c.num_classes, "batch": c.batch, "images": c.images,
            "parameters": gan.parameter_counts(), "about": row.about, "source": row.source, "data": row.data,
            "published": row.published,
        })  # fmt: skip
    return rows


def as_meant(row: Preset) -> Config:
    """The preset's Config with the classes of the data it is meant for."""
    kind = PAPERS[row.paper].config_type
    conditional = row.values.get("conditional", kind.model_fields["conditional"].default)
    values = {"num_classes": row.classes if conditional else 0, **row.values, **length_of_features(row.values, kind)}
    return configure(kind, values, given=())


def length_of_features(values: dict[str, Any], kind: type[Config]) -> dict[str, int]:
    """`dim_h` of a paper that is conditioned on features, where the network's name alone says it."""
    if "dim_h" not in kind.model_fields:
        return {}
    length = dim_of(str(values.get("features", kind.model_fields["features"].default)))
    return {} if length is None else {"dim_h": length}


def default_data(name: str) -> str:
    """What `train` uses where no data are given: what the preset is for if we have it; else made pairs for a paper of
    pairs, a toy for a toy preset, the digits.
    """
    row = presets().get(fitting(name, 0, False))
    if row and row.data in (*datasets.EMBEDDED, *datasets.MADE):
        return row.data
    if row and PAPERS[row.paper].reads == "pairs":
        return "photo-edges"
    return "ring8" if row and row.values.get("resolution") == 0 else "digits"


def recipe(
    name: str, kind: Kind, resolution: int | tuple[int, int] | None = None, overrides: dict[str, Any] | None = None
) -> Recipe:
    """The recipe of a preset, a preset's file, or the preset of a paper that fits the data, for data of this kind.

    resolution: pixels per side, or (height, width).  Channels and classes come from the data, and the length of the
    run where a paper counts in epochs, unless they are overridden.  Raises InputError.
    """
    points = kind.kind == "toy"
    overrides = dict(overrides or {})
    if isinstance(asked := overrides.get("resolution"), int):
        resolution = asked
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    row = preset(fitting(name, size[0] if size else max(kind.native or (0,)), points))
    config_type = PAPERS[row.paper].config_type
    values: dict[str, Any] = {**row.values, "channels": kind.channels, **kind.values}
    if points and size:
        raise InputError(f"{kind.name} holds points, which have no resolution; leave it out")
    if points:
        values["resolution"] = 0
    elif values.get("resolution") == 0:
        raise InputError(f"{row.name} learns points, {kind.name} holds images; pass --data ring8, or another preset")
    elif size:
        values |= sides(size, row.name, config_type)
    values |= overrides
    given = set(overrides) | (own_fields(Path(name).expanduser()) if name.endswith(".toml") else set())
    if "dim_h" not in given:
        values |= length_of_features(values, config_type)
    if "epochs" in config_type.model_fields and "images" not in given:
        values["images"] = kind.count * values.get("epochs", config_type.model_fields["epochs"].default)
    conditional = values.get("conditional", config_type.model_fields["conditional"].default)
    values.setdefault("num_classes", kind.num_classes if conditional else 0)
    made = Recipe(row.paper, row.name, configure(config_type, values, given))
    return adapted(made) if name in families() and "dim_z" not in given else made


def adapted(recipe: Recipe) -> Recipe:
    """What a bare name picked, with the next smaller dim_z that its networks can cut into equal parts at this size."""
    try:
        recipe.on_meta()
        return recipe
    except InputError as error:
        if "dim_z" not in str(error):
            return recipe
    values = recipe.config.counting()
    for dim_z in range(values["dim_z"] - 1, max(values["dim_z"] - 16, 0), -1):
        smaller = Recipe(recipe.paper, recipe.preset, configure(type(recipe.config), {**values, "dim_z": dim_z}, ()))
        try:
            smaller.on_meta()
            return smaller
        except InputError:
            continue
    return recipe


def sides(size: tuple[int, int], name: str, config_type: type[Config]) -> dict[str, int]:
    """(height, width) as fields of a Config; raises InputError where a paper knows square images alone."""
    height, width = size
    if height == width:
        return {"resolution": height}
    if "width" not in config_type.model_fields:
        raise InputError(f"{name} makes square images, {width}x{height} pixels asked for; give one number")
    return {"resolution": height, "width": width}


def peek(name: str, data: str, classes: bool = True) -> Kind:
    """What lies behind DATA, as the paper of this preset would read it.  classes: are folders classes?"""
    paper = preset(fitting(name, 0, False)).paper if not name.endswith(".toml") else preset(name).paper
    reads = PAPERS[paper].reads
    if classes:
        return datasets.READERS[reads].peek(data)
    if reads != "images":
        raise InputError(f"--no-classes given, but {name} reads {reads}, whose folders are no classes; leave it out")
    return datasets.peek(data, classes=False)


def rehearse(recipe: Recipe) -> None:
    """Every loss once, without memory: settings that no network can have, or whose networks do not fit together,
    end here in one line instead of in the first iteration.  Raises InputError.
    """
    c = recipe.config
    n = min(4, c.batch // c.accumulate)
    try:
        gan = recipe.on_meta()
        real = gan.blank(n, torch.device("meta"))
        for phase in gan.phases():
            phase.loss(real, (phase.draw or gan.draw)(real, rng.generator("rehearsal")))
    except (InputError, NotImplementedError):  # the latter: an operation that needs memory, which says nothing
        raise
    except (RuntimeError, ValueError, IndexError, ZeroDivisionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{recipe.preset} has no networks that fit these settings ({reason}); check --set") from error
