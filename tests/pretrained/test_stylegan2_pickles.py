"""Networks of StyleGAN2-ADA and IC-GAN: whatever their shapes, the configuration read off them rebuilds them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets.stylegan2 import Discriminator, Generator
from ganvas.pretrained import stylegan2

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
    assert imported.values == {**defaults, **CASES[name]}
    assert imported.paper == ("icgan" if "dim_h" in CASES[name] else "stylegan2")
    again, D_again = networks(imported.values)
    again.load_state_dict(imported.G)
    D_again.load_state_dict(imported.D)


@pytest.mark.parametrize("resolution", [16, 32])
def test_widths_that_never_leave_the_largest(resolution):
    values = {**CASES["plain"], "resolution": resolution, "channel_base": 1 << 20}
    read = stylegan2.convert(networks(values)[0].state_dict()).values
    assert read["channel_base"] == 8 * resolution
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
    assert read.values == CASES["both"]
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
