"""`ganvas evaluate` and `ganvas compare` as a person types them, on data small enough to be scored in a moment."""

from __future__ import annotations

import json
import math
import shlex
import urllib.error
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas import downloads
from ganvas.cli import main
from ganvas.features import lpips, own, timm
from ganvas.metrics import evaluate as metrics
from ganvas.metrics.protocol import read_scores
from ganvas.models import folder
from ganvas.models.folder import Description
from ganvas.scoring import samples as scoring
from ganvas.scoring import subject as evaluation
from tests import tiny
from tests.engine import running

NAMES = ["ant", "bee", "cat"]


def picture(path: Path, seed: int, side: int = 8, channels: int = 1) -> None:
    """A file of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).integers(0, 256, (side, side, channels), dtype=np.uint8)
    Image.fromarray(x[..., 0] if channels == 1 else x).save(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data with classes and two splits, models of them, folders of images, a toy's model, files that are wrong."""
    world = tmp_path_factory.mktemp("evaluate")
    for split, count in (("train", 12), ("test", 8)):
        for k, name in enumerate(NAMES):
            for i in range(count):
                picture(world / "data" / split / name / f"{i}.png", 1000 * k + i + (500 if split == "test" else 0))
    for i in range(12):
        picture(world / "plain" / f"{i}.png", 3000 + i)
        picture(world / "flat" / f"{i}.png", 4000 + i)
        picture(world / "wide" / f"{i}.png", 5000 + i, 16, 3)
        picture(world / "mixed" / f"{i}.png", 6000 + i, 8 + i % 2)
        picture(world / "strange" / ("dog" if i % 2 else "cat") / f"{i}.png", i)
        picture(world / "two" / ("cat" if i % 2 else "bee") / f"{i}.png", 7000 + i)
    picture(world / "fewer" / "0.png", 1)
    (world / "empty").mkdir()
    (world / "broken.json").write_text('{"format"')
    (world / "other.json").write_text('{"format": "other"}')
    (world / "half.json").write_text('{"format": "ganvas-scores-1", "subject": "x", "scores": [{"name": 1}]}')
    (world / "weights.pth").write_bytes(b"no weights")
    for name, tiny_name in (("classy", "sagan"), ("classless", "wgan-gp")):
        gan = tiny.build(tiny_name)
        description = Description(paper=tiny.TINY[tiny_name][0], config=gan.config.model_dump())
        description.class_names = NAMES if gan.config.num_classes else []
        for seed in (0, 1):
            gan = tiny.build(tiny_name, seed)
            folder.write_description(world / f"{name}{seed}", description)
            folder.write_weights(world / f"{name}{seed}", gan.state_dict(), {"ema": "True"})
    toy = ["wgan-gp-toy-small", "--set", "G_width=4", "D_width=4", "batch=4"]
    assert running.train(world / "toy", "--images", "4", recipe=toy) == 0
    return world


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The world, with small classifiers and few subsets, and a cache that all tests of this file share."""
    monkeypatch.chdir(world)
    monkeypatch.setenv("GANVAS_CACHE", str(world.parent / "evaluate-cache"))
    monkeypatch.setattr(own, "Settings", partial(own.Settings, steps=3, width=4, dim=6))
    monkeypatch.setattr(evaluation, "MetricSettings", partial(metrics.Settings, steps=3, subsets=3, splits=2, k=2))
    return world


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "scores.json"


def evaluated(typed: str, out: Path) -> dict[str, Any]:
    """The scores that a command wrote, by name."""
    assert main([*shlex.split(f"evaluate {typed}"), "--device", "cpu", "--json", str(out)]) == 0
    return {score.name: score for score in read_scores(out)[1]}


# what is typed -> what the line must say
WRONG = {
    "evaluate": "the following arguments are required: MODEL|FOLDER, --data",
    "evaluate plain": "the following arguments are required: --data",
    "evaluate missing --data plain": "no such file or folder: 'missing'",
    "evaluate plain --data missing": "no such file or folder: 'missing'",
    "evaluate empty --data plain": "empty holds no images",
    "evaluate plain --data empty": "empty holds no images",
    "evaluate plain --data data --metrics sharpness": "metrics sharpness asked for, expected some of: fid, kid",
    "evaluate plain --data data --metrics ,": "metrics none asked for, expected some of: fid, kid",
    "evaluate plain --data data --metrics fid,ssim": "ssim compare pairs of images, fid whole sets",
    "evaluate plain --data data --features nosuch": "features 'nosuch' are not known; expected one of: inception",
    "evaluate plain --data data --split nosuch": "data has no split 'nosuch'; it has test, train",
    "evaluate plain --data data --metrics memorisation --held-out nosuch": "has no split 'nosuch'",
    "evaluate plain --data data --metrics memorisation --held-out train": "--held-out train is the reference itself",
    "evaluate plain --data data --resize clean_bicubic": "only inception can be resized otherwise",
    "evaluate plain --data data --features inception --resize none": "resize 'none' is not known",
    "evaluate plain --data data --features inception --weights weights.pth": "weights.pth cannot be read as a state",
    "evaluate plain --data data --features inception --weights missing": "weights: missing is no file",
    "evaluate plain --data data --weights a --weights b": "--weights was given 2 times; only lpips takes two files",
    "evaluate plain --data data --features timm:resnet18": "need the timm library, which cannot be imported here",
    "evaluate plain --data ring8": "plain holds images, ring8 are points; give it alike data",
    "evaluate classy0 --data ring8": "classy0 holds images, ring8 are points; give it alike data",
    "evaluate toy --data plain": "toy makes points, plain holds images; give it alike data",
    "evaluate toy --data ring8 --metrics fid": "fid asked of points, expected some of modes, sliced, wasserstein",
    "evaluate toy --data swissroll --metrics modes": "swissroll has nothing that modes could measure",
    "evaluate mixed --data data": "mixed holds images of several sizes; expected square ones of one size",
    "evaluate plain --data plain --metrics is": "leave `is` out",
    "evaluate plain --data plain --metrics intra_fid": "intra_fid compares class by class, but there are no classes in",
    "evaluate plain --data data --metrics cas": "cas compares class by class, but there are no classes in the samples",
    "evaluate classless0 --data data --metrics intra_fid": "there are no classes in the samples; leave it out",
    "evaluate strange --data data --metrics cas": "class 'dog' of the samples is not in data, which has ant, bee, cat",
    "evaluate two --data data --metrics intra_fid": "fewer than two images of class [0]; sample every class evenly",
    "evaluate plain --data data -n 0": "argument -n: '0' given",
    "evaluate plain --data data -n 13": "plain holds 12 images, too few for set 1 of 13",
    "evaluate plain --data data -n 5 --seeds 3": "plain holds 12 images, too few for set 3 of 5",
    "evaluate classy0 --data data -n 1": "",
    "evaluate classy0 --data data -n 2 --metrics prdc": "",
    "evaluate classy0 --data data --seed -1": "argument --seed: '-1' given, expected a whole number from 0",
    "evaluate classy0 --data data --truncation 0": "truncation 0.0 given, expected a number above 0",
    "evaluate classless0 --data data --standing 2": "has no standing statistics; leave them out",
    "evaluate plain --data data --truncation 0.5": "--truncation and --standing are for models",
    "evaluate plain --data data --intervals 3": "--intervals 3 given, expected 20 half samples or more",
    "evaluate plain --data data --device nosuch": "device 'nosuch' cannot be used here",
    "evaluate plain --data data --json empty": "cannot write empty: it is a folder",
    "evaluate plain --data data --json plain/0.png/x": "cannot write plain/0.png/x: ",
    "evaluate fewer --data plain --metrics mse": "fewer holds 1 images, plain 12, '1' is in one of them only",
    "evaluate wide --data plain --metrics mse": "wide and plain hold images of 16x16 and 8x8 pixels; make them equal",
    "evaluate plain --data flat --metrics ssim": "SSIM of [8, 8] pixels; its window needs 11 a side or more",
    "evaluate plain --data flat --metrics lpips": "--weights alexnet-owt-7be5be79.pth --weights alex.pth",
    "evaluate plain --data flat --metrics lpips --weights weights.pth": "lpips needs two files, 1 given",
    "evaluate classless0 --data flat --metrics mse": "classless0 is a model; mse compare a folder of images with its",
    "compare": "the following arguments are required: FILE.json",
    "compare missing.json": "missing.json cannot be read (No such file or directory)",
    "compare broken.json": "broken.json is no JSON; give a file that `evaluate --json` wrote",
    "compare other.json": "other.json is not of format ganvas-scores-1",
    "compare half.json": "half.json holds no valid scores",
    "compare half.json --mean": "half.json holds no valid scores",
}


@pytest.mark.parametrize("typed", WRONG)
def test_a_wrong_input_is_one_line_and_leaves_nothing(typed: str, here: Path, capsys: Any) -> None:
    before = running.listing(here)
    assert main(shlex.split(typed)) == 2
    said = capsys.readouterr()
    assert not said.out
    (line,) = said.err.splitlines()
    assert line.startswith("ganvas: ")
    assert WRONG[typed] in line
    assert running.listing(here) == before


def test_inception_without_a_network_says_what_to_fetch(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise urllib.error.URLError(OSError("no route to host"))

    monkeypatch.setattr("urllib.request.urlopen", refused)
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    before = running.listing(here.parent)
    assert main(["evaluate", "plain", "--data", "data", "--features", "inception"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pt_inception-2015-12-05-6726825d.pth could not be fetched (https://" in line
    assert ": no route to host)" in line
    assert "pass the file as --weights" in line
    assert not [name for name in running.listing(here.parent).keys() - before.keys() if "inception" in name]


def test_timm_weights_that_cannot_be_had_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        @staticmethod
        def list_models() -> list[str]:
            return ["resnet18"]

        @staticmethod
        def create_model(*_: Any, **__: Any) -> Any:
            raise OSError("offline")

    monkeypatch.setattr(timm.importlib, "import_module", lambda name: Away)
    with pytest.raises(evaluation.InputError, match=r"weights of timm:resnet18 cannot be had \(offline\).*--weights"):
        timm.timm_extractor("resnet18")


def test_a_model_and_the_whole_record(here: Path, out: Path, capsys: Any) -> None:
    found = evaluated("classy0 --data data -n 20 --truncation 0.7 --truncation-form scale --standing 2", out)
    assert list(found) == [
        "FD-own", "KD-own", "IS-own", "precision-own", "recall-own", "density-own", "coverage-own",
    ]  # fmt: skip
    p = found["KD-own"].protocol
    assert (p.reference, p.split, p.decoding) == ("data", "train", "1x8x8, as it is")
    assert (p.reference_count, p.sample_count, len(p.reference_hash)) == (36, 20, 64)
    assert (p.resize, p.resize_filter, p.antialias, p.features, len(p.features_hash)) == (
        "none",
        "none",
        False,
        "own",
        64,
    )
    assert (p.seeds, p.ema, p.batch_norm) == ((0,), True, "standing-2")
    assert (p.truncation, p.truncation_form) == (0.7, "scale")
    assert p.settings == {"subsets": 3, "subset_size": 20, "seed": 0}
    assert {"ganvas", "python", "torch", "numpy", "pillow"} <= set(p.versions)
    said = capsys.readouterr().out
    for part in ("20 samples against 36 of data train", "truncation 0.7 by scale; EMA yes; batch norm standing-2"):
        assert part in said


def test_the_networks_beside_batch_norm_have_no_mode_of_it(here: Path, out: Path) -> None:
    sides = ["classy0", "classless0"]
    modes = [evaluated(f"{name} --data data -n 8 --metrics fid", out)["FD-own"].protocol.batch_norm for name in sides]
    assert modes[0] == "running"
    has_norm = any("running_mean" in name for name, _ in tiny.build("wgan-gp").named_buffers())
    assert modes[1] == ("running" if has_norm else None)


def test_a_folder_with_classes_meets_every_metric(here: Path, out: Path) -> None:
    """The test split as samples: held out are then the train split's counterparts, and each is in the record."""
    names = "fid,kid,is,prdc,intra_fid,cas,memorisation"
    found = evaluated(f"data/test --data data --metrics {names} --intervals 20", out)
    assert {"intra-FD-own", "CAS", "CAS-inverse", "NN-ratio-own", "NN-closer-own", "duplicates-own"} <= set(found)
    assert all(math.isfinite(score.value) for score in found.values())
    fd = found["FD-own"]
    assert fd.interval is not None
    assert fd.interval[0] < fd.value < fd.interval[1]
    assert fd.protocol.settings == {"intervals": 20, "intervals_seed": 0}
    assert (fd.protocol.ema, fd.protocol.seeds, fd.protocol.batch_norm) == (None, (), None)
    for name in ("CAS", "NN-ratio-own"):
        settings = found[name].protocol.settings
        assert (settings["held_out"], settings["held_out_count"]) == ("test", 24)
        assert len(settings["held_out_hash"]) == 64
    assert found["NN-ratio-own"].value == 1  # the samples are the held-out images themselves
    assert found["NN-closer-own"].value == 0.5


