"""Networks of StyleGAN2-ADA and IC-GAN: whatever their shapes, the configuration read off them rebuilds them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

import ganvas
from ganvas import rng
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.gan import Given
from ganvas.nets.stylegan2 import Discriminator, Generator
from ganvas.pretrained import stylegan2
from tests.pretrained.test_safe_pickle import INERT, attacks

CASES: dict[str, dict[str, Any]] = {
    "plain": {"resolution": 32, "channel_base": 128, "channel_max": 8, "dim_z": 5, "dim_w": 6, "layers": 3},
    "classes": {"resolution": 8, "channel_base": 64, "channel_max": 8, "dim_z": 5, "dim_w": 6, "num_classes": 3},
    "features": {"resolution": 16, "channel_base": 64, "channel_max": 9, "dim_z": 7, "dim_w": 6, "dim_h": 10},
    "both": {
        "resolution": 16, "channel_base": 64, "channel_max": 8, "dim_z": 6, "dim_w": 6, "dim_h": 10, "num_classes": 3,
        "channels": 1, "layers": 2,
    },
}  # fmt: skip


class Foreign(torch.nn.Module):
    """A module of another code base's class, with our names inside."""


def networks(values: dict[str, Any]) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    G_only = {"dim_z", "dim_w", "layers"}
    return Generator(**values), Discriminator(**{k: v for k, v in values.items() if k not in G_only})


@pytest.mark.parametrize("name", CASES)
def test_the_configuration_is_read_off_the_weights(name):
    G, D = networks(CASES[name])
    imported = stylegan2.convert(G.state_dict(), D.state_dict())
    defaults = {"channels": 3, "num_classes": 0, "dim_h": 0, "layers": 8}
    assert imported.values == {**defaults, **CASES[name], "noise": "constant"}
    assert imported.paper == ("icgan_stylegan2" if "dim_h" in CASES[name] else "stylegan2")
    again, D_again = networks({key: value for key, value in imported.values.items() if key != "noise"})
    again.load_state_dict(imported.G)
    D_again.load_state_dict(imported.D)


@pytest.mark.parametrize("resolution", [16, 32])
def test_widths_that_never_leave_the_largest(resolution):
    values = {**CASES["plain"], "resolution": resolution, "channel_base": 1 << 20}
    read = stylegan2.convert(networks(values)[0].state_dict()).values
    assert read["channel_base"] == 8 * resolution
    del read["noise"]
    networks(read)[0].load_state_dict(networks(values)[0].state_dict())


def test_a_pickle_of_foreign_objects(tmp_path):
    G, D = networks(CASES["both"])
    average, _ = networks(CASES["both"])
    with torch.no_grad():
        average.mapping.w_avg.fill_(0.25)
    objects = {name: foreign(network) for name, network in {"G": G, "D": D, "G_ema": average}.items()}
    path = tmp_path / "network.pkl"
    path.write_bytes(pickle.dumps({**objects, "augment_pipe": None, "training_set_kwargs": {"path": "x"}}))
    read = stylegan2.load(path)
    assert read.values == {**CASES["both"], "noise": "constant"}
    for ours, theirs in ((read.G, average.state_dict()), (read.D, D.state_dict())):
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            assert_close(ours[key], value, rtol=0, atol=0)
    assert stylegan2.load(path, "G").G["mapping.w_avg"].tolist() == [0] * 6
    with pytest.raises(InputError, match=r"holds G, D, G_ema.*expected 'G_avg'"):
        stylegan2.load(path, "G_avg")


def foreign(network: torch.nn.Module) -> torch.nn.Module:
    """The same parts under a class that our code does not know."""
    other = Foreign()
    vars(other).update(vars(network))
    return other


def written(path: Path, case: str = "classes") -> tuple[Generator, Generator, Discriminator]:
    """A pickle in the authors' layout.  -> G, its average, D"""
    (G, D), (average, _) = networks(CASES[case]), networks(CASES[case])
    with torch.no_grad():
        for p in average.parameters():
            p.add_(0.1)
        for name, buffer in average.named_buffers():
            if name.endswith("w_avg"):
                buffer.fill_(0.25)
    objects = {name: foreign(network) for name, network in {"G": G, "D": D, "G_ema": average}.items()}
    path.write_bytes(pickle.dumps({**objects, "augment_pipe": None, "training_set_kwargs": {"path": "x"}}))
    return G, average, D


def test_ganvas_import_gives_the_images_of_the_pickle(tmp_path, capsys):
    G, average, D = written(tmp_path / "net.pkl")
    for options, wanted in (([], average), (["--set", "network=G"], G)):
        out = tmp_path / f"model{len(options)}"
        assert main(["import", "stylegan2", str(tmp_path / "net.pkl"), "--out", str(out), *options]) == 0
        gan = ganvas.load(out)
        assert (gan.config.resolution, gan.config.num_classes, gan.config.noise) == (8, 3, "constant")
        z, y = rng.noise([5], 5), torch.tensor([1])
        for psi in (1.0, 0.5):
            theirs = wanted(z, y, noise=wanted.synthesis.constant_noise(), psi=psi).clamp(-1, 1)
            assert_close(gan.sample(1, seed=5, classes=1, truncation=psi), theirs)
        x = torch.rand(4, 3, 8, 8)
        assert_close(gan.D(x, y.expand(4)), D(x, y.expand(4)))
    assert "as published" in (out / "config.json").read_text()


