"""Several processes score as one does: each makes and looks at its batches, the first one puts them together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.cli import main
from ganvas.data import store
from ganvas.errors import InputError
from ganvas.metrics.reference import look
from ganvas.models import folder as model_folder
from ganvas.models.folder import Description
from tests import tiny
from tests.engine import together
from tests.metrics.conftest import Pixels
from tests.teams import in_threads

METRICS = "fid,kid,is,prdc,intra_fid,memorisation"
SCORED = ("images", "fewer batches than processes", "points", "folders", "translations")


def model(path: Path, form: str, **values: Any) -> Path:
    """The folder of a model that was never trained."""
    gan = tiny.build(form, **values)
    path.mkdir()
    names = [str(k) for k in range(gan.config.num_classes)]
    paper = tiny.TINY[form][0]
    model_folder.write(gan, path, Description(paper=paper, config=gan.config.counting(), class_names=names), {}, "")
    return path


def pictures(folder: Path, seed: int, count: int, side: int = 8) -> Path:
    """Files of noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is done by one and by two; "OUT" stands for where."""
    world = tmp_path_factory.mktemp("world")
    for split, count in (("train", 60), ("test", 30)):
        for k in range(3):
            pictures(world / "data" / split / str(k), 10 * k + count, count)
    for name, seed in (("A", 3), ("B", 4)):
        pictures(world / "pairs" / "train" / name, seed, 300)
    a, b = pictures(world / "a", 1, 70, 16), pictures(world / "b", 2, 70, 16)
    rng = np.random.default_rng(5)  # two blocks and a bit of what is prepared
    np.savez(world / "blocks.npz", x=rng.integers(0, 256, (2100, 4, 4), dtype=np.uint8), y=np.arange(2100) % 2)
    how = ["--device", "cpu", "--json", "OUT.json"]
    scored = ["evaluate", str(model(world / "model", "sagan")), "--data", str(world / "data"), *how]
    points = model(world / "points", "wgan", resolution=0, channels=2, G_net="toy", D_net="toy")
    mapped = model(world / "mapped", "csgan")
    return {
        "images": [*scored, "--metrics", METRICS, "--standing", "2", "-n", "150", "--seeds", "2"],
        "fewer batches than processes": [*scored, "--metrics", "fid", "-n", "40", "--intervals", "20"],
        "points": ["evaluate", str(points), "--data", "ring8", "-n", "500", "--metrics", "modes", *how],
        "folders": ["evaluate", str(a), "--data", str(b), "--metrics", "mse,ssim", *how],
        "translations": [
            "evaluate", str(mapped), "--data", str(world / "pairs"), "--split", "train", "--metrics", "mse,psnr", *how,
        ],
        "store": ["prepare", str(world / "blocks.npz"), "--device", "cpu", "-k", "5", "--out", "OUT"],
    }  # fmt: skip


def given(command: list[str], name: str, folder: Path) -> list[str]:
    return [word.replace("OUT", str(folder / name)) if word.startswith("OUT") else word for word in command]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, commands: dict[str, list[str]]) -> Path:
    """What two processes leave, with a cache of their own."""
    folder = tmp_path_factory.mktemp("two")
    words = [word for name, command in commands.items() for word in [*given(command, name, folder), ";"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANVAS_CACHE", str(folder / "cache"))
        together.start(2, folder, run=words)
    return folder


@pytest.mark.parametrize("name", SCORED)
def test_scores_of_two_processes_are_those_of_one(
    name: str, two: Path, commands: dict[str, list[str]], tmp_path: Path
) -> None:
    """Values, spreads, intervals and protocols with the hash of the reference, as they are written: no bit differs."""
    assert main(given(commands[name], name, tmp_path)) == 0
    one, many = (json.loads((folder / f"{name}.json").read_text()) for folder in (tmp_path, two))
    assert one["scores"]
    assert json.dumps(many) == json.dumps(one)


def test_a_store_of_two_processes_is_that_of_one(two: Path, commands: dict[str, list[str]], tmp_path: Path) -> None:
    assert main(given(commands["store"], "store", tmp_path)) == 0
    one, many = store.expect(tmp_path / "store"), store.expect(two / "store")
    assert many.hash == one.hash
    assert np.array_equal(many.neighbours, one.neighbours)
    assert not list(two.glob("*.part"))


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_the_first_one_has_seen_all_in_order(count: int) -> None:
    """With more and with fewer batches than processes; the others have nothing, and each has looked at its own."""
    rng = torch.Generator().manual_seed(0)
    batches = [
        (
            torch.randint(0, 256, (n, 1, 2, 2), generator=rng, dtype=torch.uint8),
            torch.randint(0, 9, (n,), generator=rng),
        )
        for n in range(1, count + 1)
    ]
    needs = frozenset({"moments", "features", "logits", "labels", "images"})
    one, networks = look(batches, Pixels(dim=4), needs), [Pixels(dim=4) for _ in range(3)]
    found = in_threads(3, lambda team: look(team.mine(batches), networks[team.rank], needs, team=team))
    assert [seen.count for seen in found] == [one.count, 0, 0]
    assert [network.calls for network in networks] == [sum(range(rank + 1, count + 1, 3)) for rank in range(3)]
    assert found[0].fingerprint == one.fingerprint
    for name in ("features", "logits", "labels", "images"):
        assert torch.equal(getattr(found[0], name), getattr(one, name)), name
    if count > 1:
        assert torch.equal(found[0].moments.covariance, one.moments.covariance)


def test_other_data_in_another_process_are_refused() -> None:
    with pytest.raises(InputError, match=r"process 1 of 2 finds another data set under the name x than the first one;"):
        in_threads(2, lambda team: team.must_share(str(team.rank), "data set under the name x"))
