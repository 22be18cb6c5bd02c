"""The store of features: what stands in it, that it is whole or absent, and that a killed run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganvas.data import Images, Wanted, load, nearest, prepare, store
from ganvas.data.features import prepared
from ganvas.data.instances import load_instances, peek_instances
from ganvas.data.packed import unpack
from ganvas.errors import InputError
from ganvas.features.extractor import Extractor, Features, hash_state
from tests.teams import in_threads


class Corner(Extractor):
    """The pixels themselves, so that an image and its mirror image differ."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.name, self.resize, self.size, self.dim = "corner", "none", 0, 64
        weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("weight", weight)
        self.weights_hash = hash_state({"weight": weight})
        self.looked_at = 0

    def forward(self, images: Tensor) -> Features:
        self.looked_at += len(images)
        return Features(images.flatten(1).float() @ self.weight, None)


@pytest.fixture
def images() -> Images:
    return load("digits")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "BLOCK", 256)
    monkeypatch.setattr(prepare, "INSTANCES", 20)


def made(images: Images, network: Extractor | None = None, k: int = 4, **more: Any) -> store.Store:
    network = network or Corner()
    return prepare.prepare(images, "corner", lambda: network, k, **more)


def test_it_holds_what_it_says(images: Images) -> None:
    found = made(images)
    x = torch.from_numpy(np.array(images.x))
    for view, pixels in enumerate((x, x.flip(-1))):
        exact = torch.nn.functional.normalize(Corner()(pixels).features, dim=1)
        stored = unpack(torch.tensor(found.features[view]), torch.tensor(found.ranges[view]), 64)
        assert float((exact * stored).sum(1).min()) == pytest.approx(1, abs=1e-3)
    exact = torch.nn.functional.normalize(Corner()(x).features, dim=1)
    near, similar = nearest.nearest(lambda a, b: exact[a:b], 1797, 0, 1797, 4)
    assert (np.sort(found.neighbours) == near.sort(1).values.numpy()).mean() > 0.999
    np.testing.assert_allclose(found.radii, nearest.radii(similar), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.instances, exact[np.array(found.instance_rows)], atol=1e-6)
    assert 10 < len(found.instance_rows) <= 20
    m = found.manifest
    assert (m["dim"], m["k"], m["bits"], m["data"]["count"]) == (64, 4, 6, 1797)
    assert m["extractor"] == {
        "features": "corner", "name": "corner", "weights": Corner().weights_hash, "resize": "none", "size": 0,
    }  # fmt: skip
    assert 0.99 < m["worst_cosine"] < 1
    assert set(m["files"]) == {f"{name}.npy" for name in store.ARRAYS}
    assert {path.name for path in found.folder.iterdir()} == {*m["files"], "manifest.json"}
    assert not list(found.folder.parent.glob("*.part"))


def test_it_is_made_once(images: Images) -> None:
    network = Corner()
    first = made(images, network)
    looked = network.looked_at
    assert looked == 2 * 1797
    assert made(images, network).folder == first.folder
    assert made(images, network, k=3).k == 4
    assert network.looked_at == looked


@pytest.mark.parametrize("why", ["weights", "k", "damage", "manifest"])
def test_another_one_is_made_where_it_does_not_serve(why: str, images: Images) -> None:
    first = made(images)
    network, k = Corner(1 if why == "weights" else 0), 5 if why == "k" else 4
    if why == "damage":
        path = first.folder / "features.npy"
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    if why == "manifest":
        (first.folder / "manifest.json").write_text("{")
    second = made(images, network, k)
    assert network.looked_at == 2 * 1797
    assert (second.k, second.extractor["weights"]) == (k, network.weights_hash)


