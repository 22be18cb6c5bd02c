"""Presets: tables of settings, the papers' own (papers/presets/*.toml) and a person's, which has the same form.

A paper's file lies in presets/ beside its module; in it a table names a preset.  `base` names one or more tables whose
values it starts from, `about, source, data, classes, published` say what it is, everything else is a field of the
paper's Config.
"""

from __future__ import annotations

import difflib
import inspect
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ganvas.errors import InputError
from ganvas.files import kind_of, reason_of
from ganvas.papers import PAPERS

WORDS = ("about", "source", "data", "published")  # what a table says of itself
SEVERAL = 64  # pixels that pictures of several sizes are taken for


@dataclass(frozen=True)
class Preset:
    """A row: what differs from the Config's defaults, and where it is from."""

    name: str
    paper: str
    values: dict[str, Any]
    about: str = ""  # one line: which network, which script or section
    source: str = ""  # where the values are from
    data: str = ""  # the data set it is meant for
    classes: int = 0  # of that data set, for counting parameters; a run takes the number from its own data
    published: str = "none reported"  # the score behind the row, with its protocol


@cache
def presets() -> dict[str, Preset]:
    """Every preset of every paper, in the order of their files."""
    found: dict[str, Preset] = {}
    for paper in PAPERS:
        table = _shipped(paper)
        for name in table:
            if name not in ("fits", "small") and not name.startswith("_"):
                found[name] = _resolved(name, paper, table)
    return found


def families() -> dict[str, dict[str, str]]:
    """Bare name -> (largest size in pixels, "points" or "any" -> preset)."""
    return {name: sizes for paper in PAPERS for name, sizes in _shipped(paper).get("fits", {}).items()}


def small(name: str, resolution: int, points: bool) -> str:
    """The preset that a bare name means where time is short, for data of this size; any other name stays."""
    sizes = {n: row for paper in PAPERS for n, row in _shipped(paper).get("small", {}).items()}.get(name)
    return fitting(name, resolution, points) if sizes is None else _chosen(name, sizes, resolution, points)


def preset(name: str) -> Preset:
    """The preset of that name, or that a .toml file holds.  Raises InputError."""
    if name.endswith(".toml"):
        return read_preset(Path(name).expanduser())
    if name in presets():
        return presets()[name]
    near = difflib.get_close_matches(name, presets(), n=4, cutoff=0.3)
    meant = f"; did you mean {', '.join(near)}" if near else ""
    bare = ", ".join(families())
    raise InputError(f"unknown preset {name!r}{meant}; `ganvas papers` lists all, a bare name is one of {bare}")


def fitting(name: str, resolution: int, points: bool) -> str:
    """The preset that a bare name means for data of this size (0: several sizes); any other name stays."""
    return _chosen(name, families()[name], resolution, points) if name in families() else name


def _chosen(name: str, sizes: dict[str, str], resolution: int, points: bool) -> str:
    if points:
        if "points" not in sizes:
            raise InputError(f"{name} has no networks for points; give it images, or use wgan-gp")
        return sizes["points"]
    size = resolution or SEVERAL
    return next(row for most, row in sizes.items() if most != "points" and (most == "any" or size <= int(most)))


def read_preset(path: Path) -> Preset:
    """A person's preset: a file whose `base` is a preset of ours, with the fields that differ.  Raises InputError."""
    try:
        if kind_of(path) is None:
            raise InputError(f"{path} is missing; give a preset's name, or a file that holds base and fields")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as TOML ({reason_of(error)})") from None
    nested = next((key for key, value in table.items() if isinstance(value, dict)), None)
    if nested is not None:
        raise InputError(f"{path}: [{nested}] given, expected plain lines as base = 'biggan-cifar10' and G_lr = 1e-4")
    base = table.get("base")
    if not isinstance(base, str):
        raise InputError(f"{path}: base={base!r} given, expected the preset that it starts from, as 'biggan-cifar10'")
    if base not in presets():
        near = difflib.get_close_matches(base, presets(), n=3, cutoff=0.3)
        raise InputError(f"{path}: base {base!r} is not a preset; near it are {', '.join(near) or 'none'}")
    start = presets()[base]
    wrong = next((word for word in WORDS if not isinstance(table.get(word, ""), str)), None)
    if wrong or not isinstance(table.get("classes", 0), int):
        raise InputError(f"{path}: {wrong or 'classes'}={table[wrong or 'classes']!r} given, expected words or a count")
    values = {key: _plain(value) for key, value in table.items() if key not in (*WORDS, "base", "classes")}
    said = {word: table.get(word, getattr(start, word)) for word in (*WORDS, "classes")}
    return Preset(path.stem, start.paper, {**start.values, **values}, **{**said, "published": "none reported"})


def own_fields(path: Path) -> set[str]:
    """The fields that a person's file gives itself: they must count."""
    return set(tomllib.loads(path.read_text(encoding="utf-8"))) - {*WORDS, "base", "classes"}


@cache
def _shipped(paper: str) -> dict[str, Any]:
    """A paper's file, beside its module and not at a fixed place: a paper may come from outside the package."""
    folder = Path(inspect.getfile(PAPERS[paper])).parent / "presets"
    return tomllib.loads((folder / f"{paper}.toml").read_text(encoding="utf-8"))


def _resolved(name: str, paper: str, table: dict[str, Any]) -> Preset:
    merged = _merged(name, table)
    words = {word: merged.pop(word) for word in (*WORDS, "classes") if word in merged}
    return Preset(name, paper, merged, **words)


def _merged(name: str, table: dict[str, Any]) -> dict[str, Any]:
    row = dict(table[name])
    bases = row.pop("base", [])
    values: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        inherited = _merged(base, table)
        if not base.startswith("_"):  # a score belongs to the row that it was published for
            inherited.pop("published", None)
        values |= inherited
    return values | {key: _plain(value) for key, value in row.items()}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