def test_held_out_may_be_left_out(here: Path, out: Path) -> None:
    found = evaluated("data/train --data data --metrics memorisation --held-out none", out)
    assert "held_out" not in found["NN-ratio-own"].protocol.settings
    assert found["NN-ratio-own"].value == 0  # copies of the training images
    assert found["duplicates-own"].value == 1


def test_classes_are_matched_by_name_not_by_number(here: Path, out: Path, tmp_path: Path) -> None:
    """Folders bee and cat are classes 0 and 1 of their own, 1 and 2 of the data."""
    for name in ("bee", "cat"):
        (tmp_path / "part" / "train" / name).mkdir(parents=True)
        (tmp_path / "reference" / name).mkdir(parents=True)
        for i in range(12):
            source = here / "data" / "train" / name / f"{i}.png"
            (tmp_path / "reference" / name / f"{i}.png").write_bytes(source.read_bytes())
    samples, reference = tmp_path / "reference", tmp_path / "data3"
    for name in NAMES:
        (reference / name).mkdir(parents=True)
        for i in range(12):
            (reference / name / f"{i}.png").write_bytes((here / "data" / "train" / name / f"{i}.png").read_bytes())
    images, data3 = evaluation.datasets.load(samples), evaluation.datasets.load(reference)
    table = scoring.numbering(images.class_names, 2, data3)
    assert table is not None
    assert table.tolist() == [1, 2]
    assert scoring.numbering(NAMES, 3, data3).tolist() == [0, 1, 2]
    assert scoring.numbering([], 3, data3) is None
    with pytest.raises(evaluation.InputError, match="the samples have 4 classes, data3 has 3"):
        scoring.numbering([], 4, data3)


