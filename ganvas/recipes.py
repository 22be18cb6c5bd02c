"""Presets and recipes: a paper, a preset and the Config that they and the data give.  Nothing here trains."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import torch

from ganvas import latents
from ganvas.data import Kind
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Config, Preset, configure
from ganvas.papers import PAPERS


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
        with torch.device("meta"):
            return PAPERS[self.paper](self.config)


def presets() -> dict[str, tuple[str, Preset]]:
    """Every preset by name, with the paper it belongs to."""
    return {name: (paper, preset) for paper, kind in PAPERS.items() for name, preset in kind.PRESETS.items()}


def parameter_counts(gan: GAN) -> dict[str, int]:
    """Learned numbers of each player."""
    return {name: sum(p.numel() for p in player.parameters()) for name, player in gan.players().items()}


def papers() -> list[dict[str, Any]]:
    """A row per preset: paper, resolution, exact parameter counts, data, published score."""
    rows = []
    for name, (paper, preset) in presets().items():
        recipe = Recipe(paper, name, configure(PAPERS[paper].config_type, _with_classes(paper, preset)))
        counts = parameter_counts(recipe.on_meta())
        c = recipe.config
        row = {"preset": name, "paper": paper, "title": PAPERS[paper].title, "resolution": c.resolution}
        row |= {"channels": c.channels, "num_classes": c.num_classes, "batch": c.batch, "images": c.images}
        row |= {"parameters": counts, "about": preset.about, "data": preset.data, "published": preset.published}
        rows.append(row)
    return rows


def _with_classes(paper: str, preset: Preset) -> dict[str, Any]:
    """The preset's values with the classes of the data it is meant for."""
    conditional = preset.values.get("conditional", PAPERS[paper].config_type.model_fields["conditional"].default)
    return {"num_classes": preset.num_classes if conditional else 0, **preset.values}


def default_data(name: str) -> str:
    """What `train` uses where no data are given: the toys for a toy preset, the digits for everything else."""
    preset = presets().get(name)
    return "ring8" if preset and preset[1].values.get("resolution") == 0 else "digits"


def recipe(name: str, kind: Kind, resolution: int | None = None, overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe of a preset, or of the preset of a paper that fits the data, for data of this kind.

    Resolution, channels and classes come from the data unless they are overridden.  Raises InputError.
    """
    table = presets()
    is_toy = kind.kind == "toy"
    native = max(kind.native) if kind.native else 0
    overrides = dict(overrides or {})
    if isinstance(asked := overrides.get("resolution"), int):
        resolution = asked
    if name not in table:
        name = _pick(name, resolution or native, is_toy)
    paper, preset = table[name]
    values: dict[str, Any] = dict(preset.values)
    values["channels"] = kind.channels
    if is_toy:
        values["resolution"] = 0
    elif values.get("resolution") == 0:
        raise InputError(
            f"{name} learns points in the plane, {kind.name} holds images; pass --data ring8, or another preset"
        )
    elif resolution:
        values["resolution"] = resolution
    if is_toy and resolution:
        raise InputError(f"{kind.name} holds points in the plane, which have no resolution; leave it out")
    values |= overrides
    conditional = values.get("conditional", PAPERS[paper].config_type.model_fields["conditional"].default)
    values.setdefault("num_classes", kind.num_classes if conditional else 0)
    return Recipe(paper, name, configure(PAPERS[paper].config_type, values))


def rehearse(recipe: Recipe) -> None:
    """Every loss once, without memory: settings that no network can have, or whose networks do not fit together,
    end here in one line instead of in the first iteration.  Raises InputError.
    """
    c = recipe.config
    n = min(4, c.batch // c.accumulate)
    try:
        gan = recipe.on_meta()
        x = torch.empty((n, c.channels, c.resolution, c.resolution) if c.resolution else (n, c.channels), device="meta")
        real = Batch(x, torch.zeros(n, dtype=torch.int64, device="meta") if c.num_classes else None)
        for phase in gan.phases():
            phase.loss(real, gan.draw(real, latents.generator("rehearsal")))
    except (InputError, NotImplementedError):  # the latter: an operation that needs memory, which says nothing
        raise
    except (RuntimeError, ValueError, IndexError, ZeroDivisionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{recipe.preset} has no networks that fit these settings ({reason}); check --set") from error


def _pick(name: str, resolution: int, is_toy: bool) -> str:
    for kind in PAPERS.values():
        if name in kind.FAMILIES:
            return kind.FAMILIES[name](resolution, is_toy)
    families = ", ".join(family for kind in PAPERS.values() for family in kind.FAMILIES)
    near = difflib.get_close_matches(name, presets(), n=4, cutoff=0.3)
    meant = f"; did you mean {', '.join(near)}" if near else ""
    raise InputError(f"unknown preset {name!r}{meant}; `ganvas papers` lists all, a bare name is one of {families}")