def test_ganvas_import_of_state_dicts_and_of_a_folder(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    _, average, _ = written(tmp_path / "run" / "best-network-snapshot.pkl")
    assert main(["import", "stylegan2", str(tmp_path / "run"), "--out", str(tmp_path / "a")]) == 0
    torch.save(average.state_dict(), tmp_path / "G_ema.pth")
    assert main(["import", "stylegan2", str(tmp_path / "G_ema.pth"), "--out", str(tmp_path / "b")]) == 0
    assert_close(ganvas.load(tmp_path / "a").sample(2), ganvas.load(tmp_path / "b").sample(2))
    assert "D is not among the files" in (tmp_path / "b" / "README.md").read_text()


@pytest.mark.parametrize("name", sorted(set(attacks(Path("x"))) - INERT))
def test_ganvas_import_runs_no_attack_and_leaves_nothing(name, tmp_path, capsys):
    mark = tmp_path / "ran"
    (tmp_path / "evil.pkl").write_bytes(attacks(mark)[name])
    assert main(["import", "stylegan2", str(tmp_path / "evil.pkl"), "--out", str(tmp_path / "model")]) == 2
    said = capsys.readouterr().err.strip()
    assert "evil.pkl" in said
    assert "never run" in said
    assert "\n" not in said
    assert not mark.exists()
    assert not (tmp_path / "model").exists()


def test_an_attack_inside_a_network_is_refused_too(tmp_path, capsys):
    """The file that a person would be sent: whole networks, and beside a weight something that runs."""
    G, _ = networks(CASES["classes"])
    other = foreign(G)
    other.extra = Run(tmp_path / "ran")
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"G": other, "D": None, "G_ema": other}))
    assert main(["import", "stylegan2", str(path), "--out", str(tmp_path / "model")]) == 2
    assert "never run" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "model").exists()


class Run:
    """Pickled, it makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("case", ["features", "both"])
def test_ganvas_import_of_a_g_of_instances(case, tmp_path, capsys):
    """The layout of IC-GAN's snapshots, with and without classes, and its file of stored instances."""
    _, average, _ = written(tmp_path / "best-network-snapshot.pkl", case)
    h = torch.nn.functional.normalize(torch.rand(6, 10, generator=torch.Generator().manual_seed(0)))
    held = {"instance_features": h.numpy(), "labels": np.arange(6) % 3, "image_path": ["x"] * 6}
    np.save(tmp_path / "coco_instance_features.npy", held, allow_pickle=True)
    assert main(["import", "stylegan2", str(tmp_path), "--out", str(tmp_path / "model")]) == 0
    gan = ganvas.load(tmp_path / "model")
    values = CASES[case]
    assert (gan.config.dim_h, gan.config.num_classes, len(gan.stored)) == (10, values.get("num_classes", 0), 6)
    y = torch.tensor([2]) if gan.config.num_classes else None
    theirs = average(rng.noise([5], values["dim_z"]), y, h[:1], average.synthesis.constant_noise()).clamp(-1, 1)
    assert_close(gan.sample(1, seed=5, given=Given(y=y, h=h[:1])), theirs)
    assert gan.sample(2, seed=3).shape[0] == 2, "seeds alone sample it, from the stored instances"


def test_instances_beside_a_g_that_has_none(tmp_path):
    written(tmp_path / "net.pkl")
    np.save(tmp_path / "x_instance_features.npy", np.zeros(3))
    with pytest.raises(InputError, match="not conditioned on instances"):
        stylegan2.read([tmp_path], {})


def test_two_pickles(tmp_path):
    for name in "ab":
        written(tmp_path / f"{name}.pkl")
    with pytest.raises(InputError, match=r"a\.pkl, b\.pkl given, expected one \.pkl file"):
        stylegan2.read([tmp_path], {})


def test_files_of_state_dicts(tmp_path):
    G, D = networks(CASES["features"])
    for name, network in {"G": G, "D": D}.items():
        save_file(network.state_dict(), tmp_path / f"{name}.safetensors")
    read = stylegan2.load(tmp_path / "G.safetensors", D=tmp_path / "D.safetensors")
    assert read.values["dim_h"] == 10
    assert read.D is not None
    assert stylegan2.load(tmp_path / "G.safetensors").D is None


def test_what_our_networks_are_not_is_refused():
    G, D = (network.state_dict() for network in networks(CASES["plain"]))
    strangers = {
        "has a weight 'synthesis.input.freqs'": ({**G, "synthesis.input.freqs": torch.ones(1)}, D),
        "has a weight 'b16.torgb.weight'": (G, {**D, "b16.torgb.weight": torch.ones(1)}),
        r"no 'synthesis.b8.torgb.weight'.*\(skip\)": (without(G, "synthesis.b8.torgb.weight"), D),
        r"no 'b16.skip.weight'.*\(resnet\)": (G, without(D, "b16.skip.weight")),
        "no 'synthesis.b4.const'": (without(G, "synthesis.b4.const"), D),
        "expected .*; only": ({**G, "synthesis.b8.conv1.weight": torch.ones(7, 8, 3, 3)}, D),
        "resolution is 32 in G, 16 in D": (G, networks({**CASES["plain"], "resolution": 16})[1].state_dict()),
    }
    for message, (G_state, D_state) in strangers.items():
        with pytest.raises(InputError, match=message):
            stylegan2.convert(G_state, D_state)


def without(state: dict[str, torch.Tensor], key: str) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state.items() if name != key}
