"""Every preset against the tables of the papers and of the authors' scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganvas import api, tabled
from ganvas.errors import InputError
from ganvas.presets import families, fitting, presets
from ganvas.recipes import as_meant

# preset -> parameters of G and of D, counted in the authors' code or by arithmetic on their graphs
COUNTS: dict[str, tuple[int, int]] = {
    "wgan-32": (1_068_928, 663_296),
    "wgan-64": (3_576_704, 2_765_568),
    "wgan-128": (12_786_560, 11_164_416),
    "wgan-64-nobn": (3_574_784, 2_765_568),
    "wgan-64-mlp": (6_880_768, 2_765_568),
    "wgan-64-mlps": (6_880_768, 6_817_793),
    "wgan-gp-cifar10": (1_204_483, 1_053_825),
    "wgan-gp-cifar10-acgan": (1_218_307, 1_055_115),
    "wgan-gp-cifar10-dcgan": (5_179_907, 4_114_689),
    "wgan-gp-64": (8_540_483, 7_491_841),
    "wgan-gp-mnist": (1_554_177, 1_030_145),
    "wgan-toy": (527_874, 527_361),
    "wgan-gp-toy": (527_874, 527_361),
    "sagan-128": (42_078_852, 39_463_618),
    "sagan-128-feat64": (42_017_412, 39_448_258),
    "sagan-128-bigganpt": (42_017_412, 39_448_258),
    "biggan-64": (31_969_540, 20_571_842),
    "biggan-128": (70_433_988, 87_982_370),
    "biggan-256": (82_097_604, 99_225_890),
    "biggan-512": (82_296_804, 99_401_282),
    "biggan-128-bigganpt": (70_433_988, 87_982_370),
    "biggan-cifar10": (4_304_387, 4_207_361),
    "biggan-cifar100": (4_580_867, 4_230_401),
    "sngan-128": (41_996_931, 30_005_013),
    "biggan-deep-128": (50_388_609, 34_590_210),
    "biggan-deep-256": (55_880_833, 38_247_426),
    "biggan-deep-512": (56_163_905, 38_301_122),
    "biggan-deep-cifar10": (7_435_267, 2_581_249),
    # the authors' G without classes also counts a class table of 128,000 that is never read
    "icgan-64": (36_655_876 - 128_000, 21_646_018),
    "icgan-128": (77_160_132 - 128_000, 89_593_634),
    "icgan-256": (90_014_340 - 128_000, 100_837_154),
    "icgan-256-half": (42_860_804 - 128_000, 45_520_066),
    "icgan-coco-128": (22_271_076 - 128_000, 23_189_330),
    "icgan-coco-256": (25_861_956 - 128_000, 26_000_786),
    "cc-icgan-64": (37_868_292, 21_108_930),
    "cc-icgan-128": (79_052_484, 88_788_002),
    "cc-icgan-256": (92_299_908, 100_031_522),
    "cc-icgan-256-half": (44_384_516, 44_982_978),
    "cc-icgan-lt-64": (37_868_292, 21_108_930),
    "cc-icgan-lt-128": (38_073_988, 39_985_346),
    "cc-icgan-lt-256": (44_384_516, 44_982_978),
    "csgan-256": (22_756_358, 5_529_474),
    "csgan-128": (15_675_398, 5_529_474),
    "cyclegan-256": (22_756_358, 5_529_474),
    "cdgan-256": (22_756_358, 5_529_474),
    "stylegan2-64": (22_243_608, 23_407_361),
    "stylegan2-128": (22_949_277, 23_882_369),
    "stylegan2-256": (23_191_522, 24_001_089),
    "stylegan2-512": (28_700_647, 28_982_849),
    "stylegan2-1024": (28_794_124, 29_012_513),
    "stylegan2-f": (30_370_060, 29_012_513),
    "stylegan2-256-paper": (24_767_458, 24_001_089),
    "stylegan2-512-paper": (30_276_583, 28_982_849),
    "stylegan2-1024-paper": (30_370_060, 29_012_513),
    "icgan-stylegan2-128": (24_260_509, 27_294_848),
    "icgan-stylegan2-256": (24_502_754, 27_413_568),
    "cc-icgan-stylegan2-128": (25_035_165, 28_069_504),
    "cc-icgan-stylegan2-256": (25_277_410, 28_188_224),
}
_GP = {"lipschitz": "penalise", "penalty": 10.0, "beta1": 0.0, "beta2": 0.9, "optimizer": "adam", "n_critic": 5}
_CLIP = {"lipschitz": "clip", "clip": 0.01, "G_lr": 5e-5, "D_lr": 5e-5, "n_critic": 5}
_SAGAN = {"G_lr": 1e-4, "D_lr": 4e-4, "beta1": 0.0, "D_steps": 1, "batch": 256, "dim_z": 128, "G_ch": 64, "D_ch": 64}
_BIGGAN = {
    "batch": 2048, "G_lr": 5e-5, "D_lr": 2e-4, "beta1": 0.0, "beta2": 0.999, "D_steps": 2, "ortho": 1e-4, "ema": 0.9999,
    "ema_start": 20_000, "sn_eps": 1e-4, "bn_eps": 1e-4, "final_bn_eps": 1e-4, "init": "ortho", "shared_dim": 128,
}  # fmt: skip
_CYCLE = {
    "G_lr": 2e-4, "D_lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "batch": 1, "epochs": 200, "epochs_constant": 100,
    "cycle": 10.0, "pool": 50, "G_width": 64, "D_width": 64, "num_layers": 3, "dropout": False, "flip": True,
    "lr_schedule": "epochs", "optimizer": "adam", "eps": 1e-8,
}  # fmt: skip
_STYLE = {
    "beta1": 0.0, "beta2": 0.99, "eps": 1e-8, "dim_z": 512, "dim_w": 512, "r1_every": 16, "path": 2.0, "path_every": 4,
    "path_decay": 0.01, "mixing": 0.9, "images": 25_000_000, "flip": False, "augment": "none", "ema_buffers": "copy",
}  # fmt: skip
_AUTO = _STYLE | {"layers": 2, "ema_rampup": 0.05, "group": 4}
_PAPER = _STYLE | {"layers": 8, "ema_rampup": 0.0}
_ICGAN = {
    "beta1": 0.0, "beta2": 0.999, "eps": 1e-6, "ema": 0.9999, "ema_start": 20_000, "sn_eps": 1e-6, "bn_eps": 1e-5,
    "init": "ortho", "bias_init": "torch", "flip": True, "shared_dim_feat": 512, "dim_h": 2048, "hier": True,
}  # fmt: skip
_SHIFTED = _ICGAN | {"augment": "diffaugment", "augment_policy": ("translation",), "k": 5}


def icgan(
    ch: int, D_lr: float, G_lr: float, D_steps: int, batch: int, at_once: int, flip_features: bool
) -> dict[str, Any]:
    """A row of the released configurations."""
    common = {"G_ch": ch, "D_ch": ch, "D_lr": D_lr, "G_lr": G_lr, "D_steps": D_steps, "batch": batch}
    return common | {"accumulate": batch // at_once, "flip_features": flip_features}


# preset -> what the paper, or the script after which it is named, says
SAID: dict[str, dict[str, Any]] = {
    "wgan-64": _CLIP | {
        "optimizer": "rmsprop", "eps": 1e-8, "batch": 64, "dim_z": 100, "n_critic_long": 100, "long_first": 25,
        "long_every": 500, "clip_when": "before", "ema": 0.0, "G_width": 64, "D_width": 64,
    },
    "wgan-toy": _CLIP | {"optimizer": "rmsprop_tf1", "eps": 1e-10, "clip_when": "after", "batch": 256},
    "wgan-gp-cifar10": _GP | {
        "G_lr": 2e-4, "D_lr": 2e-4, "lr_schedule": "linear", "batch": 64, "G_batch_ratio": 2, "dequantise": True,
        "dim_z": 128, "images": 100_000 * 5 * 64, "flip": False,
    },
    "wgan-gp-cifar10-acgan": _GP | {"D_class": 1.0, "G_class": 0.1, "conditional": True},
    "wgan-gp-64": _GP | {"G_lr": 1e-4, "D_lr": 1e-4, "batch": 64, "D_norm": "layer", "images": 200_000 * 5 * 64},
    "wgan-gp-cifar10-dcgan": _GP | {"beta1": 0.5, "G_lr": 1e-4, "D_lr": 1e-4, "batch": 64},
    "wgan-gp-mnist": _GP | {"beta1": 0.5, "batch": 50, "pixel_range": "unit", "G_batch_norm": False, "dim_z": 128},
    "wgan-gp-toy": _GP | {"penalty": 0.1, "beta1": 0.5, "batch": 256, "images": 100_000 * 5 * 256},
    "sagan-128": _SAGAN | {
        "beta2": 0.999, "eps": 1e-8, "ema": 0.0, "sn_eps": 1e-12, "bn_eps": 1e-5, "init": "sagan", "flip": False,
        "bias_init": "zero", "images": 1_000_000 * 256, "G_attention": (32,), "D_attention": (32,),
    },
    "sagan-128-bigganpt": _SAGAN | {
        "beta2": 0.999, "eps": 1e-8, "accumulate": 2, "ema": 0.9999, "ema_start": 2000, "sn_eps": 1e-8, "bn_eps": 1e-5,
        "init": "xavier", "bias_init": "torch", "G_attention": (64,), "D_attention": (64,),
    },
    "biggan-128": _BIGGAN | {"G_ch": 96, "dim_z": 120, "G_attention": (64,), "D_attention": (64,), "hier": True},
    "biggan-256": _BIGGAN | {"G_ch": 96, "dim_z": 140, "G_attention": (128,), "D_attention": (64,)},
    "biggan-512": _BIGGAN | {"G_ch": 96, "dim_z": 128, "G_attention": (64,), "D_attention": (64,)},
    "biggan-128-bigganpt": {
        "batch": 2048, "accumulate": 8, "G_lr": 1e-4, "D_lr": 4e-4, "beta2": 0.999, "eps": 1e-6, "D_steps": 1,
        "sn_eps": 1e-6, "bn_eps": 1e-5, "final_bn_eps": 1e-5, "ema": 0.9999, "ema_start": 20_000, "ortho": 0.0,
        "dim_z": 120, "init": "ortho", "bias_init": "torch", "flip": False,
    },
    "biggan-cifar10": {
        "batch": 50, "accumulate": 1, "G_lr": 2e-4, "D_lr": 2e-4, "beta1": 0.0, "beta2": 0.999, "eps": 1e-8,
        "D_steps": 4, "sn_eps": 1e-8, "bn_eps": 1e-5, "ema": 0.9999, "ema_start": 1000, "ortho": 0.0, "dim_z": 128,
        "shared_dim": 0, "hier": False, "init": "N02", "images": 500 * 50_000, "flip": False, "G_ch": 64,
    },
    "sngan-128": {
        "batch": 64, "G_lr": 2e-4, "D_lr": 2e-4, "beta1": 0.0, "beta2": 0.9, "eps": 1e-8, "D_steps": 5, "ema": 0.0,
        "sn_eps": 1e-8, "bn_eps": 1e-5, "init": "xavier", "D_wide": False, "ortho": 0.0,
    },
    "icgan-64": _ICGAN | icgan(64, 1e-4, 1e-4, 1, 256, 256, True) | {"k": 50, "features": "swav", "dim_z": 120},
    "icgan-128": _ICGAN | icgan(96, 1e-4, 4e-5, 1, 2048, 64, True) | {"k": 50, "features": "swav", "dim_z": 120},
    "icgan-256": _ICGAN | icgan(96, 1e-4, 4e-5, 1, 2048, 16, False) | {"k": 50, "features": "swav", "dim_z": 119},
    "icgan-256-half": _ICGAN | icgan(64, 1e-4, 1e-4, 2, 2048, 16, True) | {"k": 50, "augment": "none"},
    "icgan-coco-128": _SHIFTED | icgan(48, 4e-4, 1e-4, 1, 256, 64, True) | {"features": "swav"},
    "icgan-coco-256": _SHIFTED | icgan(48, 1e-4, 1e-4, 1, 256, 16, True) | {"dim_z": 119},
    "cc-icgan-64": _ICGAN | icgan(64, 1e-4, 1e-4, 1, 256, 256, True) | {"features": "resnet50", "shared_dim": 128},
    "cc-icgan-128": _ICGAN | icgan(96, 1e-4, 4e-5, 1, 2048, 64, True) | {"k": 50, "features": "resnet50"},
    "cc-icgan-256": _ICGAN | icgan(96, 1e-4, 4e-5, 1, 2048, 16, False) | {"k": 50, "num_classes": 1000},
    "cc-icgan-lt-64": _SHIFTED | icgan(64, 1e-3, 1e-5, 1, 128, 128, False) | {"features": "resnet50-lt"},
    "cc-icgan-lt-128": _SHIFTED | icgan(64, 1e-4, 1e-4, 2, 128, 64, False) | {"features": "resnet50-lt"},
    "cc-icgan-lt-256": _SHIFTED | icgan(64, 1e-4, 1e-4, 2, 128, 16, False) | {"dim_z": 119},
    "csgan-256": _CYCLE | {
        "cs": 30.0, "detach": True, "identity": 0.0, "direct": 0.0, "load_size": 0, "num_blocks": 9, "paired": True,
    },
    "cyclegan-256": _CYCLE | {"cs": 0.0, "load_size": 286, "num_blocks": 9, "paired": False},
    "cdgan-256": _CYCLE | {"cs": 30.0, "direct": 15.0, "judge_cycled": True, "num_blocks": 9},
    "stylegan2-64": _AUTO | {"batch": 64, "G_lr": 2.5e-3, "D_lr": 2.5e-3, "r1": 0.0128, "ema_images": 20_000},
    "stylegan2-256": _AUTO | {"batch": 64, "G_lr": 2.5e-3, "r1": 0.2048, "channel_base": 16384},
    "stylegan2-512": _AUTO | {"batch": 64, "G_lr": 2.5e-3, "r1": 0.8192, "channel_base": 32768},
    "stylegan2-1024": _AUTO | {"batch": 32, "G_lr": 2e-3, "D_lr": 2e-3, "r1": 6.5536, "ema_images": 10_000},
    "stylegan2-f": _PAPER | {"resolution": 1024, "batch": 32, "group": 4, "G_lr": 2e-3, "r1": 10.0},
    "stylegan2-256-paper": _PAPER | {
        "batch": 64, "group": 8, "channel_base": 16384, "G_lr": 2.5e-3, "r1": 1.0, "ema_images": 20_000,
    },
    "stylegan2-512-paper": _PAPER | {"batch": 64, "group": 8, "G_lr": 2.5e-3, "r1": 0.5, "ema_images": 20_000},
    "stylegan2-1024-paper": _PAPER | {"batch": 32, "group": 4, "G_lr": 2e-3, "r1": 2.0, "ema_images": 10_000},
    "icgan-stylegan2-128": _AUTO | {
        "batch": 64, "G_lr": 2.5e-3, "D_lr": 2.5e-3, "r1": 0.05, "ema_images": 20_000, "k": 5, "flip": True,
        "flip_features": True, "images": 100_000_000,
    },
    "icgan-stylegan2-256": _AUTO | {
        "batch": 32, "G_lr": 3e-3, "D_lr": 3e-3, "r1": 0.5, "ema_images": 10_000, "k": 5, "flip": True,
        "images": 100_000_000,
    },
    "biggan-deep-128": _BIGGAN | {"deep": True, "G_ch": 128, "D_ch": 128, "dim_z": 128, "rgb": "paper"},
    "biggan-deep-256": _BIGGAN | {"deep": True, "G_lr": 2.5e-5, "D_lr": 2.5e-5, "G_attention": (64,)},
    "biggan-deep-512": _BIGGAN | {"deep": True, "G_lr": 2.5e-5, "D_lr": 2.5e-5, "G_attention": (64,)},
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    """Every preset, built on the meta device for the classes of its own data."""
    return {row["preset"]: row for row in api.papers()}


def test_the_table_that_ships_is_what_is_counted(
    rows: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a change of presets or networks that is meant: `python -m tests.papers.test_presets` writes it anew."""
    assert tabled.shipped() == json.loads(json.dumps(list(rows.values())))
    (tmp_path / "wgan.toml").write_text("[another]\n")
    monkeypatch.setattr(tabled, "PRESETS", tmp_path)
    assert tabled.shipped() is None, "a table of other presets says nothing"
    monkeypatch.setattr(tabled, "TABLE", tmp_path / "missing.json")
    assert tabled.shipped() is None


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name: str, rows: dict[str, dict[str, Any]]) -> None:
    assert (rows[name]["parameters"]["G"], rows[name]["parameters"]["D"]) == COUNTS[name]


