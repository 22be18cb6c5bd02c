"""What a run says: JSON lines that a kill cannot spoil, a line on the screen, durations for people."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from ganvas.cli import arguments
from ganvas.engine.log import Log, Screen, duration


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]


def test_lines_after_the_checkpoint_are_cut_on_resume(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for n in (10, 20, 30):
        log.write(n, {"loss": n / 2})
    log.close()
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write('{"images": 15, "lo')  # killed while it wrote
    log = Log(tmp_path, images_seen=20)
    log.write(40, {"loss": 1.0})
    log.close()
    assert lines(tmp_path) == [{"images": 10, "loss": 5.0}, {"images": 20, "loss": 10.0}, {"images": 40, "loss": 1.0}]
    assert not [p for p in tmp_path.iterdir() if ".tmp" in p.name]


def test_lines_that_are_none_of_ours_are_cut(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('[]\nnull\n{"loss": 1}\n{"images": "x"}\n\n{"images": 5}\n')
    Log(tmp_path, images_seen=9).close()
    assert lines(tmp_path) == [{"images": 5}]


def test_every_line_is_on_the_disk_at_once(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1, {"loss": 0.5})
    assert lines(tmp_path) == [{"images": 1, "loss": 0.5}]
    log.close()


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1, {"a": float("nan"), "b": float("inf"), "c": 0.5, "d": 2})
    log.close()
    assert lines(tmp_path) == [{"images": 1, "a": None, "b": None, "c": 0.5, "d": 2}]


def test_tensorboard_holds_the_scalars(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path)
    for n in (10, 20):
        log.write(n, {"D/loss": n / 10})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("D/loss")] == [(10, 1.0), (20, 2.0)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_line_renews_itself() -> None:
    out = Terminal()
    screen = Screen(out)
    screen.show("a long line", force=True)
    screen.show("short", force=True)
    screen.say("stays")
    assert out.getvalue() == "\r\x1b[2Ka long line\r\x1b[2Kshort\r\x1b[2Kstays\n"
    screen.show("the last", force=True)
    screen.done()
    screen.done()
    assert out.getvalue().endswith("\r\x1b[2Kthe last\n")


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_line_and_its_bar_fit_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out = Terminal()
    Screen(out).show("x" * 98, force=True, share=0.25)
    shown = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", out.getvalue())
    assert len(shown) < width
    assert ("…" in shown) == (width < 150)
    assert shown.startswith("━") == (width >= 40)
    monkeypatch.setenv("NO_COLOR", "1")
    whole = Terminal()
    Screen(whole).show("x", force=True, share=1.0)
    assert "━" * min(24, width // 4) + " x" in whole.getvalue() or width < 40


def test_progress_says_how_long_it_will_take_and_ends_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(arguments.time, "monotonic", lambda: now[0])
    show = arguments.shown("bytes")
    for now[0], done in ((1.0, 1), (20.0, 25), (60.0, 100)):
        show(done, 100)
    assert capsys.readouterr().err == "bytes: 25 of 100, 1:00 min left\nbytes: 100 of 100\n"


def test_elsewhere_lines_are_whole_and_rare() -> None:
    out = io.StringIO()
    screen = Screen(out)
    for i in range(100):
        screen.show(f"line {i}")
    screen.show("the end", force=True)
    assert out.getvalue() == "the end\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (185, "3:05 min"), (3720, "1 h 02 min"), (200_000, "2.3 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
