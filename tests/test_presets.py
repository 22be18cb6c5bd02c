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
        ('base = "biggan-digits"\nG_lr = "fast"', "G_lr='fast' given, expected a valid number"),
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


# a table as those of papers/presets, with everything that merging has to decide
TABLE = {
    "_shared": {"about": "what two have in common", "G_lr": 1.0, "batch": 8, "published": "of none"},
    "_other": {"D_lr": 2.0, "batch": 16, "G_attention": [8, 4]},
    "scored": {"base": "_shared", "about": "the row with a score", "published": "FID 3", "classes": 10},
    "child": {"base": "scored", "G_lr": 3.0},
    "two": {"base": ["_shared", "_other"], "data": "digits"},
    "turned": {"base": ["_other", "_shared"]},
}


def test_later_bases_win_and_the_row_itself_over_all() -> None:
    rows = {name: presets._resolved(name, "wgan", TABLE) for name in TABLE}
    assert rows["two"].values == {"G_lr": 1.0, "D_lr": 2.0, "batch": 16, "G_attention": (8, 4)}
    assert rows["turned"].values == {"G_lr": 1.0, "D_lr": 2.0, "batch": 8, "G_attention": (8, 4)}
    assert rows["child"].values == {"G_lr": 3.0, "batch": 8}
    assert (rows["two"].data, rows["two"].classes, rows["two"].paper) == ("digits", 0, "wgan")
    assert TABLE["child"] == {"base": "scored", "G_lr": 3.0}, "and the table stays as it was"


def test_a_score_stays_with_the_row_that_it_was_published_for() -> None:
    rows = {name: presets._resolved(name, "wgan", TABLE) for name in TABLE}
    assert rows["scored"].published == "FID 3"
    assert rows["child"].published == "none reported"
    assert (rows["child"].about, rows["child"].classes) == ("the row with a score", 10)
    assert rows["two"].published == "of none", "what presets have in common may say where all of them stand"


def test_names_for_base_alone_and_the_sizes_are_no_presets() -> None:
    assert not [name for name in presets.presets() if name.startswith("_") or name == "fits"]


def test_which_fields_are_a_persons_own(tmp_path: Path) -> None:
    text = 'base = "biggan-digits"\nabout = "a"\nsource = "s"\ndata = "d"\npublished = "p"\nclasses = 3\nG_ch = 8\n'
    assert presets.own_fields(Path(written(tmp_path, text))) == {"G_ch"}


def test_a_person_may_say_all_but_the_score(tmp_path: Path) -> None:
    text = 'base = "biggan-cifar10"\nsource = "s"\ndata = "d"\npublished = "FID 1"\n'
    row = presets.preset(written(tmp_path, text))
    base = presets.presets()["biggan-cifar10"]
    assert (row.source, row.data, row.published) == ("s", "d", "none reported")
    assert (row.about, row.classes) == (base.about, base.classes)


@pytest.mark.parametrize(
    ("resolution", "name"),
    [(1, "biggan-digits"), (16, "biggan-digits"), (17, "biggan-cifar10"), (96, "biggan-64"), (97, "biggan-128"),
     (384, "biggan-256"), (385, "biggan-512"), (4096, "biggan-512"), (0, "biggan-64")],
)  # fmt: skip
def test_a_bare_name_is_the_first_row_that_is_not_below_the_data(resolution: int, name: str) -> None:
    assert presets.fitting("biggan", resolution, points=False) == name