@pytest.mark.parametrize("name", SAID)
def test_hyperparameters(name: str) -> None:
    row = presets()[name]
    config = as_meant(row)
    assert {key: getattr(config, key) for key in SAID[name]} == SAID[name]


GOLDEN = Path(__file__).parent / "fixtures" / "presets.json"


def resolved() -> dict[str, dict[str, Any]]:
    """Every preset as it trains: the fields that count, and what it says of itself."""
    found = {}
    for name, row in presets().items():
        values = {**as_meant(row).counting(), "about": row.about, "source": row.source, "data": row.data}
        found[name] = {**values, "classes": row.classes, "published": row.published}
    return json.loads(json.dumps(found))


def test_no_preset_changes_unseen() -> None:
    """The golden table was reviewed against the papers and scripts.

    After a change that is meant: `python -m tests.papers.test_presets` writes it anew, and the table that ships.
    """
    golden = json.loads(GOLDEN.read_text())
    ours = resolved()
    assert list(ours) == list(golden)
    for name, row in ours.items():
        assert row == golden[name], name


def test_every_row_says_where_it_is_from() -> None:
    for name, row in presets().items():
        assert row.about, name
        assert row.source, name


def test_what_a_bare_name_means() -> None:
    sizes = {
        name: [fitting(name, r, False) for r in (0, 8, 16, 17, 28, 32, 48, 64, 95, 128, 256, 512)]
        for name in families()
    }
    assert sizes["wgan"][1:5] == ["wgan-digits", "wgan-digits", "wgan-32", "wgan-mnist"]
    assert sizes["wgan"][5:] == ["wgan-32", "wgan-32", "wgan-64", "wgan-64", "wgan-128", "wgan-128", "wgan-128"]
    assert sizes["wgan-gp"][3:6] == ["wgan-gp-cifar10", "wgan-gp-mnist", "wgan-gp-cifar10"]
    assert sizes["biggan"][5:9] == ["biggan-cifar10", "biggan-cifar10", "biggan-64", "biggan-64"]
    assert sizes["biggan"][9:] == ["biggan-128", "biggan-256", "biggan-512"]
    assert sizes["sagan"][0] == "sagan-64", "pictures of several sizes are taken for 64 pixels"
    assert (fitting("wgan", 0, True), fitting("wgan-gp", 0, True)) == ("wgan-toy-small", "wgan-gp-toy-small")
    with pytest.raises(InputError, match="sagan has no networks for points"):
        fitting("sagan", 0, True)
    assert fitting("wgan-64", 8, False) == "wgan-64", "a preset's own name stays"
    for names in sizes.values():
        assert set(names) <= set(presets())


