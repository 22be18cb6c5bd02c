"""What a person sees where the output is a pipe, a full disk or a terminal that knows ASCII alone."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ganvas import files
from ganvas.cli import main
from ganvas.cli.arguments import tell
from ganvas.engine.log import Screen
from tests.engine import running


def ganvas(*words: str, stdout: object = subprocess.PIPE, **environment: str) -> tuple[int, bytes, bytes]:
    """The command in a process of its own.  -> status, stdout, stderr"""
    done = subprocess.run(
        [sys.executable, "-m", "ganvas", *words],
        stdout=stdout,  # type: ignore[call-overload]
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        timeout=120,
    )
    return done.returncode, done.stdout or b"", done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
@pytest.mark.parametrize("words", [("--help",), ("check", "digits")])
def test_a_full_stdout_is_one_line(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        status, _, err = ganvas(*words, stdout=full)
    assert status == 2
    assert err.decode().splitlines()[-1].startswith("ganvas: ")
    assert b"no space left" in err
    assert b"Traceback" not in err
    assert b"Exception" not in err


def test_a_closed_pipe_ends_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        status, _, err = ganvas("--help", stdout=closed)
    assert (status, err) == (141, b"")


def test_names_that_no_terminal_can_show_are_escaped(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, a line break and a colour: in the report, in its JSON, on an ASCII stdout."""
    for k, name in enumerate((b"a\xff\xfe", "ü\x1b[31m\nred".encode())):
        for i in range(2):
            path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/set/" + name)) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((8, 8), 50 + 10 * k + i).save(path)
        path.with_name("no.png").write_bytes(b"x")
    words = ("check", str(tmp_path / "set"), "--json", str(tmp_path / "r.json"))
    status, out, err = ganvas(*words, PYTHONIOENCODING="ascii")
    assert status == 0
    assert b"Traceback" not in err
    text = out.decode("ascii")
    assert r"a\udcff\udcfe/no.png (not an image), \xfc\x1b[31m\nred/no.png" in text
    assert "\x1b" not in text
    assert set(files.read_json(tmp_path / "r.json")["classes"]) == {"a\udcff\udcfe", "ü\x1b[31m\nred"}


def test_a_run_on_names_that_are_no_text_trains_samples_and_resumes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = Path(os.fsdecode(os.fsencode(tmp_path) + b"/set\xff"))
    for k, name in enumerate((b"a\xff", b"b")):
        for i in range(3):
            path = data / os.fsdecode(name) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((8, 8), 60 + 10 * k + i).save(path)
    small = [
        "biggan-digits",
        "--set",
        "G_ch=4",
        "D_ch=4",
        "batch=4",
        "dim_z=4",
        "shared_dim=4",
        "--images",
        "16",
        "--device",
        "cpu",
    ]
    assert main(["train", *small, "--data", str(data), "--out", str(tmp_path / "run")]) == 0
    assert running.resume(tmp_path / "run", "--images", "32") == 0
    out = ["--class", os.fsdecode(b"a\xff"), "-n", "2", "--out", str(tmp_path / "x.png")]
    assert main(["sample", str(tmp_path / "run"), *out]) == 0
    assert r"a\udcff, b" in (tmp_path / "run" / "README.md").read_text()
    assert "Traceback" not in capfd.readouterr().err


def test_lines_have_no_power_over_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell("\na\x1b[2Jb\nc\udcff")
    assert capsys.readouterr().out == "\n" + r"a\x1b[2Jb\nc\udcff" + "\n"
    out = io.StringIO()
    Screen(out).say("x\x07\ty")
    assert out.getvalue() == r"x\x07\ty" + "\n"


def test_everything_that_a_run_writes_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert running.train(tmp_path / "run", "--images", "64") == 0
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").rglob("*")}
    assert {path.name for path, mode in modes.items() if path.is_file() and mode != 0o640} == set()
    assert {path.name for path, mode in modes.items() if path.is_dir() and mode != 0o750} == set()
    assert any(path.name == "model.safetensors" for path in modes)


@pytest.mark.parametrize(
    "words",
    [
        "check NAME", "train wgan --data NAME", "train NAME.toml", "sample NAME", "compare NAME",
        "evaluate NAME --data digits",
        "import biggan-pytorch NAME.pth --out OUT", "train --resume NAME", "translate model NAME --out OUT",
        "train wgan-gp-digits --set G_width=2 --images 16 --out NAME", "check digits --json NAME.json",
    ],
)  # fmt: skip
def test_a_name_of_300_letters_is_one_line(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(tmp_path / ("n" * 300))
    assert main(words.replace("NAME", name).replace("OUT", str(tmp_path / "out")).split()) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 or err.splitlines()[-1].startswith("ganvas: ")
    assert "too long" in err.lower()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_argument_points_at_the_help_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "model", "--nonsense"]) == 2
    assert capsys.readouterr().err == "ganvas: unrecognized arguments: --nonsense; see ganvas sample --help\n"
