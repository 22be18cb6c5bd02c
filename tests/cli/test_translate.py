"""`ganvas translate`, `check` and `evaluate` on pairs, and a run on them, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import translation
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.ops.pixels import to_float, to_uint8
from tests import tiny
from tests.data.make import picture

TINY = [
    "--set", "G_width=2", "D_width=2", "num_blocks=1", "num_layers=1", "batch=2", "pool=3", "--device", "cpu",
    "--seed", "3",
]  # fmt: skip


def pairs(root: Path, names: str = "abcdefghijkl", split: str = "train", side: int = 16) -> Path:
    """Grey A, coloured B."""
    for i, name in enumerate(names):
        picture(root / f"{split}A" / f"{name}.png", i, (side, side), mode="L")
        picture(root / f"{split}B" / f"{name}.png", 100 + i, (side, side))
    return root


def opened(path: Path) -> np.ndarray:
    """A picture as an array."""
    with Image.open(path) as image:
        return np.asarray(image)


def train(data: Path, out: Path, *more: str, preset: str = "csgan") -> int:
    return main(["train", preset, "--data", str(data), "--resolution", "16", *TINY, *more, "--out", str(out)])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four iterations on pairs."""
    root = tmp_path_factory.mktemp("translate")
    assert train(pairs(root / "data"), root / "run", "--images", "8") == 0
    return root / "run"


def test_a_run_scores_held_out_pairs_and_chooses_by_ssim(model: Path) -> None:
    lines = [json.loads(line) for line in (model / "train.jsonl").read_text().splitlines()]
    scores = next(line for line in lines if "score/SSIM" in line)
    assert {f"score/{name}{way}" for name in ("SSIM", "PSNR", "MSE") for way in ("", "-to-a")} <= scores.keys()
    best = max(line["score/SSIM"] for line in lines if "score/SSIM" in line)
    assert f"SSIM {best:.5g}" in (model / "best" / "README.md").read_text()
    described = json.loads((model / "config.json").read_text())
    assert described["preprocessing"]["held_out"] == "every 10th of train"
    assert (described["training"]["fit"], described["training"]["score"]) == ("stretch", "ssim")
    assert described["data"]["count"] == 10
    assert "ganvas translate . IMAGES" in (model / "README.md").read_text()


