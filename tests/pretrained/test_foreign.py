"""Reading other people's weight files, and refusing what is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.pretrained.foreign import epsilons, one_set, read_foreign

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.tensor([1.0, 2.0])}


class Harmful:
    """What an old checkpoint may hold: an object that pickle would call a function for."""

    def __reduce__(self):
        return (print, ("this must never be printed",))


def test_every_container(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    np.savez(tmp_path / "a.npz", **{k: v.numpy() for k, v in STATE.items()})
    for ending in ("pth", "pt", "bin"):
        torch.save(STATE, tmp_path / f"a.{ending}")
    for ending in ("safetensors", "npz", "pth", "pt", "bin"):
        assert_close(read_foreign(tmp_path / f"a.{ending}"), STATE)


def test_wrappers(tmp_path):
    torch.save({"state_dict": {f"module.{k}": v for k, v in STATE.items()}, "epoch": 3}, tmp_path / "a.pth")
    assert_close(read_foreign(tmp_path / "a.pth"), STATE)


def test_big_endian_npz(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(3, dtype=">f4"))
    assert_close(read_foreign(tmp_path / "a.npz"), {"a": torch.arange(3.0)})


def test_code_is_never_run(tmp_path, capsys):
    torch.save({"a": Harmful()}, tmp_path / "a.pth")
    np.savez(tmp_path / "a.npz", a=np.array([Harmful()], dtype=object))
    with pytest.raises(InputError, match=r"holds more than tensors \(print\)") as error:
        read_foreign(tmp_path / "a.pth")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_foreign(tmp_path / "a.npz")
    assert "this must never" not in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["safetensors", "npz", "pth"])
def test_damaged_files(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    for content in (b"", b"not a weight file at all", b"PK\x03\x04 and then nothing"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read") as error:
            read_foreign(path)
        assert "\n" not in str(error.value)


def test_a_single_array_under_the_name_of_an_archive(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="a single array"):
        read_foreign(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(3), "holds a Tensor"),
        ({}, "it is empty"),
        ({"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": []}, "'state' is not a tensor"),
    ],
)
def test_what_is_no_state_dict(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match=message):
        read_foreign(tmp_path / "a.pth")


def test_no_file_and_unknown_ending(tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        read_foreign(tmp_path / "a.pth")
    (tmp_path / "a.h5").write_bytes(b"x")
    with pytest.raises(InputError, match="unknown ending"):
        read_foreign(tmp_path / "a.h5")


def is_D(state):
    return "D.weight" in state


def saved(folder, *names):
    """Files of one tensor, of a D where the name begins with D.  -> their paths"""
    for name in names:
        torch.save({f"{'D' if name.startswith('D') else 'G'}.weight": torch.ones(1)}, folder / name)
    return [folder / name for name in names]


def test_a_set_of_files_in_any_order_or_as_their_folder(tmp_path):
    files = saved(tmp_path, "D_ep1.pth", "G_ep1.pth", "G_ema_ep1.pth")
    saved(tmp_path, "G_optim.pth", "state_dict.pth")  # what is passed over
    for given in (files, files[::-1], [tmp_path]):
        found = one_set(given, is_D)
        assert {kind: path.name for kind, (path, _) in found.items()} == {
            "D": "D_ep1.pth", "G": "G_ep1.pth", "G_ema": "G_ema_ep1.pth",
        }  # fmt: skip
        assert list(found["D"][1]) == ["D.weight"]
    assert set(one_set(files[2:], is_D)) == {"G_ema"}


def test_a_set_that_is_none(tmp_path):
    files = saved(tmp_path, "D.pth", "D_copy.pth", "G.pth")
    with pytest.raises(InputError, match=r"D\.pth and D_copy\.pth are both a D; give one of them"):
        one_set(files, is_D)
    with pytest.raises(InputError, match=r"no generator among .*D\.pth; give G_ema\.pth or G\.pth"):
        one_set(files[:1], is_D)


def test_epsilons_are_numbers():
    overrides = {"sn_eps": 1e-8, "bn_eps": 1, "G_ch": 4}
    assert epsilons(overrides, ("sn_eps", "bn_eps", "final_bn_eps")) == {"sn_eps": 1e-8, "bn_eps": 1}
    for wrong in (True, "small", None):
        with pytest.raises(InputError, match=f"--set sn_eps={wrong} given, expected a number as 1e-6"):
            epsilons({"sn_eps": wrong}, ("sn_eps",))
