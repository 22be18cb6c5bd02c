"""Generators as files for other programs: the same images, any number of rows, any size where the model has none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.gan import Given, Request
from ganvas.models import export as exporting
from ganvas.models.export import export
from tests import tiny
from tests.serve.conftest import write

CLOSE = {"atol": 1e-4, "rtol": 0}


def ran(path: Path, **inputs: torch.Tensor) -> torch.Tensor:
    """What an ONNX file makes of inputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == list(inputs)
    return torch.from_numpy(session.run(["images"], {name: t.numpy() for name, t in inputs.items()})[0])


def test_onnx_of_a_model_with_classes(tmp_path: Path) -> None:
    gan = tiny.build("biggan").eval()
    gan.class_names = ["a", "b", "c"]
    made = export(gan, tmp_path / "g.onnx", "onnx", about={"paper": "biggan"})
    assert made.inputs == {"z": ["n", 4], "y": ["n"], "truncation": []}
    assert made.difference <= exporting.TOLERANCE
    request = Request([5, 6, 7, 8, 9], Given(y=torch.tensor([2, 0, 1, 1, 2])))
    code = gan.code(request)
    free = torch.tensor(exporting.FREE)
    x = ran(tmp_path / "g.onnx", z=code.z, y=request.given.y, truncation=free)  # type: ignore[arg-type]
    torch.testing.assert_close(x, gan.decode(code), **CLOSE)
    clamped = gan.code(Request(request.seeds, request.given, 0.3, "clamp"))
    x = ran(tmp_path / "g.onnx", z=code.z, y=request.given.y, truncation=torch.tensor(0.3))  # type: ignore[arg-type]
    torch.testing.assert_close(x, gan.decode(clamped), **CLOSE)
    import onnx

    said = {one.key: one.value for one in onnx.load(str(tmp_path / "g.onnx")).metadata_props}
    assert json.loads(said["classes"]) == ["a", "b", "c"]
    assert said["paper"] == "biggan"


def test_onnx_of_a_model_of_pairs_takes_any_size(tmp_path: Path) -> None:
    gan = tiny.build("csgan").eval()
    made = export(gan, tmp_path / "g.onnx", "onnx", "a")
    assert made.inputs == {"image": ["n", 1, "height", "width"]}
    image = torch.rand(2, 1, 20, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(ran(tmp_path / "g.onnx", image=image), gan.toward("a")(image), **CLOSE)


@pytest.mark.parametrize("name", ["icgan", "unetgan"])
def test_torch_export_is_the_model(tmp_path: Path, name: str) -> None:
    gan = tiny.build(name).eval()
    made = export(gan, tmp_path / "g.pt2", "torch")
    assert ("y" in made.inputs, "h" in made.inputs) == (bool(gan.config.num_classes), name == "icgan")
    with (tmp_path / "g.pt2").open("rb") as file:
        module = torch.export.load(file).module()
    given = exporting.Sampler(gan).example(6, 3)
    asked = dict(zip(made.inputs, given))
    z = asked["z"].clamp(-asked["truncation"], asked["truncation"])
    code = gan.code(Request([0] * 6, Given(y=asked.get("y"), h=asked.get("h"))))
    with torch.no_grad():
        torch.testing.assert_close(module(*given), gan.decode(replace(code, z=z)), **CLOSE)


def test_a_file_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny.build("wgan-gp").eval()
    (tmp_path / "g.pt2").write_text("what was there")
    monkeypatch.setattr(exporting, "write_torch", lambda *_: lambda *given: torch.zeros(len(given[0]), 1, 8, 8) + 1)
    with pytest.raises(InputError, match="differs by"):
        export(gan, tmp_path / "g.pt2", "torch")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["what was there"]


def test_what_has_no_form_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no form in torch\.export"):
        export(tiny.build("logan-sngan").eval(), tmp_path / "g.pt2", "torch")  # it steps along a gradient
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--out", "g.onnx", "--to", "torch"], ".pt2"), (["--out", "g.onnx", "--domain", "a"], "leave it out")],
)
def test_wrong_options_are_one_line(
    options: list[str], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    write("wgan-gp", tmp_path / "model")
    assert main(["export", "model", *options]) == 2
    assert word in capsys.readouterr().err


def test_the_command_says_what_the_file_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("wgan-gp", tmp_path / "model")
    assert main(["export", str(tmp_path / "model"), "--to", "torch", "--out", str(tmp_path / "g.pt2")]) == 0
    out = capsys.readouterr().out
    assert "input z: n x 4" in out
    assert "largest difference" in out
