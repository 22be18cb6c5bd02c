"""A person's own preset: a TOML file with a base and what differs; every mistake in it is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganvas import presets
from ganvas.cli import main
from ganvas.data import peek
from ganvas.errors import InputError
from ganvas.recipes import recipe


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_a_file_starts_from_its_base(tmp_path: Path) -> None:
    name = written(tmp_path, 'base = "biggan-digits"\nabout = "wider"\nG_ch = 24\nG_attention = [8]\nclasses = 10\n')
    row = presets.preset(name)
    assert (row.name, row.paper, row.about, row.classes) == ("mine", "biggan", "wider", 10)
    assert row.published == "none reported", "a score belongs to the row that it was published for"
    base = presets.presets()["biggan-digits"].values
    assert row.values == {**base, "G_ch": 24, "G_attention": (8,)}
    made = recipe(name, peek("digits"), None, {"batch": 16})
    assert (made.preset, made.config.batch, made.config.num_classes) == ("mine", 16, 10)
    assert getattr(made.config, "G_ch") == 24  # noqa: B009


def test_it_trains_and_is_named_after_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = written(tmp_path, 'base = "wgan-gp-toy-small"\nG_width = 16\nD_width = 16\nbatch = 16\n')
    assert main(["train", name, "--images", "96", "--data", "ring8", "--out", str(tmp_path / "run")]) == 0
    assert "training mine on ring8" in capsys.readouterr().err
    assert "# mine" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("G_ch = 24", "base=None given, expected the preset that it starts from"),
        ("base = 3", "base=3 given, expected the preset"),
        ('base = "biggan-cifar"', "base 'biggan-cifar' is not a preset; near it are biggan-cifar10"),
        ('base = "biggan-digits"\nG_chh = 4', "unknown key G_chh for biggan; known keys"),
        ('base = "biggan-digits"\nrgb = "bgpt"', "rgb=bgpt given, but it counts only with deep=true; leave it out"),
        ('base = "biggan-digits"\nG_lr = "fast"', "G_lr: Input should be a valid number"),
        ('base = "biggan-digits"\nabout = 3', "about=3 given, expected words or a count"),
        ('base = "biggan-digits"\nclasses = "ten"', "classes='ten' given, expected words or a count"),
        ('[mine]\nbase = "biggan-digits"', "[mine] given, expected plain lines as base = 'biggan-cifar10'"),
        ("base = ", "cannot be read as TOML"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    assert main(["train", written(tmp_path, text), "--data", "digits", "--out", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nowhere.toml"]) == 2
    assert (
        "nowhere.toml is missing; give a preset's name, or a file that holds base and fields" in capsys.readouterr().err
    )


def test_names_that_are_near() -> None:
    with pytest.raises(InputError, match="unknown preset 'wgan-46'; did you mean wgan-64"):
        presets.preset("wgan-46")