def test_without_classes_the_inception_score_is_left_out(here: Path, out: Path) -> None:
    found = evaluated("plain --data flat", out)
    assert list(found)[:3] == ["FD-own-rotation", "KD-own-rotation", "precision-own-rotation"]


def test_one_network_for_all_splits(here: Path, out: Path) -> None:
    train = evaluated("plain --data data --metrics fid", out)["FD-own"].protocol
    test = evaluated("plain --data data --metrics fid --split test", out)["FD-own"].protocol
    assert train.features_hash == test.features_hash
    assert (train.split, test.split) == ("train", "test")
    assert train.reference_hash != test.reference_hash


def test_several_seeds_are_disjoint_sets(here: Path, out: Path) -> None:
    names = "--data data --metrics fid"
    several = evaluated(f"classless0 {names} -n 8 --seeds 3", out)["FD-own"]
    alone = [evaluated(f"classless0 {names} -n 8 --seed {8 * k}", out)["FD-own"] for k in range(3)]
    assert several.protocol.seeds == (0, 8, 16)
    assert several.value == pytest.approx(np.mean([score.value for score in alone]))
    assert several.spread == pytest.approx(np.std([score.value for score in alone], ddof=1))
    folders = evaluated(f"plain {names} --seeds 3", out)["FD-own"]
    parts = [evaluated(f"plain {names} -n 4 --seed {k}", out)["FD-own"].value for k in range(3)]
    assert folders.protocol.seeds == (0, 1, 2)
    assert folders.value == pytest.approx(np.mean(parts))
    assert len(set(parts)) == 3