@pytest.mark.parametrize(("stage", "when"), [("features", 512), ("neighbours", 1024), ("instances", 0)])
def test_a_killed_run_goes_on_where_it_was(stage: str, when: int, images: Images) -> None:
    """More than what was finished lies in the files; what was done is not done again; the store is the same."""
    whole = made(images, folder=prepare.user_cache() / "whole")
    network = Corner()

    def kill(what: str, done: int, total: int) -> None:
        if (what, done) == (stage, when):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(images, network, progress=kill)
    place = prepare.place(images, "corner")
    assert store.read(place) is None
    part = place.with_name(f"{place.name}.part")
    for path in part.glob("*.raw"):
        with path.open("ab") as file:
            file.write(b"torn" * 401)  # some rows of a block that was not finished, and a part of one
    before, network.looked_at = network.looked_at, 0
    steps: list[tuple[str, int]] = []
    found = made(images, network, progress=lambda what, done, total: steps.append((what, done)))
    assert before + network.looked_at == 2 * 1797
    assert steps[0] == ("features", min(before // 2, 1797))
    assert found.hash == whole.hash


@pytest.mark.parametrize("killed", [0, 512, 1024])
def test_several_make_what_one_makes(killed: int, images: Images, tmp_path: Path) -> None:
    """Each computes its blocks, also of a store that was begun before; one writes."""
    whole, networks = made(images, folder=tmp_path / "one"), [Corner() for _ in range(3)]

    def kill(what: str, done: int, total: int) -> None:
        if (what, done) == ("features", killed):
            raise KeyboardInterrupt

    if killed:
        with pytest.raises(KeyboardInterrupt):
            made(images, folder=tmp_path / "many", progress=kill)
    found = in_threads(3, lambda team: made(images, networks[team.rank], folder=tmp_path / "many", team=team))
    assert {one.hash for one in found} == {whole.hash}
    starts = range(killed, 1797, 256)
    shares = [sum(min(256, 1797 - start) for start in starts[rank::3]) for rank in range(3)]
    assert [network.looked_at for network in networks] == [2 * share for share in shares]


def test_a_folder_that_others_do_not_see_is_refused(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on machines without a common disk."""
    monkeypatch.setattr(prepare, "begin", lambda work, features: None)
    with pytest.raises(InputError, match=r"not all 2 processes see .*made.part, .*; name a folder that all machines"):
        in_threads(2, lambda team: made(images, folder=tmp_path / "made", team=team))


def test_another_task_does_not_go_on_with_it(images: Images) -> None:
    def kill(what: str, done: int, total: int) -> None:
        if done == 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(images, Corner(0), progress=kill)
    other = Corner(1)
    made(images, other)
    assert other.looked_at == 2 * 1797


def test_with_faiss_it_is_the_same(images: Images) -> None:
    ours = made(images)
    theirs = made(images, folder=prepare.user_cache() / "faiss", search="faiss")
    same = [set(a) == set(b) for a, b in zip(ours.neighbours.tolist(), theirs.neighbours.tolist())]
    assert np.mean(same) > 0.999  # but for similarities that tie in float32


def test_a_folder_of_something_else_is_not_touched(images: Images, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(
        InputError, match="holds something else than a store of features; pass the name of a new folder"
    ):
        made(images, folder=tmp_path)
    with pytest.raises(InputError, match="holds something else"):
        made(images, folder=tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_prepares_what_is_missing_and_says_so(images: Images) -> None:
    said: list[str] = []
    stages: list[str] = []
    wanted = Wanted((1, 8, 8), say=said.append, stage=lambda what, done, total: stages.append(what))
    found = prepared(images, "own", 3, wanted)
    assert said == ["digits has no features own with 3 neighbours yet: preparing them (ganvas prepare)"]
    assert {"training own", "features", "neighbours", "instances"} == set(stages)
    assert found.k == 50
    assert prepared(images, "own", 50, wanted).hash == found.hash
    assert len(said) == 1


def test_the_folder_itself_is_data(tmp_path: Path) -> None:
    images = load("digits")
    folder = tmp_path / "store"
    made(images, folder=folder, path="digits")
    assert peek_instances(str(folder)).name == "digits"
    found = load_instances(str(folder), Wanted((1, 8, 8), options={"features": "corner", "k": 4}))
    assert (len(found), found.feature_dim) == (1797, 64)
    for options, shape, says in (
        ({"features": "own", "k": 4}, (1, 8, 8), "holds features corner, features=own asked for; set corner"),
        ({"features": "corner", "k": 5}, (1, 8, 8), "holds 4 neighbours, k=5 asked for"),
        (
            {"features": "corner", "k": 4},
            (1, 16, 16),
            "of other images than digits at 16 pixels now is .it was made at 8",
        ),
    ):
        with pytest.raises(InputError, match=says):
            load_instances(str(folder), Wanted(shape, options=options))
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(InputError, match="holds no whole store of features"):
        peek_instances(str(folder))
