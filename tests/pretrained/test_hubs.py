"""The two published formats: our networks with converted weights against the originals' images (fixtures/hubs.npz)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_recipe import DEEP_CONFIG, deep_state, hub_variables, noise
from torch import nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import biggan, biggan_deep
from ganvas.pretrained import biggan_deep_hub, biggan_hub
from ganvas.pretrained.foreign import Imported


@pytest.fixture(scope="module")
def theirs() -> dict[str, torch.Tensor]:
    with np.load(Path(__file__).parent / "fixtures" / "hubs.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file}


@pytest.fixture(scope="module")
def deep() -> dict[str, torch.Tensor]:
    return deep_state()


def generator(imported: Imported) -> nn.Module:
    values = imported.values
    shared = ("resolution", "channels", "num_classes", "dim_z", "shared_dim", "sn_eps", "bn_eps", "final_bn_eps")
    kwargs = {key: values[key] for key in shared}
    kwargs |= {"ch": values["G_ch"], "attention": values["G_attention"], "sn": values["G_sn"], "init": "none"}
    if values["deep"]:
        G: nn.Module = biggan_deep.Generator(**kwargs, rgb=values["rgb"])
    else:
        G = biggan.Generator(**kwargs, hier=values["hier"])
    G.double().load_state_dict(imported.G)
    return G.eval()


def images(G: nn.Module, dim_z: int) -> torch.Tensor:
    with torch.no_grad():
        return G(noise("z", (2, dim_z)), G.shared(torch.tensor([1, 5])))[:, :, ::8, ::8].float()


@pytest.mark.parametrize("bake", [False, True])
@pytest.mark.parametrize("name", ["whole", "grid", "between"])
def test_deep_images(name, bake, deep, theirs):
    # Between two rows the original swaps the weights of its interpolation: its 0.405 is ours at 0.415.
    truncation = {"whole": 1.0, "grid": 0.4, "between": 0.415}[name]
    imported = biggan_deep_hub.convert(deep, DEEP_CONFIG, truncation, bake)
    assert theirs[f"deep.{name}"].std() > 0.1
    assert_close(images(generator(imported), 6), theirs[f"deep.{name}"], rtol=1e-5, atol=1e-5)


def test_deep_statistics_can_be_changed_later(deep, theirs):
    imported = biggan_deep_hub.convert(deep, DEEP_CONFIG)
    G = generator(imported)
    G.load_state_dict(biggan_deep_hub.at_truncation(imported.statistics, 0.4), strict=False)
    assert_close(images(G, 6), theirs["deep.grid"], rtol=1e-5, atol=1e-5)


def test_deep_statistics_come_as_a_part_of_their_own(deep):
    """Modules cannot have dots in the names of their buffers."""
    imported = biggan_deep_hub.convert(deep, DEEP_CONFIG)
    assert imported.values["statistics"] == 51
    rows = imported.parts["hub"]
    assert rows.keys() == {key.replace(".", "/") for key in imported.statistics}
    assert all(rows[key.replace(".", "/")] is value for key, value in imported.statistics.items())
    assert imported.presets == ("biggan-deep",)
    assert biggan_hub.convert(hub_variables()).presets == ("biggan",)
    assert "statistics" not in biggan_hub.convert(hub_variables()).values


def test_deep_needs_its_halves_swapped(deep, theirs):
    """The trap: with [z, y] taken for [y, z] every image is another."""
    imported = biggan_deep_hub.convert(deep, DEEP_CONFIG)
    for key, value in imported.G.items():
        if "weight" in key and (key.startswith("linear") or ".gain." in key or ".bn" in key):
            imported.G[key] = value.roll(6, 1)
    assert (images(generator(imported), 6) - theirs["deep.whole"]).abs().max() > 0.1


def test_deep_with_u_that_has_not_converged(deep):
    """Then only baked weights are the original's: W / (u^T W v) with the vectors as stored."""
    state = dict(deep)
    u, v = noise("u", (8,)), noise("v", (72,))
    state["generator.conv_to_rgb.weight_u"], state["generator.conv_to_rgb.weight_v"] = u / u.norm(), v / v.norm()
    assert any("bake" in note for note in biggan_deep_hub.convert(state, DEEP_CONFIG).notes)
    baked = biggan_deep_hub.convert(state, DEEP_CONFIG, bake=True)
    weight = state["generator.conv_to_rgb.weight_orig"]
    sigma = state["generator.conv_to_rgb.weight_u"] @ weight.flatten(1) @ state["generator.conv_to_rgb.weight_v"]
    assert_close(baked.G["output_layer.2.weight"], weight / sigma)
    assert not any(key.endswith("u0") for key in baked.G)


