"""Where pairs of images lie: the files of either side, by name.  Nothing is decoded here, but a few headers are read.

Three layouts. *folders*: two folders whose files have the same names but for their endings: A B, source target,
trainA trainB testA testB, train/A train/B, A/train B/train, in capitals or not. *side_by_side*: one folder, flat or
with train and test below it; the left half of each file is A, the right half B (pix2pix). *table*: a CSV or TSV of two
columns of paths, relative to the file, and perhaps a third that names the split.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ganvas.data.decode import SUFFIXES, Unreadable, header, quiet_pillow
from ganvas.data.folder import SPLIT_FOLDERS, find_splits, is_under, walk
from ganvas.data.source import open_file, pick_split, stat_identity
from ganvas.errors import InputError
from ganvas.files import kind_of, reason_of

LAYOUTS = ("folders", "side_by_side", "table")
TABLES = (".csv", ".tsv")
SIDES: tuple[tuple[str, str], ...] = (("a", "b"), ("source", "target"))  # the folders of A and of B, in small letters
# Folders that say what is in them: never stepped over.
_MEANT = {split + side for split in ("", *SPLIT_FOLDERS) for side in ("", *sum(SIDES, ()))}
_ORDER = ("train", "val", "test")
_LOOKED_AT = 16  # headers that tell halves from single images

Data = str | Path | tuple[str | Path, str | Path]


@dataclass(frozen=True)
class Side:
    """The files of one domain, in natural order."""

    files: dict[str, Path]  # the name is the path below the folder, without its ending
    identity: list[Any]  # changes when a file does; JSON-able
    repeated: list[str] = field(default_factory=list)  # names that two files bear: the second one, with its ending


@dataclass(frozen=True)
class Found:
    """Both sides of one split."""

    layout: str  # one of LAYOUTS
    name: str  # the base name of the path
    split: str
    splits: list[str]
    a: Side
    b: Side

    @property
    def halves(self) -> bool:
        """Are both sides in the same file?"""
        return self.layout == "side_by_side"

    @property
    def lone(self) -> tuple[list[str], list[str]]:
        """The names that only A, and that only B has."""
        return [name for name in self.a.files if name not in self.b.files], [
            name for name in self.b.files if name not in self.a.files
        ]

    def is_paired(self, asked: bool | None = None) -> bool:
        """Do the names pair the sides?  None: yes if all do, no if none does.  Raises InputError where some do not."""
        if asked is False:
            return False
        lone = [*self.lone[0], *self.lone[1]]
        if not lone:
            return True
        if asked is None and not self.a.files.keys() & self.b.files.keys():
            return False
        where = "A" if self.lone[0] else "B"
        raise InputError(
            f"{self.name}: {len(lone)} images have no partner of the same name, the first is {lone[0]} in {where}; "
            "add or remove them, or say that the data are unpaired: --set paired=false (in Python paired=False)"
        )


def find(data: Data, split: str = "train", layout: str | None = None) -> Found:
    """The files behind DATA: a path, or the two folders.  layout: None, by what lies there."""
    if layout not in (None, *LAYOUTS):
        raise InputError(f"layout={layout!r}, expected one of {', '.join(LAYOUTS)}")
    if isinstance(data, tuple):
        a, b = (Path(side).expanduser() for side in data)
        for side in (a, b):
            if kind_of(side) != "folder":
                raise InputError(f"no such folder: {str(side)!r}; expected the two folders of the pairs")
        return _of_folders(f"{a.name}-{b.name}", {"train": (a, b)}, split)
    path = Path(data).expanduser()
    if kind_of(path) is None:
        raise InputError(f"no such file or folder: {str(data)!r}; DATA is a folder of pairs, or a table of their paths")
    path = path if path.name else path.resolve()
    if path.is_file():
        if layout == "table" or (layout is None and path.suffix.lower() in TABLES):
            return _of_table(path, split)
        raise InputError(f"{path} holds no pairs: expected a folder, or a table ({', '.join(TABLES)}) of two columns")
    folders = _side_folders(path) if layout in (None, "folders") else {}
    if folders:
        return _of_folders(path.name, folders, split)
    if layout in ("folders", "table"):
        expected = "A and B, or trainA and trainB" if layout == "folders" else "a table file"
        raise InputError(f"{path} does not fit layout={layout!r}: expected {expected}")
    return _of_halves(path, split, sure=layout is not None)


def holds_pairs(data: str | Path) -> bool:
    """Do the names say that pairs lie there: a table, or folders A and B with no others beside them?

    Files that hold both halves look like any images: they are not recognised.
    """
    path = Path(data).expanduser()
    if kind_of(path) == "file":
        return path.suffix.lower() in TABLES
    if not path.is_dir():
        return False
    inside = _folders(path)
    if not inside or not inside.keys() <= _MEANT:
        return False
    try:
        return bool(_side_folders(path))
    except InputError:  # a folder without its partner: whoever looks closer says so
        return True


def _of_folders(name: str, folders: dict[str, tuple[Path, Path]], split: str) -> Found:
    splits: list[str] = [known for known in _ORDER if known in folders]
    chosen = pick_split(split, splits, name)
    a, b = (_side(folder) for folder in folders[chosen])
    return Found("folders", name, chosen, splits, a, b)


def _side_folders(path: Path) -> dict[str, tuple[Path, Path]]:
    """split -> the folders of A and B; {} if there are none.  A level that holds but one folder is stepped over."""
    inside = _folders(path)
    while len(inside) == 1 and not _MEANT & inside.keys() and not any(_is_image(file) for file in path.iterdir()):
        (path,) = inside.values()
        inside = _folders(path)
    for a, b in SIDES:
        both = {
            split: (inside.get(name + a), inside.get(name + b))
            for name, split in SPLIT_FOLDERS.items()
            if name + a in inside or name + b in inside
        }
        if not both and (a in inside or b in inside):
            both = _below(inside.get(a), inside.get(b))
        if not both:
            levels = {SPLIT_FOLDERS[name]: _folders(folder) for name, folder in inside.items() if name in SPLIT_FOLDERS}
            both = {split: (level.get(a), level.get(b)) for split, level in levels.items() if a in level or b in level}
        if both:
            return {split: _complete(path, sides) for split, sides in both.items()}
    return {}


def _below(a: Path | None, b: Path | None) -> dict[str, tuple[Path | None, Path | None]]:
    """The splits below two folders, or the folders themselves as "train"."""
    levels = [
        {SPLIT_FOLDERS.get(n): f for n, f in _folders(side).items()} if side is not None else {} for side in (a, b)
    ]
    splits = {split for level in levels for split in level if split is not None}
    if "train" in splits:
        return {split: (levels[0].get(split), levels[1].get(split)) for split in splits}
    return {"train": (a, b)}


def _complete(path: Path, sides: tuple[Path | None, Path | None]) -> tuple[Path, Path]:
    a, b = sides
    if a is not None and b is not None:
        return a, b
    there = a or b
    where = there.relative_to(path) if there else path
    raise InputError(f"{path}: {where} has no partner folder; expected the folders of A and B beside each other")


def _folders(path: Path) -> dict[str, Path]:
    """The folders in a folder, by their names in small letters."""
    try:
        return {
            entry.name.lower(): entry for entry in sorted(path.iterdir()) if entry.is_dir() and entry.name[0] != "."
        }
    except OSError as error:
        raise InputError(f"{path} cannot be listed: {reason_of(error)}; make it readable") from None


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _side(folder: Path) -> Side:
    entries = walk(folder)
    if not entries:
        raise InputError(f"{folder} holds no images; expected files ending in {' '.join(sorted(SUFFIXES))}")
    return _named(folder, [(_stem(entry.path), entry.path, entry.identity) for entry in entries])


def _named(folder: Path, entries: Sequence[tuple[str, str, list[Any]]]) -> Side:
    files: dict[str, Path] = {}
    repeated = []
    for name, path, _ in entries:
        if name in files:
            repeated.append(path)
        files[name] = folder / path
    return Side(files, [str(folder.resolve()), [identity for _, _, identity in entries]], repeated)


def _stem(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


def _of_halves(path: Path, split: str, sure: bool) -> Found:
    entries = walk(path)
    if not entries:
        raise InputError(f"{path} holds no images; expected folders A and B, or files that hold A and B side by side")
    base, splits = find_splits(entries)
    names: list[str] = [known for known in _ORDER if known in splits] or ["train"]
    chosen = pick_split(split, names, str(path))
    prefix = splits.get(chosen, base)
    here = [entry for entry in entries if is_under(entry.path, prefix)]
    folder = path.joinpath(*prefix)
    side = _named(
        path, [(_stem("/".join(entry.path.split("/")[len(prefix) :])), entry.path, entry.identity) for entry in here]
    )
    if not sure:
        _must_be_double(folder, list(side.files.values()))
    return Found("side_by_side", path.name, chosen, names, side, side)


def _must_be_double(folder: Path, files: list[Path]) -> None:
    """Halves are taken for granted only where every image is twice as wide as high."""
    for file in files[:: -(-len(files) // _LOOKED_AT)]:
        try:
            with quiet_pillow(), open_file(file) as opened:
                found = header(opened)
        except (OSError, Unreadable):
            continue
        if found.width != 2 * found.height:
            raise InputError(
                f"{folder} holds no folders A and B, and {file.name} of {found.width}x{found.height} pixels does not "
                "look like two squares side by side; if its halves are A and B, cut them apart into such folders "
                "(in Python layout='side_by_side' does)"
            )


def _of_table(path: Path, split: str) -> Found:
    by_split: dict[str, list[tuple[str, Path, Path]]] = {}
    taken: set[str] = set()
    for line, (a, b, *rest) in _rows(path):
        name = _stem(a)
        name = f"{name}#{line}" if name in taken else name
        taken.add(name)
        chosen = SPLIT_FOLDERS.get(rest[0].lower(), rest[0]) if rest and rest[0] else "train"
        by_split.setdefault(chosen, []).append((name, path.parent / a, path.parent / b))
    if not by_split:
        raise InputError(f"{path} lists no pairs; expected lines of two paths, A,B")
    chosen = pick_split(split, list(by_split), str(path))
    rows = by_split[chosen]
    sides = []
    for files in ({name: a for name, a, _ in rows}, {name: b for name, _, b in rows}):
        sides.append(Side(files, [str(path.resolve()), [_identity(file) for file in files.values()]]))
    return Found("table", path.name, chosen, list(by_split), *sides)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a table with their numbers; a first line without image files is a heading."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds null bytes, a table is text")
        rows = list(csv.reader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {reason_of(error)}") from None
    for line, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (line == 1 and not any(Path(cell).suffix.lower() in SUFFIXES for cell in cells)):
            continue
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise InputError(
                f"{path} line {line} has {len(cells)} columns, expected two paths, A and B, and perhaps a split"
            )
        yield line, cells


def _identity(path: Path) -> list[Any]:
    try:
        return stat_identity(path, str(path))
    except OSError:  # named when it is opened
        return [str(path)]
