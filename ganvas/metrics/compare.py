"""A table of score files in which only like stands under like: unlike protocols get columns of their own."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganvas.errors import InputError
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
    _known(ignore)
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


def _known(ignore: Sequence[str]) -> None:
    """Raises InputError for a field that no protocol has: a slip there would refuse what was meant to pass."""
    fields = [name for name in Protocol.model_fields if name not in ("versions", "settings")]
    if unknown := [name for name in ignore if name not in fields and not name.startswith("settings.")]:
        raise InputError(f"--ignore {unknown[0]} given, expected one of {', '.join(fields)}, settings.KEY")


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


def describe(score: Score) -> str:
    """One line for people: the number, its spread or interval, and the protocol in short."""
    p = score.protocol
    spread = f" ± {score.spread:.4g}" if score.spread is not None else ""
    interval = f" [{score.interval[0]:.4g}, {score.interval[1]:.4g}]" if score.interval is not None else ""
    how = [f"{p.sample_count:,} samples against {p.reference_count:,} of {p.reference} {p.split}".rstrip()]
    if p.features:
        how.append(f"features {p.features} {p.features_hash[:8]}, resize {p.resize}")
    how += [f"seeds {', '.join(map(str, p.seeds))}"] if p.seeds else []
    how += [f"truncation {p.truncation} by {p.truncation_form}"] if p.truncation is not None else []
    how += [f"EMA {'yes' if p.ema else 'no'}"] if p.ema is not None else []
    how += [f"batch norm {p.batch_norm}"] if p.batch_norm else []
    how += [f"{key} {value}" for key, value in p.sampling.items()]
    how += [f"{key} {_short(p, f'settings.{key}')}" for key in p.settings]
    return f"{score.name:<14} {score.value:.5g}{spread}{interval}   ({'; '.join(how)})"


FEW = 1000  # images below which scores of whole sets jump by chance
PAIRED = ("MSE", "PSNR", "SSIM", "LPIPS")  # beginnings of names of means over pairs


def cautions(scores: Sequence[Score]) -> list[str]:
    """What should be known before these scores are believed: how few images they stand on."""
    records = [score.protocol for score in scores if not score.name.startswith(PAIRED)]
    if not records:
        return []
    counts = {
        "reference images": min(record.reference_count for record in records),
        "samples": min(record.sample_count for record in records),
    }
    few = [f"{count:,} {what}" for what, count in counts.items() if count < FEW]
    if not few:
        return []
    return [
        f"caution: {' and '.join(few)}; scores of fewer than {FEW:,} jump by chance and are biased by the number: "
        "compare at one number alone, and look at --seeds 3 or --intervals 200"
    ]


def cell(score: Score | None) -> str:
    """A score in a table."""
    if score is None:
        return ""
    return f"{score.value:.5g}" + (f" ± {score.spread:.3g}" if score.spread is not None else "")


def mean_over_files(files: Sequence[Path], ignore: Sequence[str] = ()) -> list[str]:
    """Mean and standard deviation over the score files of several training runs; raises InputError if unlike."""
    runs = [scores for _, scores in map(read_scores, files)]
    _known(ignore)
    first = runs[0]
    for path, scores in zip(files, runs):
        if [s.name for s in scores] != [s.name for s in first]:
            raise InputError(f"{path} has other scores than {files[0]}; evaluate both with the same --metrics")
        for a, b in zip(first, scores):
            if apart := [name for name in differences(a.protocol, b.protocol) if name not in ("seeds", *ignore)]:
                parts = ", ".join(f"{x} ({_short(a.protocol, x)} / {_short(b.protocol, x)})" for x in apart)
                raise InputError(f"{a.name} of {files[0]} and of {path} have no mean, they differ in {parts}")
    return [describe(score) + f"   mean over {len(runs)} runs" for score in summarise(runs, ignore)]


def _distinct(names: list[str]) -> list[str]:
    """The names, numbered where one occurs more than once."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def summarise(runs: Sequence[list[Score]], ignore: Sequence[str] = ()) -> list[Score]:
    """Mean and standard deviation (n - 1) over sample sets or training runs; their seeds are joined in the record.

    All runs must have the same scores, made alike but for the seeds (and the fields of `ignore`).
    """
    assert runs, "no runs"
    result = []
    for scores in zip(*runs, strict=True):
        first = scores[0]
        for other in scores[1:]:
            apart = [name for name in differences(first.protocol, other.protocol) if name not in ("seeds", *ignore)]
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
