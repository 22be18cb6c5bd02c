"""The table: like under like, a column of its own for the unlike, a sentence that says why."""

from pathlib import Path

import pytest

from ganvas.metrics.compare import compare, summarise
from ganvas.metrics.protocol import Protocol, Score, write_scores


def write(path: Path, subject: str, fid: float, **protocol: object) -> Path:
    record = Protocol(reference="digits", resize="tf1_bilinear", **protocol)
    scores = [Score(name="FID", value=fid, protocol=record), Score(name="PSNR", value=2 * fid)]
    write_scores(path, subject, scores)
    return path


def test_like_protocols_share_a_column(tmp_path: Path) -> None:
    table = compare([write(tmp_path / "a", "a", 1.0), write(tmp_path / "b", "b", 2.0)])
    assert table.rows == ("a", "b")
    assert [column.title for column in table.columns] == ["FID", "PSNR"]
    assert [score.value for column in table.columns for score in column.cells if score] == [1, 2, 2, 4]
    assert table.notes == table.warnings == ()


def test_unlike_protocols_do_not(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "a", "a", 1.0, reference_hash="ab" * 32, settings={"splits": 10}),
        write(tmp_path / "b", "b", 2.0, reference_hash="cd" * 32, settings={"splits": 1}),
        write(tmp_path / "c", "b", 3.0, reference_hash="ab" * 32, settings={"splits": 10}),
    ]
    table = compare(files)
    assert table.rows == ("a", "b", "b (2)")
    assert [column.title for column in table.columns] == ["FID [1]", "FID [2]", "PSNR"]
    assert [cell and cell.value for cell in table.columns[0].cells] == [1, None, 3]
    assert [cell and cell.value for cell in table.columns[1].cells] == [None, 2, None]
    assert table.notes == (
        "FID: a and b cannot share a column, they differ in reference_hash (abababab... / cdcdcdcd...), "
        "settings.splits (10 / 1)",
    )
    together = compare(files, ignore=("reference_hash", "settings.splits"))
    assert [column.title for column in together.columns] == ["FID", "PSNR"]


def test_versions_are_a_warning(tmp_path: Path) -> None:
    files = [
        write(tmp_path / name, name, 1.0, versions={"torch": version}) for name, version in (("a", "1"), ("b", "2"))
    ]
    table = compare(files)
    assert len(table.columns) == 2
    assert table.warnings == ("a and b were scored with different versions: torch 1 / 2",)


def test_seeds_are_summarised() -> None:
    runs = [[Score(name="FID", value=v, protocol=Protocol(seeds=(i,)))] for i, v in enumerate((1.0, 2.0, 6.0))]
    (score,) = summarise(runs)
    assert (score.name, score.value, score.protocol.seeds) == ("FID", 3, (0, 1, 2))
    assert score.spread == pytest.approx(7**0.5)
    assert summarise(runs[:1])[0].spread is None
    with pytest.raises(AssertionError, match="runs differ in"):
        summarise([runs[0], [Score(name="FID", value=1, protocol=Protocol(ema=True))]])
