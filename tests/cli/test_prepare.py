"""ganvas prepare: what it prints and makes, and every wrong input in one line before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganvas.cli import main
from ganvas.cli.prepare import Left
from ganvas.data import store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_it_prepares_digits_and_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "digits", "--features", "own", "-k", "5", "--out", "made", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert "images:     1,797 of digits, 8 pixels a side" in out
    assert "neighbours: 5 each; " in out
    assert "of the neighbours share their instance's" in out
    assert "try: ganvas train icgan --data made" in err
    assert store.expect(Path("made")).manifest["data"]["path"] == "digits"
    assert main(["prepare", "digits", "--features", "own", "-k", "5", "--out", "made", "--device", "cpu"]) == 0
    assert "neighbours: 1,797" not in capsys.readouterr().err  # whole: nothing is made again


WRONG = {
    "prepare ring8": "ring8 holds points, which have no features",
    "prepare nowhere": "no such file or folder: 'nowhere'",
    "prepare digits --features owl": "features 'owl' are not known; expected one of: inception",
    "prepare digits -k 1797": "k=1797 neighbours asked for of 1,797 images; expected 1 to 1,796",
    "prepare digits -k 0": "'0' given, expected a whole number from 1 on",
    "prepare digits --features swav": "features swav need their weights: fetch https://",
    "prepare digits --features swav --weights none.pth": "weights: none.pth is no file",
    "prepare digits --weights none.pth": "weights none.pth given for features own, which are trained on the data",
    "prepare digits --out full": "full holds something else than a store of features; pass the name of a new folder",
    "prepare digits --device abacus": "device 'abacus' cannot be used here",
}


@pytest.mark.parametrize("command", WRONG)
def test_wrong_input_is_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("full").mkdir()
    Path("full/thesis.txt").touch()
    assert main(command.split()) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ganvas: ")]
    assert len(err) == 1
    assert WRONG[command] in err[0]
    assert not list(Path().rglob("*.part"))


def test_the_time_left_is_by_what_this_run_has_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """600 of 1,000 stand from before; 100 more took 10 seconds, so 300 are half a minute."""
    now = iter([0.0, 10.0])
    left = Left()
    monkeypatch.setattr("ganvas.cli.prepare.time.monotonic", lambda: next(now))
    shown: list[str] = []
    monkeypatch.setattr(left.screen, "show", lambda line, force: shown.append(line))
    left("features", 600, 1000)
    left("features", 700, 1000)
    assert shown == ["features: 600 of 1,000", "features: 700 of 1,000, 30 s left"]
