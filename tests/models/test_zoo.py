"""Models that ship: found by name, packed in half precision; each of them samples and has what made it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import ganvas
from ganvas import reproducing
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.models import folder as model_folder
from ganvas.models import zoo

TINY = {"G_width": 4, "D_width": 4, "dim_z": 4, "batch": 16, "images": 64, "n_critic": 1}
HOW = zoo.Made(
    preset="wgan-gp-digits", data="digits", seed=3, values=TINY, n=64, sets=2, seconds=1.5, hardware="a test"
)
MOST_BYTES = 12_000_000  # of all that ship together


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo") / "run"
    assert reproducing.train(HOW, folder, "cpu") > 0
    return folder


@pytest.fixture
def shipped(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one model, `little`."""
    monkeypatch.setattr(zoo, "SHIPPED", tmp_path / "shipped")
    folder = tmp_path / "shipped" / "little"
    zoo.pack(run, folder, HOW)
    zoo.keep_scores(folder, reproducing.score(folder, HOW))
    return folder


def test_a_name_is_found_and_a_folder_of_that_name_comes_first(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert zoo.names() == ["little"]
    assert zoo.find("little") == zoo.shipped("little") == shipped
    assert zoo.find("else") == Path("else")
    (tmp_path / "little").mkdir()
    assert zoo.find("little") == Path("little")
    with pytest.raises(InputError, match="'else' is not a model that ships; there are little"):
        zoo.shipped("else")


def test_weights_are_halved_and_sample_almost_the_same(shipped: Path, run: Path) -> None:
    assert {value.dtype for name, value in load_file(shipped / "model.safetensors").items() if "num" not in name} == {
        torch.float16
    }
    ours, theirs = ganvas.load("little").sample(4), ganvas.load(run).sample(4)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, atol=2 / 255, rtol=0)
    assert not torch.equal(ours, theirs)


def test_what_half_precision_cannot_hold_stays() -> None:
    state = {
        "big": torch.tensor([1e6]),
        "count": torch.tensor(3),
        "small": torch.tensor([0.1]),
        "none": torch.zeros(0),
    }
    halved = model_folder.halved(state)
    assert {name: value.dtype for name, value in halved.items()} == {
        "big": torch.float32,
        "count": torch.int64,
        "small": torch.float16,
        "none": torch.float16,
    }


def test_only_the_model_is_packed(shipped: Path) -> None:
    assert sorted(path.name for path in shipped.iterdir()) == sorted(
        ["README.md", "config.json", "made.json", "model.safetensors", "samples.png", "scores.json"]
    )
    assert zoo.made(shipped) == HOW
    (shipped / "made.json").write_text("[]")
    with pytest.raises(InputError, match=r"made\.json is damaged"):
        zoo.made(shipped)


def test_the_list_names_size_scores_and_command(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["paper"], row["shape"]) == ("little", "wgan", [1, 16, 16])
    assert row["size_bytes"] == sum(path.stat().st_size for path in shipped.iterdir())
    assert row["scores"] == {score.name: score.value for score in zoo.scores(shipped)}
    assert row["command"].startswith("ganvas train wgan-gp-digits --data digits --seed 3 --set G_width=4 D_width=4 ")
    assert main(["models"]) == 0
    assert "little" in capsys.readouterr().out


def test_names_sample_and_score_from_the_command_line(shipped: Path, tmp_path: Path) -> None:
    assert main(["sample", "little", "-n", "4", "--out", str(tmp_path / "grid.png")]) == 0
    assert main(["evaluate", "little", "--data", "digits", "--metrics", "fid", "-n", "64"]) == 0


def test_training_it_anew_gives_the_same_model(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "little", "--out", str(tmp_path / "again")]) == 0
    tensors = len(load_file(shipped / "model.safetensors"))
    said = capsys.readouterr().out
    assert f"weights: {tensors} of {tensors} tensors equal" in said
    assert f"{zoo.scores(shipped)[0].value:.2f}" in said


def test_another_seed_is_another_model(shipped: Path, tmp_path: Path) -> None:
    (shipped / "made.json").write_text(HOW.model_copy(update={"seed": 4}).model_dump_json())
    found = reproducing.reproduce("little", tmp_path / "again")
    assert found.equal < found.tensors
    assert [score.name for score in found.anew] == [score.name for score in found.shipped]
    assert found.anew[0].value != found.shipped[0].value


@pytest.mark.parametrize("name", zoo.names())
def test_what_ships_samples_and_says_what_made_it(name: str) -> None:
    folder = zoo.shipped(name)
    gan, how = ganvas.load(name), zoo.made(folder)
    assert reproducing.recipe_of(how).config == gan.config
    assert zoo.scores(folder)[0].protocol.reference_hash
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f'---\nlibrary_name: "ganvas"\nlicense: "{zoo.LICENCE}"\n')
    assert name in card.split("```")[1]  # the command names it as it is called here
    if gan.seeds_suffice:
        images = gan.sample(8)
        assert images.std(0).mean() > 0.05  # neither one picture for all nor grey
        assert torch.isfinite(images).all()


def test_all_that_ship_are_small_enough_for_a_wheel() -> None:
    assert sum(path.stat().st_size for path in zoo.SHIPPED.rglob("*") if path.is_file()) < MOST_BYTES