def test_toys_count_modes(here: Path, out: Path, capsys: Any) -> None:
    found = evaluated("toy --data ring8 -n 500", out)
    assert list(found) == ["modes", "high-quality", "mode-KL", "sliced-Wasserstein"]
    p = found["modes"].protocol
    assert (p.reference, p.split, p.reference_count, p.sample_count) == ("ring8", "train", 100_000, 500)
    assert p.settings == {"within_std": 3.0, "at_least": 1}
    assert (p.batch_norm, p.features) == (None, "")
    assert list(evaluated("toy --data ring8 -n 500 --metrics sliced", out)) == ["sliced-Wasserstein"]
    assert list(evaluated("toy --data swissroll -n 500", out)) == ["sliced-Wasserstein"]
    assert evaluated("toy --data grid25 -n 200 --metrics modes --seeds 2", out)["modes"].spread is not None


def test_like_runs_share_a_table_and_have_a_mean(here: Path, tmp_path: Path, capsys: Any) -> None:
    files = [str(tmp_path / f"{seed}.json") for seed in (0, 1)]
    values = [
        evaluated(f"classy{seed} --data data -n 12 --metrics fid", Path(files[seed]))["FD-own"].value for seed in (0, 1)
    ]
    capsys.readouterr()
    assert main(["compare", *files]) == 0
    said = capsys.readouterr().out
    assert "FD-own" in said
    assert "[1]" not in said
    for text in ("classy0", "classy1", *(f"{value:.5g}" for value in values)):
        assert text in said
    assert main(["compare", *files, "--mean"]) == 0
    said = capsys.readouterr().out
    assert f"{np.mean(values):.5g} ± {np.std(values, ddof=1):.4g}" in said
    assert "mean over 2 runs" in said