def test_a_pair_model_is_evaluated_on_what_was_held_out(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = model.parent / "data"
    assert main(["evaluate", str(model), "--data", str(data), "--json", str(tmp_path / "s.json")]) == 0
    scores = {s["name"]: s for s in json.loads((tmp_path / "s.json").read_text())["scores"]}
    assert list(scores) == ["SSIM", "PSNR", "MSE", "SSIM-to-a", "PSNR-to-a", "MSE-to-a"]
    assert scores["MSE"]["protocol"]["sample_count"] == 2
    assert scores["MSE"]["protocol"]["split"] == "every tenth of train"
    gan = ganvas.load(model, "cpu")
    errors = []
    for name in ("a", "k"):  # rows 0 and 10
        made = np.asarray(gan.translate(data / "trainA" / f"{name}.png"), np.float64)
        truth = opened(data / "trainB" / f"{name}.png").astype(np.float64)
        errors.append(((made - truth) ** 2).mean() / 255**2)
    assert scores["MSE"]["value"] == pytest.approx(np.mean(errors), rel=1e-3)
    assert main(["evaluate", str(model), "--data", str(data), "--metrics", "fid"]) == 2
    assert "run ganvas translate, and evaluate the folder" in capsys.readouterr().err


def test_files_folders_and_patterns(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, size in (("in/one.png", (21, 13)), ("in/deep/two.jpg", (16, 16)), ("single.png", (9, 30))):
        picture(tmp_path / name, 1, (size[1], size[0]))
    out = tmp_path / "out"
    command = ["translate", str(model), str(tmp_path / "in"), str(tmp_path / "sing*.png"), "--out", str(out), "--html"]
    assert main([*command, "--device", "cpu"]) == 0
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.*")) == [
        "deep/two.png", "index.html", "one.png", "single.png",
    ]  # fmt: skip
    expected = ganvas.load(model, "cpu").translate(tmp_path / "in/one.png")
    assert (expected.mode, expected.size) == ("RGB", (13, 21)), "an image keeps its size"
    np.testing.assert_array_equal(opened(out / "one.png"), np.asarray(expected))
    page = (out / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 6
    assert "http" not in page
    before = (out / "one.png").read_bytes()
    assert main([*command, "--to", "a", "--device", "cpu"]) == 2
    assert "and 3 more; pass --overwrite" in capsys.readouterr().err
    assert (out / "one.png").read_bytes() == before
    assert main([*command, "--to", "a", "--device", "cpu", "--overwrite", "--resize"]) == 0
    assert opened(out / "one.png").shape == (16, 16)


def test_a_broken_input_is_named_and_the_others_are_done(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "in/good.png", 1, (16, 16))
    (tmp_path / "in/bad.png").write_bytes(b"no picture")
    assert main(["translate", str(model), str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert "left out: " in (said := capsys.readouterr().err)
    assert "bad.png cannot be read" in said
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.png"]
    (tmp_path / "in/good.png").unlink()
    assert main(["translate", str(model), str(tmp_path / "in"), "--out", str(tmp_path / "other")]) == 2


def test_what_is_typed_wrongly(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(tmp_path / "x/one.png", 1)
    picture(tmp_path / "y/one.png", 2)
    for name in ("two.png", "two.jpg"):
        picture(tmp_path / "twins" / name, 3)
    (tmp_path / "void").mkdir()
    for inputs, said in (
        (["missing.png"], "missing.png is no file"),
        ([str(tmp_path / "void")], "holds no images"),
        ([str(tmp_path / "x/one.png"), str(tmp_path / "y")], "would both become one.png"),
        ([str(tmp_path / "twins")], "would both become two.png"),
    ):
        assert main(["translate", str(model), *inputs, "--out", str(tmp_path / "out")]) == 2
        assert said in capsys.readouterr().err
    assert main(["translate", str(model), str(tmp_path / "x"), "--out", str(tmp_path / "x"), "--overwrite"]) == 2
    assert "is an input itself" in capsys.readouterr().err
    assert main(["sample", str(model), "--out", str(tmp_path / "grid.png")]) == 2
    assert "use ganvas translate" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unpaired_data_are_refused_by_csgan_and_taken_by_cyclegan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(12):
        picture(tmp_path / "d/trainA" / f"horse{i}.png", i, (16, 16))
        picture(tmp_path / "d/trainB" / f"zebra{i}.png", i, (16, 16))
    assert train(tmp_path / "d", tmp_path / "run", "--images", "4") == 2
    said = capsys.readouterr().err
    assert "would compare images that do not belong together" in said
    assert "train cyclegan" in said
    assert not (tmp_path / "run").exists()
    more = ["load_size=18", "--images", "4"]
    assert (
        main(
            [
                "train",
                "cyclegan",
                "--data",
                str(tmp_path / "d"),
                "--resolution",
                "16",
                *TINY[:-4],
                *more,
                "--out",
                str(tmp_path / "run"),
            ]
        )
        == 0
    )
    lines = [json.loads(line) for line in (tmp_path / "run/train.jsonl").read_text().splitlines()]
    assert any("score/sliced_wasserstein" in line for line in lines)


def test_oblong_images(tmp_path: Path) -> None:
    data = pairs(tmp_path / "data")
    pairs(tmp_path / "data", "xyz", "test")
    out = tmp_path / "run"
    args = ["train", "csgan", "--data", str(data), "--resolution", "24x16", *TINY, "--images", "4", "--out", str(out)]
    assert main(args) == 0
    described = json.loads((out / "config.json").read_text())
    assert (described["config"]["resolution"], described["config"]["width"]) == (16, 24)
    assert described["preprocessing"]["held_out"] == "test"
    assert described["data"]["count"] == 12
    assert main(["train", "--resume", str(out), "--resolution", "24x16", "--images", "6"]) == 0
    assert main(["train", "--resume", str(out), "--resolution", "16", "--images", "8"]) == 0


def test_check_reports_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pairs(tmp_path / "data", "abc")
    picture(data / "trainA" / "lone.png", 5, (16, 16))
    picture(data / "trainB" / "b.png", 5, (20, 20))
    assert main(["check", str(data), "--json", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr().out
    assert "1 images of A have no partner: lone" in said
    assert "1 pairs differ in size: b" in said
    assert json.loads((tmp_path / "r.json").read_text())["pairs"] == 3


def test_a_picture_a_path_and_a_tensor_are_translated_alike(tmp_path: Path) -> None:
    gan = tiny.build("csgan", channels_A=3, channels=3)
    picture(tmp_path / "x.png", 3, (12, 10))
    image = Image.fromarray(opened(tmp_path / "x.png"))
    made = np.asarray(gan.translate(image))
    np.testing.assert_array_equal(made, np.asarray(gan.translate(tmp_path / "x.png")))
    x = to_float(torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1))
    as_tensor = gan.translate(x)
    np.testing.assert_array_equal(made, to_uint8(as_tensor).permute(1, 2, 0).numpy())
    assert torch.equal(gan.translate(x[None])[0], as_tensor)
    for wrong, said in ((torch.zeros(1, 8, 8), "expected \\[3, H, W\\]"), (7, "expected a Pillow image")):
        with pytest.raises(InputError, match=said):
            gan.translate(wrong)
    with pytest.raises(InputError, match="expected 'a' or 'b'"):
        gan.translate(x, "c")
    with pytest.raises(InputError, match="images of seeds"):
        tiny.build("wgan").translate(x)


def test_a_large_image_in_tiles_is_the_same(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gan = tiny.build("csgan", channels_A=3, channels=3)
    sizes: list[int] = []
    gan.G["AB"].first.register_forward_hook(lambda net, given, made: sizes.append(max(made.shape[2:])))
    x = torch.rand(3, 150, 90, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = gan.translate(x)
    sizes.clear()
    torch.testing.assert_close(gan.translate(x, tile=64), whole, rtol=0, atol=1e-4)
    assert 0 < max(sizes) <= 64 + 16
    assert torch.equal(gan.translate(x[:, :60, :60], tile=64), gan.translate(x[:, :60, :60]))
    with pytest.raises(InputError, match="64 or more"):
        gan.translate(x, tile=32)
    assert translation.SMALLEST_TILE == 64
    picture(tmp_path / "large.png", 4, (150, 90))
    for more in ([], ["--tile", "64"]):
        command = ["translate", str(model), str(tmp_path / "large.png"), "--to", "a", "--device", "cpu", *more]
        assert main([*command, "--out", str(tmp_path / str(len(more)))]) == 0
    assert "large.png, tile: " in capsys.readouterr().err
    made = [opened(tmp_path / str(n) / "large.png").astype(int) for n in (0, 2)]
    assert abs(made[0] - made[1]).max() <= 1


@pytest.mark.parametrize(("channels_A", "channels"), [(1, 2), (2, 4), (4, 1), (3, 3)])
def test_domains_of_one_to_four_channels(tmp_path: Path, channels_A: int, channels: int) -> None:
    """Grey and RGB, and either with opacity, from the files to the outputs."""
    modes = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
    for i, name in enumerate("abcdefghijkl"):
        for side, number in (("A", channels_A), ("B", channels)):
            rng = np.random.default_rng(i)
            x = rng.integers(0, 256, (16, 16, number), np.uint8).squeeze()
            path = tmp_path / "data" / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(x, modes[number]).save(path)
    more = [*TINY[:-4], f"channels_A={channels_A}", f"channels={channels}", *TINY[-4:]]
    args = ["train", "csgan", "--data", str(tmp_path / "data"), "--resolution", "16", *more, "--images", "4"]
    assert main([*args, "--out", str(tmp_path / "run")]) == 0
    gan = ganvas.load(tmp_path / "run", "cpu")
    source = tmp_path / "data/A/a.png"
    made = gan.translate(source)
    assert made.mode == modes[channels]
    x = opened(source).reshape(16, 16, channels_A)
    as_tensor = gan.translate(to_float(torch.from_numpy(x.copy()).permute(2, 0, 1)))
    np.testing.assert_array_equal(np.asarray(made).reshape(16, 16, channels), to_uint8(as_tensor).permute(1, 2, 0))
    assert gan.translate(made, to="a").mode == modes[channels_A]