@pytest.mark.parametrize("truncation", [0.14, 0.28, 0.56, 0.58, 0.94, 0.02, 1.0])
def test_grid_values_hit_their_row(truncation):
    rows = torch.arange(51.0)[:, None]
    assert biggan_deep_hub.interpolated(rows, truncation).item() == round(50 * truncation)


def test_between_rows():
    rows = torch.arange(51.0)[:, None] ** 2
    assert_close(biggan_deep_hub.interpolated(rows, 0.405), torch.tensor([0.75 * 400 + 0.25 * 441]))


@pytest.mark.parametrize("truncation", [0.0, 1.2, -0.5])
def test_impossible_truncation(truncation, deep):
    with pytest.raises(InputError, match=r"expected a number in \(0, 1\]"):
        biggan_deep_hub.convert(deep, DEEP_CONFIG, truncation)


def test_deep_folder(tmp_path, deep):
    with pytest.raises(InputError, match=r"no pytorch_model\.bin"):
        biggan_deep_hub.load(tmp_path)
    torch.save(deep, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no config\.json"):
        biggan_deep_hub.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(DEEP_CONFIG))
    loaded = biggan_deep_hub.load(tmp_path)
    assert loaded.values["resolution"] == 128
    assert_close(loaded.G, biggan_deep_hub.convert(deep, DEEP_CONFIG).G)


def test_hub_images(theirs):
    imported = biggan_hub.convert(hub_variables())
    assert imported.values["dim_z"] == 120
    assert imported.values["num_classes"] == 7
    assert theirs["hub"].std() > 0.1
    assert_close(images(generator(imported), 120), theirs["hub"], rtol=1e-5, atol=1e-5)


def test_hub_file_and_names_without_device(tmp_path):
    variables = hub_variables()
    np.savez(tmp_path / "hub.npz", **{name.removesuffix(":0"): value.numpy() for name, value in variables.items()})
    assert_close(biggan_hub.load(tmp_path / "hub.npz").G, biggan_hub.convert(variables).G)


def test_hub_of_something_else(deep):
    with pytest.raises(InputError, match="0 blocks"):
        biggan_hub.convert(deep)
    with pytest.raises(InputError, match=r"no 'embeddings\.weight'"):
        biggan_deep_hub.convert(hub_variables(), DEEP_CONFIG)


def larger(more: int) -> dict[str, torch.Tensor]:
    """The module's variables with so many more blocks, each a copy of the last: 128, 256 or 512 pixels."""
    variables = hub_variables()
    for i in range(more):
        last = {key: value for key, value in variables.items() if f"GBlock_{4 + i}/" in key}
        variables |= {key.replace(f"GBlock_{4 + i}/", f"GBlock_{5 + i}/"): value for key, value in last.items()}
    return variables


@pytest.mark.parametrize(
    ("more", "resolution", "attention", "final"), [(0, 128, 64, 1e-4), (1, 256, 128, 1e-4), (2, 512, 64, 1e-5)]
)
def test_what_no_hub_file_says(more, resolution, attention, final):
    imported = biggan_hub.convert(larger(more))
    values = imported.values
    assert (values["resolution"], values["G_attention"]) == (resolution, [attention])
    assert (values["sn_eps"], values["bn_eps"], values["final_bn_eps"]) == (1e-4, 1e-4, final)
    place = {64: 3, 128: 4}[attention]  # block i makes 8, 16, 32, ... pixels
    assert {key.split(".")[1] for key in imported.G if ".1.theta." in key} == {str(place)}


def test_deep_weights_are_baked_unless_they_are_to_be_trained(tmp_path, deep):
    torch.save(deep, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(DEEP_CONFIG))
    files = [tmp_path / "config.json", tmp_path / "pytorch_model.bin"]
    for given in ([tmp_path], files, files[1:]):
        for overrides, trainable in (({}, False), ({"G_sn": False}, False), ({"G_sn": True}, True)):
            imported = biggan_deep_hub.read(given, overrides)
            assert imported.values["G_sn"] is trainable
            assert any(key.endswith("u0") for key in imported.G) is trainable
