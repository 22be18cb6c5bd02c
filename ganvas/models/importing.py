"""The authors' checkpoints as model folders: their files in, a folder like any other out.

Here: which preset and Config they become.  Not here: how files are read and keys map (pretrained/).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas import presets
from ganvas.config import configure
from ganvas.data import grid
from ganvas.errors import InputError
from ganvas.files import must_be_writable, whole_folder
from ganvas.gan import GAN
from ganvas.instances import Stored
from ganvas.models import folder as model_folder
from ganvas.models.folder import Description
from ganvas.papers import PAPERS
from ganvas.pretrained import FORMATS
from ganvas.pretrained.foreign import Imported, assumed
from ganvas.recipes import Recipe

State = dict[str, Tensor]


def import_model(
    format: str,
    files: Sequence[Path],
    out: Path,
    preset: str | None = None,
    overrides: dict[str, Any] | None = None,
    class_names: list[str] | None = None,
    licence: str = "",
    told: Sequence[str] = (),
) -> GAN:
    """Reads the files of a foreign format and writes a model folder.  -> the GAN, in evaluation mode

    licence: of the weights, as far as it is known; told: further notes for the card, as where they came from.

    The Config is the preset's (its training fields), then what the files show, then overrides (epsilons, which no
    file holds).  Raises InputError if a file cannot be read safely, is not of the format, or does not fit; then
    nothing is left behind.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}, expected one of {', '.join(FORMATS)}")
    must_be_new(out)
    overrides = dict(overrides or {})
    foreign = FORMATS[format](list(files), overrides)
    recipe = recipe_of(foreign, preset, overrides)
    k = recipe.config.num_classes
    if class_names is not None and len(class_names) != k:
        raise InputError(f"{len(class_names)} class names for {k} classes; give one line for each class")
    gan = recipe.on_meta()
    new = sorted(gan.players().keys() - parts_of(foreign).keys())
    # Where every number comes from the files, initialising would be wasted.
    gan = recipe.build(0) if new else gan.to_empty(device="cpu")
    foreign.notes.extend(f"{name} is not among the files: it is as initialised, seed 0" for name in new)
    foreign.notes.extend(assumed({name: getattr(recipe.config, name) for name in foreign.epsilons}, overrides))
    fill(gan, foreign)
    if gan.reads == "instances":
        gan.stored = stored(foreign)
    gan.class_names = class_names or []
    description = Description(
        paper=recipe.paper,
        preset=recipe.preset,
        config=recipe.config.counting(),
        class_names=gan.class_names,
        preprocessing={"resolution": recipe.config.resolution, "channels": recipe.config.channels},
        data={"name": "as published", "count": "?", "fingerprint": "unknown"},
        notes=[f"imported from {format}: {', '.join(p.name for p in files)}", *told, *foreign.notes],
        licence=licence,
    )
    with whole_folder(out):
        model_folder.write(gan, out, description, {"imported": "True"}, "Weights as published, not trained here")
        grid.save(grid.drawn(gan.sheet(gan.blank(1, gan.device))), out / model_folder.PICTURE)
    return gan.eval()


def must_be_new(out: Path) -> None:
    """Raises InputError where a model folder cannot be made."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} already exists and is not empty; pass another --out")
    must_be_writable(out / model_folder.CONFIG)


def recipe_of(foreign: Imported, preset: str | None, overrides: dict[str, Any]) -> Recipe:
    """The recipe that imported weights are instances of."""
    found = {"G_only": foreign.D is None, "statistics": 0, **foreign.values}
    for key, value in overrides.items():
        if key in found and key not in foreign.told and found[key] != value:
            raise InputError(f"--set {key}={value} given, but the weights show {key}={found[key]}; leave it out")
    row = presets.preset(preset or likeliest(foreign))
    kind = PAPERS[row.paper].config_type
    known = set(kind.model_fields)
    if needed := lacking(foreign, known):
        raise InputError(f"{row.name} has no {', '.join(needed)}, which these weights need; leave --preset out")
    for key in foreign.alike:
        if key in known and (has := row.values.get(key, kind.model_fields[key].default)) != found[key]:
            raise InputError(f"{row.name} has {key}={has}, these weights have {key}={found[key]}; leave --preset out")
    values = {**row.values, **{k: v for k, v in found.items() if k in known}, **overrides}
    return Recipe(row.paper, row.name, configure(kind, values, given=overrides))


def lacking(foreign: Imported, known: set[str]) -> list[str]:
    """What the weights have and a paper's Config cannot say, in order; what such a Config takes for granted is fine."""
    return [k for k, v in foreign.values.items() if k not in known and v != foreign.granted.get(k, 0)]


def likeliest(foreign: Imported) -> str:
    """The first of the suggested presets whose paper's Config can say all that the weights have."""
    for name in foreign.presets:
        row = presets.fitting(name, foreign.values.get("resolution", 0), False)
        if not lacking(foreign, set(PAPERS[presets.preset(row).paper].config_type.model_fields)):
            return row
    raise InputError("no preset has networks like these weights; give one with --preset")


def parts_of(foreign: Imported) -> dict[str, State]:
    """The imported state of each module, by name."""
    return {"G": foreign.G, **({"D": foreign.D} if foreign.D is not None else {}), **foreign.parts}


def stored(foreign: Imported) -> Stored:
    """The instances that came with the weights, or none, and the name of the network that conditions are of."""
    h, y = foreign.instances.get("h"), foreign.instances.get("y")
    none = torch.zeros(0, foreign.values["dim_h"])
    labelled = y is not None and bool(foreign.values["num_classes"])
    return Stored(none if h is None else h, y[:, None] if labelled and y is not None else None, foreign.network)


def fill(gan: GAN, foreign: Imported) -> None:
    """Copies imported weights into the networks; every key must fit."""
    for name, state in parts_of(foreign).items():
        broken = next((key for key, value in state.items() if not value.isfinite().all()), None)
        if broken is not None:
            raise InputError(f"{broken} of {name} is not finite: such weights make no images; take another checkpoint")
        try:
            getattr(gan, name).load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise InputError(
                f"the weights of {name} do not fit {gan.config.resolution} pixels as read ({reason})"
            ) from None


def read_class_names(path: Path) -> list[str]:
    """One name a line."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