def test_unlike_runs_do_not_and_the_part_is_named(here: Path, tmp_path: Path, capsys: Any) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    evaluated("classy0 --data data -n 12 --metrics fid --intervals 20", one)  # an interval does not keep apart
    evaluated("classy0 --data data -n 12 --metrics fid --truncation 0.5", other)
    capsys.readouterr()
    assert main(["compare", str(one), str(other)]) == 0
    said = capsys.readouterr().out
    assert "FD-own [1]" in said
    assert "FD-own [2]" in said
    assert "classy0 and classy0 (2) cannot share a column, they differ in truncation (None / 0.5)" in said
    assert main(["compare", str(one), str(other), "--mean"]) == 2
    assert "have no mean, they differ in truncation (None / 0.5), truncation_form" in capsys.readouterr().err
    ignored = ["--ignore", "truncation", "truncation_form"]
    assert main(["compare", str(one), str(other), *ignored]) == 0
    assert "[1]" not in capsys.readouterr().out
    assert main(["compare", str(one), str(other), "--mean", *ignored]) == 0
    assert main(["compare", str(one), "--ignore", "truncated"]) == 2
    assert "--ignore truncated given, expected one of reference, split" in capsys.readouterr().err


def test_pairs_of_one_name(here: Path, out: Path, tmp_path: Path) -> None:
    found = evaluated("plain --data flat --metrics mse,psnr", out)
    a, b = (
        np.stack([np.asarray(Image.open(here / name / f"{i}.png"), np.float64) / 255 for i in range(12)])
        for name in ("plain", "flat")
    )
    each = ((a - b) ** 2).mean((1, 2))
    assert found["MSE"].value == pytest.approx(each.mean())
    assert found["PSNR"].value == pytest.approx((-10 * np.log10(each)).mean())
    p = found["MSE"].protocol
    assert (p.reference, p.decoding, p.sample_count, p.resize) == ("flat", "1x8x8, as it is", 12, "")
    same = evaluated("plain --data plain --metrics psnr", out)["PSNR"]
    assert (same.value, same.spread) == (math.inf, None)
    for i in range(12):  # another ending, a folder above, and colour beside grey
        (tmp_path / "deep" / "below").mkdir(parents=True, exist_ok=True)
        Image.open(here / "plain" / f"{i}.png").convert("RGB").save(tmp_path / "deep" / "below" / f"{i}.bmp")
    assert evaluated(f"plain --data {tmp_path / 'deep'} --metrics mse", out)["MSE"].value == 0


def test_lpips_of_pairs(here: Path, out: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = {f"features.{key}": value for key, value in lpips._backbone("alex")[0].state_dict().items()}
    lin = {f"lin{i}.model.1.weight": torch.ones(1, width, 1, 1) for i, width in enumerate((64, 192, 384, 256, 256))}
    torch.save(backbone, tmp_path / "a.pth")
    torch.save(lin, tmp_path / "b.pth")
    for k, name in enumerate(("x", "y")):
        picture(tmp_path / name / "0.png", k, 32, 3)
    weights = f"--weights {tmp_path / 'a.pth'} --weights {tmp_path / 'b.pth'}"
    found = evaluated(f"{tmp_path / 'x'} --data {tmp_path / 'y'} --metrics lpips,ssim {weights}", out)
    assert list(found) == ["LPIPS-alex", "SSIM"]
    assert found["LPIPS-alex"].value > 0
    assert found["LPIPS-alex"].protocol.features == "LPIPS-alex"
    assert main(shlex.split(f"evaluate plain --data flat --metrics lpips {weights}")) == 2  # 8 pixels are too few


def test_a_closed_pipe_loses_no_scores(here: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", closed)
    assert main(["evaluate", "classy0", "--data", "data", "-n", "12", "--device", "cpu", "--json", str(out)]) == 141
    assert json.loads(out.read_text())["scores"]


def test_the_json_is_what_was_printed(here: Path, out: Path) -> None:
    found = evaluated("classy0 --data data -n 12 --metrics fid,prdc", out)
    content = json.loads(out.read_text())
    assert content["subject"] == "classy0"
    assert [score["value"] for score in content["scores"]] == [score.value for score in found.values()]
    again = evaluated("classy0 --data data -n 12 --metrics fid,prdc", out)
    assert [score.model_dump() for score in again.values()] == [score.model_dump() for score in found.values()]
