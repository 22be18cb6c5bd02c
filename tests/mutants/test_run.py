"""The mutation tool on a toy tree: what dies, what survives, what is excused, and what no longer applies."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from .run import COLUMNS, LIST, copy_of, main, mutated, read

CODE = """def double(x):
    return 2 * x


def half(x):
    return x / 2


def one(x):
    return 1
"""
TEST = "from code_under_test import double, half\n\n\ndef test_double():\n    assert double(3) == 6\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "tests").mkdir(parents=True)
    (root / "code_under_test.py").write_text(CODE)
    (root / "tests" / "test_code.py").write_text(TEST)
    (root / "tests" / "test_broken.py").write_text("def test_broken():\n    assert False\n")
    return root


def listed(root: Path, *rows: tuple[str, ...], tests: str = "tests/test_code.py") -> Path:
    """A list of mutants of the code; a row is before, after, nth, equivalent, file, the last ones as far as given."""
    path = root.parent / "mutants.tsv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, row in enumerate(rows):
            before, after, nth, equivalent, name = (*row, *("", "", "code_under_test.py")[len(row) - 2 :])
            writer.writerow([number, name, before, after, nth, tests, equivalent])
    return path


def test_killed_survived_and_excused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(tree, ("2 * x", "3 * x"), ("x / 2", "x / 3"), ("return 1\n", "return x\n", "", "nobody calls it"))
    before = {path: path.read_bytes() for path in tree.rglob("*.py")}
    assert main([], tree, rows) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[:3]] == ["killed", "survived", "equivalent"]
    assert "1 code_under_test.py: x / 2 -> x / 3" in said[1]
    assert said[2].endswith("(nobody calls it)")
    assert said[3] == "1 killed, 1 survived, 1 equivalent, 0 untested, 0 no longer apply"
    assert {path: path.read_bytes() for path in tree.rglob("*.py")} == before  # and no bytecode, no new file
    assert main(["--only", "0"], tree, rows) == 0  # one mutant is undone before the next is tried


def test_what_no_longer_applies_is_named_and_counts_as_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(
        tree, ("5 * x", "3 * x"), ("return", "yield"), ("2 * x", "3 * x", "2"), ("2", "3", "", "", "renamed.py")
    )
    assert main([], tree, rows) == 0
    said = capsys.readouterr().out
    assert [line.split(":")[:2] for line in said.splitlines()[:-1]] == [
        ["no longer applies", f" {number} {name}"]
        for number, name in enumerate(["code_under_test.py"] * 3 + ["renamed.py"])
    ]
    assert "0 killed, 0 survived, 0 equivalent, 0 untested, 4 no longer apply" in said


def test_the_nth_occurrence_is_the_one_that_changes(tree: Path) -> None:
    first, second = read(listed(tree, ("return", "yield", "1"), ("return", "yield", "2")))
    assert mutated(tree, first) == CODE.replace("return 2", "yield 2")
    assert mutated(tree, second) == CODE.replace("return x", "yield x")


def test_a_mutant_that_stops_the_import_is_killed(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tree, listed(tree, ("def double(x):", "def double(x:"))) == 0
    assert "1 killed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tests", "why"), [("tests/test_broken.py", "FAILED tests/test_broken.py"), ("tests/test_gone.py", "ERROR: file")]
)
def test_tests_that_fail_anyway_tell_nothing(
    tree: Path, tests: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], tree, listed(tree, ("2 * x", "3 * x"), tests=tests)) == 1
    said = capsys.readouterr().out
    assert f"without it, {tests} must pass and do not: {why}" in said
    assert "0 killed, 0 survived, 0 equivalent, 1 untested" in said


def test_a_mark_that_is_wrong_is_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tree, listed(tree, ("2 * x", "3 * x", "", "so it was thought"))) == 0
    assert "but a test tells" in capsys.readouterr().out


def test_a_sample_is_seeded(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(tree, *((f"{word} ", "", "1") for word in ("def", "return", "x")))
    told = []
    for seed in ("0", "0", "1", "2", "3"):
        main(["--sample", "1", "--seed", seed], tree, rows)
        told.append(capsys.readouterr().out.split(" s  ")[1].splitlines()[0])
    assert told[0] == told[1]
    assert len(set(told)) > 1
    assert main(["--sample", "0"], tree, rows) == 0
    assert main(["--only", "nothing"], tree, rows) == 1


def test_the_copy_leaves_out_what_is_hidden(tree: Path) -> None:
    (tree / ".venv").mkdir()
    (tree / "__pycache__").mkdir()
    with copy_of(tree) as copy:
        assert sorted(path.name for path in copy.iterdir()) == ["code_under_test.py", "tests"]
    assert not copy.exists()


def test_the_list_is_well_formed() -> None:
    """Whether its rows still apply is for the tool to say; that each can be read and told apart is for this test."""
    mutants = read(LIST)
    assert len({mutant.number for mutant in mutants}) == len(mutants) > 400
    for mutant in mutants:
        assert mutant.before != mutant.after
        assert mutant.tests.startswith("tests/")
        assert mutant.nth == "" or int(mutant.nth) > 0
