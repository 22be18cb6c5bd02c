"""A table of score files in which only like stands under like: unlike protocols get columns of their own."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganvas.metrics.protocol import Protocol, Score, differences, field, read_scores, version_differences


@dataclass(frozen=True)
class Column:
    """Scores of one name and one protocol; `cells` has one entry per row of the table."""

    title: str
    cells: tuple[Score | None, ...]


@dataclass(frozen=True)
class Table:
    """Rows are files, columns are metrics.  notes: why a metric has several columns; warnings: versions that differ"""

    rows: tuple[str, ...]
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def compare(files: Sequence[Path], ignore: Sequence[str] = ()) -> Table:
    """The table of the files' scores.  ignore: names of protocol fields that may differ within a column."""
    read = [read_scores(Path(path)) for path in files]
    rows = tuple(_distinct([subject for subject, _ in read]))
    columns: list[Column] = []
    notes: list[str] = []
    warnings: list[str] = []
    for name in dict.fromkeys(score.name for _, scores in read for score in scores):
        given = [next((score for score in scores if score.name == name), None) for _, scores in read]
        groups = _alike(given, ignore)
        for number, group in enumerate(groups):
            title = name if len(groups) == 1 else f"{name} [{number + 1}]"
            columns.append(Column(title, tuple(score if i in group else None for i, score in enumerate(given))))
            warnings += [text for i in group[1:] if (text := _versions(name, rows, given, group[0], i))]
        notes += [_why(name, rows, given, groups[0][0], group[0], ignore) for group in groups[1:]]
    return Table(rows, tuple(columns), tuple(notes), tuple(dict.fromkeys(warnings)))


def _alike(given: list[Score | None], ignore: Sequence[str]) -> list[list[int]]:
    """Row numbers, grouped so that the protocols within a group are alike."""
    groups: list[list[int]] = []
    for i, score in enumerate(given):
        if score is None:
            continue
        home = next((group for group in groups if not _apart(given[group[0]], score, ignore)), None)
        if home is None:
            groups.append([i])
        else:
            home.append(i)
    return groups


def _apart(a: Score | None, b: Score | None, ignore: Sequence[str]) -> list[str]:
    assert a is not None
    assert b is not None
    return [name for name in differences(a.protocol, b.protocol) if name not in ignore]


def _why(name: str, rows: Sequence[str], given: list[Score | None], a: int, b: int, ignore: Sequence[str]) -> str:
    """One sentence: which parts of the protocol keep two rows apart, with both values."""
    left, right = given[a], given[b]
    assert left is not None
    assert right is not None
    parts = [
        f"{part} ({_short(left.protocol, part)} / {_short(right.protocol, part)})"
        for part in _apart(left, right, ignore)
    ]
    return f"{name}: {rows[a]} and {rows[b]} cannot share a column, they differ in {', '.join(parts)}"


def _short(protocol: Protocol, name: str) -> str:
    value = field(protocol, name)
    return f"{value[:8]}..." if name.endswith("_hash") and value else str(value)


def _versions(name: str, rows: Sequence[str], given: list[Score | None], a: int, b: int) -> str:
    left, right = given[a], given[b]
    assert left is not None
    assert right is not None
    found = version_differences(left.protocol, right.protocol)
    parts = [f"{key} {left.protocol.versions.get(key)} / {right.protocol.versions.get(key)}" for key in found]
    return f"{rows[a]} and {rows[b]} were scored with different versions: {', '.join(parts)}" if parts else ""


def _distinct(names: list[str]) -> list[str]:
    """The names, numbered where one occurs more than once."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def summarise(runs: Sequence[list[Score]]) -> list[Score]:
    """Mean and standard deviation (n - 1) over sample sets or training runs; their seeds are joined in the record.

    All runs must have the same scores, made alike but for the seeds.
    """
    assert runs, "no runs"
    result = []
    for scores in zip(*runs, strict=True):
        first = scores[0]
        for other in scores[1:]:
            apart = [name for name in differences(first.protocol, other.protocol) if name != "seeds"]
            assert other.name == first.name, f"{first.name} beside {other.name}"
            assert not apart, f"{first.name}: runs differ in {apart}"
        values = [score.value for score in scores]
        seeds = tuple(dict.fromkeys(seed for score in scores for seed in score.protocol.seeds))
        result.append(
            Score(
                name=first.name,
                value=statistics.fmean(values),
                spread=statistics.stdev(values) if len(values) > 1 else None,
                protocol=first.protocol.model_copy(update={"seeds": seeds}),
            )
        )
    return result
