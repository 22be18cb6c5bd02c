"""What the doctor found: plain values for JSON, lines for people, and the warnings that follow from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ganvas.data.folder import SPLIT_FOLDERS, passed_by

NAMED = 50  # groups, files or sizes that a report names; the counts are of all
_IMBALANCE = 10  # the largest class over the smallest, from which a warning is given


@dataclass(frozen=True)
class Report:
    """What was found. Counts are of the pictures looked at; lists name the first fifty."""

    name: str
    kind: str
    split: str
    splits: list[str]
    count: int  # in the split
    looked_at: int
    sizes: list[dict[str, int]]  # {"width", "height", "count"}, most frequent first
    num_sizes: int
    modes: dict[str, int]  # Pillow's pixel formats
    channels: int  # 1 if all are grey, else 3
    classes: dict[str, int]  # name -> pictures; {} without classes
    unreadable: dict[str, str]  # name -> reason
    num_unreadable: int
    duplicates: list[list[str]]  # equal pixels
    num_duplicates: int  # pictures that could go
    near_duplicates: list[list[str]]  # nearly equal thumbnails, exact duplicates not repeated
    num_near_duplicates: int
    conflicts: list[list[str]]  # equal pixels in unlike classes
    num_conflicts: int  # such groups
    constant: list[str]  # one colour all over
    num_constant: int
    smaller: int | None  # pictures whose shorter side is below the resolution asked for
    warnings: list[str]  # one line each
    sheet: str | None  # where the contact sheet lies

    @property
    def readable(self) -> bool:
        """Could any picture be read?"""
        return bool(self.modes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report for people."""
        sizes = ", ".join(f"{size['width']}x{size['height']} ({size['count']})" for size in self.sizes[:5])
        more = f" and {self.num_sizes - 5} more sizes" if self.num_sizes > 5 else ""
        looked = "" if self.looked_at == self.count else f", {self.looked_at} looked at"
        out = [
            f"{self.name}: {self.kind}, {self.count} images in {self.split} (of {', '.join(self.splits)}){looked}",
            f"sizes: {sizes or 'none'}{more}",
            f"pixels: {', '.join(f'{mode} ({count})' for mode, count in self.modes.items()) or 'none'}",
        ]
        if self.classes:
            low, high = min(self.classes.values()), max(self.classes.values())
            out.append(f"classes: {len(self.classes)}, {low} to {high} images each")
        else:
            out.append("classes: none")
        out.append(f"duplicates: {self.num_duplicates} exact, {self.num_near_duplicates} near")
        out += [f"warning: {line}" for line in self.warnings] or ["nothing odd was found"]
        if self.sheet is not None:
            out.append(f"contact sheet: {self.sheet}")
        return out


def warnings_of(report: Report, notes: dict[str, Any], resolution: int | None) -> list[str]:
    """What is odd, the gravest first."""
    found = [
        _unreadable(report),
        *_levels(report, notes),
        _classes(report),
        f"{report.num_conflicts} images lie in two classes at once, a label conflict: {_some(report.conflicts[0])}"
        if report.conflicts
        else None,
        _copies(report.num_duplicates, report.duplicates, "exact"),
        _copies(report.num_near_duplicates, report.near_duplicates, "near"),
        f"{report.num_constant} images are of one colour: {_some(report.constant)}" if report.num_constant else None,
        f"{report.smaller} images are smaller than {resolution} pixels and would be enlarged"
        if report.smaller
        else None,
    ]
    return [line for line in found if line is not None]


def _unreadable(report: Report) -> str | None:
    if not report.num_unreadable:
        return None
    named = _some([f"{name} ({reason})" for name, reason in report.unreadable.items()], report.num_unreadable)
    return f"{report.num_unreadable} files cannot be read: {named}"


def _levels(report: Report, notes: dict[str, Any]) -> list[str]:
    """Folders that are not what they seem."""
    out = []
    taken = [name for name in report.classes if name.lower() in SPLIT_FOLDERS]
    if taken and report.kind in ("folder", "zip"):
        others = sorted(set(report.classes) - set(taken))
        out.append(f"{_some(taken)} looks like a split but counts as a class beside {_some(others)}")
    if foreign := notes.get("foreign"):
        out.append(f"{passed_by(foreign)} files are passed by: convert them to JPEG or PNG, or they are not trained on")
    if empty := notes.get("empty"):
        out.append(f"class folders without images, which are no classes: {_some(empty)}")
    if repeated := notes.get("repeated"):
        out.append(f"{len(repeated)} names stand twice in the zip, the last entry counts: {_some(repeated)}")
    if nested := notes.get("nested"):
        out.append(f"{nested} images lie deeper than their class folder; the first level names the class")
    if loose := notes.get("loose"):
        out.append(str(loose))
    if (level := notes.get("stepped_over")) and report.kind in ("folder", "zip"):
        out.append(f"all images lie below {level}; it was stepped over and is no class")
    return out


def _classes(report: Report) -> str | None:
    if not report.classes:
        return None
    low = min(report.classes, key=lambda name: report.classes[name])
    high = max(report.classes, key=lambda name: report.classes[name])
    least, most = report.classes[low], report.classes[high]
    if most < _IMBALANCE * max(least, 1):
        return None
    return f"classes are uneven: {high} has {most} images, {low} has {least}"


def _copies(count: int, groups: list[list[str]], kind: str) -> str | None:
    return f"{count} images are {kind} copies of others, for instance {_some(groups[0])}" if count else None


def _some(names: list[str], count: int | None = None, limit: int = 3) -> str:
    left = (count or len(names)) - limit
    return ", ".join(names[:limit]) + (f" and {left} more" if left > 0 else "")
