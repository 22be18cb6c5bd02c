"""Sharing, with the hub's own library against a hub on the loopback; and folders alone, without any network."""

from __future__ import annotations

import builtins
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import ModelCard, constants
from safetensors import safe_open

import ganvas
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.metrics.protocol import Protocol, Score, write_scores
from ganvas.models import card, folder, hub, zoo
from ganvas.papers.biggan import BigGAN
from ganvas.papers.wgan import WGAN
from ganvas.serve.shelf import named
from tests import tiny
from tests.models.hub_server import TOKEN, Hub

SCORE = Score(
    name="FD-own",
    value=1e-08,
    spread=0.5,
    protocol=Protocol(reference="digits", split="train", sample_count=64, settings={"k": 5, "yes": 1e-05}, seeds=(0,)),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with Hub() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def remote(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub, empty, where the library looks for it, with a cache of the test's own and no folder in the way."""
    server.repositories, server.asked, server.status = {}, [], None
    for name, value in {
        "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": True, "HF_HUB_OFFLINE": False,
        "HF_TOKEN_PATH": str(tmp_path / "token"),
    }.items():  # fmt: skip
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return server


def model(name: str = "biggan", **values: Any) -> Any:
    gan = tiny.build(name, **values)
    gan.class_names = [f"kind {k}" for k in range(gan.config.num_classes)]
    return gan.eval()


def told(text: str) -> dict[str, Any]:
    """The head of a card, as YAML readers have it."""
    return yaml.safe_load(text.split("---\n")[1])


# ---- folders
@pytest.mark.parametrize("name", ["biggan", "icgan", "csgan", "adcgan-points", "wgan"])
def test_a_folder_gives_back_the_same_model(name: str, tmp_path: Path) -> None:
    gan = model(name)
    out = gan.save_pretrained(tmp_path / "m", licence="cc-by-4.0", scores=[SCORE])
    again = ganvas.from_pretrained(out, "cpu")
    assert again.config == gan.config
    assert again.class_names == gan.class_names
    for key, value in gan.model_state().items():
        assert torch.equal(value, again.model_state()[key])
    assert {p.name for p in out.iterdir()} >= {"README.md", "config.json", "model.safetensors", "samples.png"}
    assert json.loads((out / "config.json").read_text())["licence"] == "cc-by-4.0"
    assert (out / "instances.safetensors").exists() == (name == "icgan")


@pytest.mark.parametrize("name", ["biggan", "icgan", "csgan", "stylegan2"])
def test_half_precision_is_half_the_file_and_almost_the_same_images(name: str, tmp_path: Path) -> None:
    gan = model(name)
    full, half = gan.save_pretrained(tmp_path / "full"), gan.save_pretrained(tmp_path / "half", half=True)
    sizes = [(out / "model.safetensors").stat().st_size for out in (full, half)]
    assert sizes[1] < 0.65 * sizes[0]  # names and shapes stay
    again = ganvas.load(half, "cpu")
    for key, value in gan.model_state().items():
        found = again.model_state()[key]
        assert found.dtype == value.dtype
        torch.testing.assert_close(found, value, rtol=2**-11, atol=2**-25)
    if gan.seeds_suffice:
        ours, theirs = again.sample(8), gan.sample(8)
    else:
        x = 2 * torch.rand(2, gan.toward("b").channels_in, 8, 8, generator=torch.Generator().manual_seed(0)) - 1
        ours, theirs = again.translate(x), gan.translate(x)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2 / 255)
    assert not torch.equal(ours, theirs)
    assert "weights rounded to float16" in (half / "README.md").read_text()
    assert "rounded" not in (full / "README.md").read_text()
    assert "weights rounded to float16" in (again.save_pretrained(tmp_path / "again") / "README.md").read_text()


def test_what_the_folder_said_is_passed_on(tmp_path: Path) -> None:
    shipped = zoo.shipped("biggan-digits")
    out = ganvas.load("biggan-digits", "cpu").save_pretrained(tmp_path / "m")
    before, after = folder.read(shipped), folder.read(out)
    assert after.model_copy(update={"ganvas": before.ganvas}) == before
    assert folder.read_facts(out) == folder.read_facts(shipped)
    assert folder.scores_in(out) == zoo.scores(shipped)
    assert (out / "samples.png").read_bytes() == (shipped / "samples.png").read_bytes()
    assert card.without_head((out / "README.md").read_text()).startswith("# biggan-digits\n")


def test_a_folder_is_written_anew_and_a_run_never(tmp_path: Path) -> None:
    model("icgan").save_pretrained(tmp_path / "m", scores=[SCORE])
    model("wgan").save_pretrained(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "README.md", "config.json", "model.safetensors", "samples.png",
    ]  # fmt: skip
    assert isinstance(WGAN.from_pretrained(tmp_path / "m", "cpu"), WGAN)
    (tmp_path / "m" / "checkpoints").mkdir()
    with pytest.raises(InputError, match="holds checkpoints, which is no part of a model folder; pass a new folder"):
        model().save_pretrained(tmp_path / "m")


def test_a_paper_loads_its_own(tmp_path: Path) -> None:
    out = model().save_pretrained(tmp_path / "m")
    assert isinstance(BigGAN.from_pretrained(out, "cpu"), BigGAN)
    with pytest.raises(InputError, match=r"is a BigGAN, not a WGAN; load it with ganvas\.load"):
        WGAN.from_pretrained(out, "cpu")


def test_a_model_of_another_config_than_its_folder_says_forgets_the_folder(tmp_path: Path) -> None:
    gan = ganvas.load(model().save_pretrained(tmp_path / "m", licence="mit"), "cpu")
    gan.config = gan.config.model_copy(update={"images": 7})
    assert folder.read(gan.save_pretrained(tmp_path / "n")).config["images"] == 7


# ---- the card
def test_the_head_of_a_card_is_what_the_hub_reads(tmp_path: Path) -> None:
    out = model().save_pretrained(tmp_path / "m", licence="CC-BY-NC-4.0", scores=[SCORE], place="ann/digits")
    read = ModelCard.load(out / "README.md")
    assert (read.data.license, read.data.library_name) == ("cc-by-nc-4.0", "ganvas")
    assert read.data.pipeline_tag == "unconditional-image-generation"
    assert "biggan" in read.data.tags
    (result,) = read.data.eval_results
    assert (result.dataset_name, result.dataset_split, result.metric_name) == ("digits", "train", "FD-own")
    assert (result.metric_value, result.metric_args["settings"]) == (1e-08, {"k": 5, "yes": 1e-05})
    assert (result.metric_args["spread"], result.metric_args["seeds"]) == (0.5, [0])
    assert 'ganvas.load("ann/digits")' in read.text
    assert "- Licence: CC-BY-NC-4.0" in read.text
    assert "FD-own 1e-08 ± 0.5 (64 samples" in read.text


def test_values_of_every_kind_survive_yaml() -> None:
    value = {
        "plain": [1, 2.5, True, None, "no", "1e5", "a: b # c", 'q"\\', "Δ\n"], "empty": {}, "none": [], "on": "off",
        "deep": {"list": [{"a": {"b": [1]}}, {"c": "d"}, {}], "tiny": -1e-07, "large": 1e300}, "1": float("inf"),
    }  # fmt: skip
    assert yaml.safe_load(card.yaml(value)) == value


@pytest.mark.parametrize(
    ("given", "head"),
    [
        ("", {"license": "unknown"}),
        ("Apache 2.0", {"license": "apache-2.0"}),
        ("My (odd) terms", {"license": "other", "license_name": "my-odd-terms"}),
    ],
)
def test_a_licence_is_spelt_as_the_hub_has_it(given: str, head: dict[str, str]) -> None:
    assert card.licence(given) == head


def test_a_score_that_is_no_number_is_no_record(tmp_path: Path) -> None:
    odd = SCORE.model_copy(update={"value": float("nan")})
    text = (model().save_pretrained(tmp_path / "m", scores=[odd]) / "README.md").read_text()
    assert "model-index" not in told(text)


def test_a_card_without_a_head_stays_whole() -> None:
    assert card.without_head("# a\n---\nb\n---\n") == "# a\n---\nb\n---\n"
    assert card.without_head("---\na: 1\n---\n\n# b\n") == "# b\n"


# ---- the hub
def test_what_is_pushed_loads_by_name(remote: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gan = model("icgan")
    assert gan.push_to_hub("ann/odd.model", licence="mit", scores=[SCORE]) == f"{remote.address}/ann/odd.model"
    sha, files = remote.repositories["ann/odd.model"].commits[-1]
    assert sorted(files) == [".gitattributes", *sorted(hub.FILES)]
    assert 'ganvas.load("ann/odd.model")' in files["README.md"].decode()
    for name in ("ann/odd.model", "ann/odd.model@main", f"ann/odd.model@{sha}"):
        again = ganvas.load(name, "cpu")
        assert torch.equal(again.sample(3), gan.sample(3))
    assert again.origin.scores == [SCORE]
    assert main(["sample", "ann/odd.model", "-n", "4", "--out", "grid.png", "--device", "cpu"]) == 0
    at = zoo.find("ann/odd.model")
    assert (hub.called(at), named(at)) == ("ann/odd.model", "ann-odd.model")
    assert not list(Path().glob("ann*"))


def test_a_second_push_takes_away_what_the_first_had(remote: Hub) -> None:
    model("icgan").push_to_hub("ann/m", licence="mit", scores=[SCORE])
    model("wgan").push_to_hub("ann/m", licence="mit")
    assert sorted(remote.repositories["ann/m"].commits[-1][1]) == [
        ".gitattributes", "README.md", "config.json", "model.safetensors", "samples.png",
    ]  # fmt: skip
    assert isinstance(ganvas.load("ann/m", "cpu"), WGAN)


def test_the_command_pushes(remote: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gan = model()
    gan.save_pretrained("m")
    write_scores(tmp_path / "s.json", "m", [SCORE])
    assert main(["push", "m", "ann/m"]) == 2
    assert "no licence is known of this model" in capsys.readouterr().err
    assert main(["push", "m", "ann/m", "--licence", "mit", "--scores", str(tmp_path / "s.json")]) == 0
    assert capsys.readouterr().out == f"{remote.address}/ann/m\n"
    at = zoo.find("ann/m")
    assert folder.scores_in(at) == [SCORE]
    assert main(["push", "m", "ann/h", "--licence", "mit", "--half"]) == 0
    smaller = zoo.find("ann/h") / "model.safetensors"
    assert smaller.stat().st_size < 0.65 * (at / "model.safetensors").stat().st_size
    capsys.readouterr()
    assert main(["push", "m", "ann", "--licence", "mit"]) == 2
    assert "expected USER/NAME" in capsys.readouterr().err


def test_only_our_files_are_fetched_and_weights_come_last(remote: Hub) -> None:
    model().push_to_hub("ann/m", licence="mit")
    repository = remote.repositories["ann/m"]
    repository.commit({**repository.commits[-1][1], "model.pkl": b"cos\nsystem\n", "code.py": b"1/0"})
    remote.asked.clear()
    ganvas.load("ann/m", "cpu")
    assert {p.name for p in zoo.find("ann/m").iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    }
    assert not [line for line in remote.asked if ".pkl" in line or ".py" in line]
    repository.commit({**repository.commits[-1][1], "config.json": b'{"model_type": "bert"}'})
    remote.asked.clear()
    with pytest.raises(InputError, match=r"ann/m of the hub is no model of ganvas: .*paper is missing"):
        ganvas.load("ann/m", "cpu")
    assert not [line for line in remote.asked if "safetensors" in line]


def test_a_folder_comes_first_and_a_folder_of_that_user_means_paths(remote: Hub) -> None:
    model().push_to_hub("ann/m", licence="mit")
    model("wgan").save_pretrained("ann/m")
    assert isinstance(ganvas.load("ann/m", "cpu"), WGAN)
    remote.asked.clear()
    for name in ("ann/other", "runs/m", "a/b/c", "./m", "../m", "/m/n", "m"):
        with pytest.raises(InputError, match="is not a folder; expected a model folder"):
            ganvas.load(name, "cpu")
    assert not remote.asked


def one_line(name: str) -> str:
    with pytest.raises(InputError) as caught:
        ganvas.load(name, "cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_refusals_are_one_line(remote: Hub) -> None:
    model().push_to_hub("ann/m", licence="mit")
    assert "bob/m is neither a folder here nor a model on the hub; check the name" in one_line("bob/m")
    assert "ann/m@v7: the hub has no such revision" in one_line("ann/m@v7")
    assert "ann/m@v1 of the hub has no config.json: it is no model of ganvas" in one_line("ann/m@v1")
    assert "'ann/a--b' is no name of the hub" in one_line("ann/a--b")


def test_a_hub_that_does_not_answer_is_one_line(remote: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    model().push_to_hub("ann/m", licence="mit")
    ganvas.load("ann/m", "cpu")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert ganvas.load("ann/m", "cpu").config.resolution == 8  # of the cache
    assert "ann/n is not a folder here, not in the hub's cache, and the hub cannot be reached" in one_line("ann/n")
    with pytest.raises(InputError, match="could not be written to the hub: HF_HUB_OFFLINE is set"):
        model().push_to_hub("ann/m", licence="mit")


def test_a_hub_in_trouble_is_one_line(remote: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.status = 503
    assert "ann/m could not be fetched from the hub: it answers 503; try again later" in one_line("ann/m")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert "ann/m is not a folder here, not in the hub's cache, and the hub cannot be reached" in one_line("ann/m")


def test_no_right_to_write_is_one_line(remote: Hub) -> None:
    with pytest.raises(InputError, match="ann/m could not be written to the hub: it does not allow it; run") as caught:
        model().push_to_hub("ann/m", licence="mit", token="hf_of_another")
    assert "\n" not in str(caught.value)


def test_without_the_library_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "huggingface_hub":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.chdir(tmp_path)
    assert re.search(r"ann/m is not a folder here; .* pip install 'ganvas\[hub\]'", one_line("ann/m"))
    with pytest.raises(InputError, match=r"to push ann/m, huggingface_hub is needed; pip install 'ganvas\[hub\]'"):
        model().push_to_hub("ann/m", licence="mit")
    model().save_pretrained("m")  # folders need no library


def test_weights_of_a_folder_are_safetensors_alone(tmp_path: Path) -> None:
    out = model().save_pretrained(tmp_path / "m")
    with safe_open(out / "model.safetensors", "pt") as file:
        assert file.metadata()["images_seen"] == "0"
    assert {p.suffix for p in out.iterdir()} == {".md", ".json", ".safetensors", ".png"}