# bare name -> the last size in pixels of each preset, in order
SIZES = {
    "wgan": {
        "points": "wgan-toy-small", "16": "wgan-digits", "27": "wgan-32", "28": "wgan-mnist", "48": "wgan-32",
        "95": "wgan-64", "any": "wgan-128",
    },
    "wgan-gp": {
        "points": "wgan-gp-toy-small", "16": "wgan-gp-digits", "27": "wgan-gp-cifar10", "28": "wgan-gp-mnist",
        "48": "wgan-gp-cifar10", "any": "wgan-gp-64",
    },
    "sagan": {"16": "sagan-digits", "48": "sagan-cifar10", "96": "sagan-64", "any": "sagan-128"},
    "biggan": {
        "16": "biggan-digits", "48": "biggan-cifar10", "96": "biggan-64", "192": "biggan-128", "384": "biggan-256",
        "any": "biggan-512",
    },
    "icgan": {"16": "icgan-digits", "48": "icgan-32-small", "96": "icgan-64", "192": "icgan-128", "any": "icgan-256"},
    "cc-icgan": {
        "16": "cc-icgan-digits", "48": "cc-icgan-32-small", "96": "cc-icgan-64", "192": "cc-icgan-128",
        "any": "cc-icgan-256",
    },
    "biggan-deep": {
        "16": "biggan-deep-digits", "48": "biggan-deep-cifar10", "96": "biggan-deep-64", "192": "biggan-deep-128",
        "384": "biggan-deep-256", "any": "biggan-deep-512",
    },
    "stylegan2": {
        "16": "stylegan2-digits", "48": "stylegan2-32-small", "96": "stylegan2-64", "192": "stylegan2-128",
        "384": "stylegan2-256", "768": "stylegan2-512", "any": "stylegan2-1024",
    },
    "icgan-stylegan2": {"16": "icgan-stylegan2-digits", "192": "icgan-stylegan2-128", "any": "icgan-stylegan2-256"},
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_the_sizes_that_a_bare_name_has_presets_for(name: str) -> None:
    assert list(families()[name].items()) == list(SIZES[name].items())


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(resolved(), indent=1) + "\n")
    tabled.write(api.papers())
