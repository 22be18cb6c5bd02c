"""Codes as files: written and read again, refused where they do not fit a model, in another class."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganvas import codes, rows
from ganvas.errors import InputError
from ganvas.gan import Code, Given, Request
from tests import tiny


@pytest.mark.parametrize("name", ["biggan", "wgan", "logan-sngan", "unetgan-selfmod"])
def test_codes_come_back_row_by_row(name: str, tmp_path: Path) -> None:
    gan = tiny.build(name).eval()
    code = codes.template(gan, 3)
    for i, part in enumerate(rows.parts(code, 2)):
        codes.save(part, tmp_path / f"{i}.safetensors")
    back = codes.load(gan, [tmp_path / "0.safetensors", tmp_path / "1.safetensors"])
    assert type(back) is type(code)
    found, wanted = codes.tensors_of(back), codes.tensors_of(code)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) and found[key].dtype == wanted[key].dtype for key in wanted)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    gan, path = tiny.build("sagan"), tmp_path / "code.safetensors"
    with pytest.raises(InputError, match="is missing"):
        codes.load(gan, [path])
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="is no code file"):
        codes.load(gan, [path])
    save_file({"z": torch.zeros(1, 4)}, path)
    with pytest.raises(InputError, match="says format=None; expected ganvas-code-1"):
        codes.load(gan, [path])
    for code in (
        Code(torch.zeros(1, 5), torch.zeros(1, 3)),
        Code(torch.zeros(1, 4)),
        Code(torch.zeros(0, 4), torch.zeros(0, 3)),
    ):
        codes.save(code, path)
        with pytest.raises(InputError, match="a code of this model"):
            codes.load(gan, [path])
    codes.save(Code(torch.full((1, 4), torch.nan), torch.zeros(1, 3)), path)
    with pytest.raises(InputError, match="not finite"):
        codes.load(gan, [path])
    with pytest.raises(InputError, match="images of images"):
        codes.load(tiny.build("csgan"), [path])


def test_another_class_keeps_the_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny.build("sagan").eval()
    code = gan.code(Request([7, 8], Given(y=torch.tensor([0, 1]))))
    other = codes.with_class(gan, code, torch.tensor([2, 2]))
    assert torch.equal(other.z, code.z)
    assert other.c.argmax(1).tolist() == [2, 2]
    monkeypatch.setattr(type(gan), "projected", ("z", "c"))
    with pytest.raises(InputError, match="holds the class"):
        codes.with_class(gan, code, torch.tensor([0, 0]))


def test_another_class_changes_the_class_alone() -> None:
    """LOGAN's code also holds which entries may move, drawn from the seed."""
    gan = tiny.build("logan", mask="element_random").eval()
    code = gan.code(Request([7, 8], Given(y=torch.tensor([0, 1]))))
    other = codes.with_class(gan, code, torch.tensor([2, 1]))
    before, after = codes.tensors_of(code), codes.tensors_of(other)
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["y"]
    assert after["y"].argmax(1).tolist() == [2, 1]
    assert "mask" in before


def test_a_class_in_w_is_no_field_of_its_own() -> None:
    """StyleGAN2's code holds noise beside w: other noise is no other class."""
    gan = tiny.build("stylegan2").eval()
    code = gan.code(Request([7], Given(y=torch.tensor([0]))))
    assert code.noise is not None
    with pytest.raises(InputError, match="is ws alone, which holds the class; leave the class out"):
        codes.with_class(gan, code, torch.tensor([1]))
    assert codes.of_class(gan, 1, torch.tensor([1])) == {}
    assert codes.of_class(tiny.build("wgan"), 1, None) == {}
