"""`ganvas import`: the authors' checkpoints become model folders that give the authors' images; the rest is refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ganvas
from ganvas import presets
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.gan import GAN, Picture, Request
from ganvas.models import importing
from ganvas.nets import biggan, biggan_deep, hub
from ganvas.papers.biggan import Code
from ganvas.pretrained import FORMATS, biggan_deep_hub, biggan_hub, biggan_pytorch
from ganvas.pretrained.foreign import Imported
from ganvas.recipes import Recipe
from tests.pretrained import hub_recipe

EPS = {"sn_eps": 1e-6, "bn_eps": 1e-5, "final_bn_eps": 1e-5}
# arguments of G and D as scripts of BigGAN-PyTorch have them, small; the preset that is expected
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "biggan": (
        {"resolution": 32, "ch": 4, "dim_z": 16, "shared_dim": 6, "attention": (16,)},
        {"resolution": 32, "ch": 4, "attention": (16,), "placement": "nominal"},
        "biggan-cifar10",
    ),
    "sagan": (
        {"resolution": 64, "ch": 2, "dim_z": 8, "shared_dim": 0, "hier": False, "attention": (32,)},
        {"resolution": 64, "ch": 2, "attention": (8,)},
        "sagan-128-bigganpt",
    ),
    "sngan": (
        {"resolution": 32, "ch": 2, "dim_z": 8, "shared_dim": 0, "hier": False, "attention": ()},
        {"resolution": 32, "ch": 2, "attention": (), "wide": False},
        "sngan-128",
    ),
    "deep": (
        {"resolution": 32, "ch": 4, "dim_z": 7, "shared_dim": 5, "attention": (), "rgb": "bgpt"},
        {"resolution": 32, "ch": 4, "attention": ()},
        "biggan-deep-cifar10",
    ),
}


def pair(name: str, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """G and D of 3 classes as they might be after training: nothing of theirs is where an initialisation puts it."""
    G_values, D_values, _ = PAIRS[name]
    module = biggan_deep if name == "deep" else biggan
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G = module.Generator(num_classes=3, init="none", bias_init="torch", **EPS, **G_values)
        D = module.Discriminator(num_classes=3, init="none", bias_init="torch", sn_eps=EPS["sn_eps"], **D_values)
        for key, value in (*G.state_dict().items(), *D.state_dict().items()):
            if key.endswith(("stored_var", "stored_mean", "gamma")):
                value += torch.rand(value.shape)
    return G.eval(), D.eval()


def save(folder: Path, name: str = "biggan", suffix: str = "") -> tuple[nn.Module, nn.Module]:
    """An experiment's folder as BigGAN-PyTorch leaves it.  -> its average and its D"""
    folder.mkdir(parents=True, exist_ok=True)
    (live, _), (G, D) = pair(name, 1), pair(name, 0)
    torch.save(live.state_dict(), folder / f"G{suffix}.pth")
    torch.save(G.state_dict(), folder / f"G_ema{suffix}.pth")
    torch.save(D.state_dict(), folder / f"D{suffix}.pth")
    for player in ("G", "D"):
        adam = torch.optim.Adam(G.parameters())
        torch.save(adam.state_dict(), folder / f"{player}_optim{suffix}.pth")
    # what holds modules cannot be read safely, and need not be
    torch.save({"itr": 5, "config": {"G_activation": nn.ReLU(inplace=True)}}, folder / f"state_dict{suffix}.pth")
    return G, D


def run(*args: object) -> int:
    return main([str(a) for a in args])


def images(G: nn.Module, n: int = 2) -> Tensor:
    z = torch.randn(n, G.dim_z, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    weight = next(G.parameters())
    with torch.no_grad():
        return G(z.to(weight.dtype), G.shared(torch.arange(n) % G.num_classes))


def refused(capsys: pytest.CaptureFixture[str], out: Path, *args: object) -> str:
    """Runs a command that must end in one line, with nothing at `out`.  -> the line"""
    capsys.readouterr()
    assert run(*args, "--out", out) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert not out.exists()
    assert not list(out.parent.glob(".*tmp*"))
    return lines[0]


@pytest.mark.parametrize("name", PAIRS)
def test_a_folder_of_bigganpytorch(name: str, tmp_path: Path) -> None:
    G, D = save(tmp_path / "weights", name)
    assert run("import", "biggan-pytorch", tmp_path / "weights", "--out", tmp_path / "model") == 0
    gan = ganvas.load(tmp_path / "model", device="cpu")
    torch.testing.assert_close(images(gan.G), images(G), rtol=0, atol=1e-5)
    x, y = torch.rand(2, 3, G.resolution, G.resolution) * 2 - 1, torch.tensor([0, 2])
    torch.testing.assert_close(gan.D(x, y), D(x, y).detach(), rtol=1e-5, atol=1e-5)
    assert gan.sample(3, seed=1, classes=[2, 0, 1]).shape == (3, 3, G.resolution, G.resolution)
    description = json.loads((tmp_path / "model" / "config.json").read_text())
    assert description["preset"] == PAIRS[name][2]
    assert any("G_ema.pth" in note for note in description["notes"])
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "README.md", "config.json", "model.safetensors", "samples.png",
    ]  # fmt: skip


def test_single_files_in_any_order_and_told_epsilons(tmp_path: Path) -> None:
    G, _ = save(tmp_path / "w", suffix="_best1")
    files = [tmp_path / "w" / f"{name}_best1.pth" for name in ("D", "G_ema")]
    told = ["--set", "sn_eps=1e-2", "bn_eps=0.1"]
    assert run("import", "biggan-pytorch", *files, "--out", tmp_path / "m", *told, "--preset", "biggan-64") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    assert (gan.config.sn_eps, gan.config.bn_eps, gan.config.resolution) == (0.01, 0.1, 32)
    assert gan.config.batch == 256  # the preset's
    assert (images(gan.G) - images(G)).abs().max() > 1e-4  # the epsilons are used


def test_epsilons_are_printed_and_assumed_only_where_nobody_told_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "w")
    assumed = "assumed, as no file holds them; --set changes them"
    for name, told, lines in (
        ("a", [], [f"sn_eps=1e-06, bn_eps=1e-05: {assumed}"]),
        ("b", ["--set", "sn_eps=1e-2"], ["sn_eps=0.01: as given", f"bn_eps=1e-05: {assumed}"]),
        ("c", ["--set", "sn_eps=1e-2", "bn_eps=0.1"], ["sn_eps=0.01, bn_eps=0.1: as given"]),
    ):
        assert run("import", "biggan-pytorch", tmp_path / "w", "--out", tmp_path / name, *told) == 0
        said = [line for line in capsys.readouterr().err.splitlines() if "eps=" in line]
        card = (tmp_path / name / "README.md").read_text()
        assert said == lines
        assert all(f"- {line}" in card for line in lines)


def test_the_card_of_an_import_shows_no_field_of_a_training_that_was_not_here(tmp_path: Path) -> None:
    save(tmp_path / "w")
    importing.import_model("biggan-pytorch", [tmp_path / "w" / "G.pth"], tmp_path / "m")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in (tmp_path / "m" / "README.md").read_text().splitlines()
            if line.startswith("| ")]  # fmt: skip
    assert {"resolution", "G_ch", "sn_eps"} <= set(rows)
    assert not {row for row in rows if row.startswith("D_") or row in ("batch", "images", "G_lr", "beta1", "ema")}


def test_the_result_is_ready_to_sample(tmp_path: Path) -> None:
    save(tmp_path / "w", "sngan")
    gan = importing.import_model("biggan-pytorch", [tmp_path / "w"], tmp_path / "m")
    assert not any(module.training for module in gan.modules())
    torch.testing.assert_close(gan.sample(1), ganvas.load(tmp_path / "m", device="cpu").sample(1))


def test_the_live_generator_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "w")
    assert run("import", "biggan-pytorch", tmp_path / "w" / "G.pth", "--out", tmp_path / "m") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    torch.testing.assert_close(images(gan.G), images(pair("biggan", 1)[0]), rtol=0, atol=1e-5)
    assert gan.D is None
    with pytest.raises(InputError, match="cannot be trained"):
        gan.phases()
    capsys.readouterr()
    assert run("train", "--resume", tmp_path / "m") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_folder_copied_elsewhere_still_samples(tmp_path: Path) -> None:
    save(tmp_path / "w")
    assert run("import", "biggan-pytorch", tmp_path / "w", "--out", tmp_path / "m") == 0
    before = ganvas.load(tmp_path / "m", device="cpu").sample(2)
    shutil.move(tmp_path / "m", tmp_path / "else where")
    shutil.rmtree(tmp_path / "w")
    assert run("sample", tmp_path / "else where", "-n", 2, "--device", "cpu", "--out", tmp_path / "x.npz") == 0
    with np.load(tmp_path / "x.npz") as file:
        torch.testing.assert_close(torch.from_numpy(file["x"]), before)


def test_class_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "w")
    names = tmp_path / "names.txt"
    names.write_text("\ufefftench\ngoldfish\ngreat white shark\n", encoding="utf-8")
    command = ["import", "biggan-pytorch", tmp_path / "w", "--class-names", names]
    assert run(*command, "--out", tmp_path / "m") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    assert gan.class_names == ["tench", "goldfish", "great white shark"]
    torch.testing.assert_close(gan.sample(1, classes="great white shark"), gan.sample(1, classes=[2]))
    for text in ("one\ntwo\n", ""):
        names.write_text(text)
        assert "names for 3 classes" in refused(capsys, tmp_path / "m2", *command)


@pytest.fixture(scope="module")
def deep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep")
    torch.save(hub_recipe.deep_state(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(hub_recipe.DEEP_CONFIG))
    return folder


@pytest.fixture(scope="module")
def deep_model(deep_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of the hub as a model folder."""
    out = tmp_path_factory.mktemp("imported") / "m"
    assert run("import", "biggan-deep-hub", deep_folder, "--out", out) == 0
    return out


@pytest.fixture
def deep(deep_model: Path) -> GAN:
    return ganvas.load(deep_model, device="cpu")


def originals() -> dict[str, Tensor]:
    """Every eighth pixel of the original's images, from the same weights (tests/pretrained)."""
    with np.load(Path(__file__).parents[1] / "pretrained" / "fixtures" / "hubs.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def ours(gan: GAN, truncation: float | None = None) -> Tensor:
    """The images of the fixture, in float64: how far networks are apart, not how far float32 is.

    truncation: with the statistics that an imported model brought for it, or G's own.
    """
    G = gan.double().G
    with torch.no_grad():
        z, c = hub_recipe.noise("z", (2, G.dim_z)), G.shared(torch.tensor([1, 5]))
        x = G(z, c) if truncation is None else gan.decode(Code(z, c, truncation=truncation))
    return x[:, :, ::8, ::8].float()


def test_biggan_deep_of_the_hub_and_its_statistics(deep: GAN) -> None:
    assert deep.D is None
    assert deep.config.resolution == 128
    assert deep.config.statistics == 51
    stored = biggan_deep_hub.convert(hub_recipe.deep_state(), hub_recipe.DEEP_CONFIG, bake=True).statistics
    for truncation in (0.02, 0.14, 0.28, 0.405, 0.56, 0.58, 0.94, 1.0):
        rows = deep.hub.at(truncation)
        assert rows.keys() == stored.keys()
        for key, row in biggan_deep_hub.at_truncation(stored, truncation).items():
            torch.testing.assert_close(rows[key], row.float(), rtol=1e-6, atol=1e-6)
    for key, row in deep.hub.at(1.0).items():  # G's own are those of no truncation
        torch.testing.assert_close(deep.G.get_buffer(key), row, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours(deep), originals()["deep.whole"], rtol=0, atol=1e-5)
    torch.testing.assert_close(ours(deep, 1.0), originals()["deep.whole"], rtol=0, atol=1e-5)
    torch.testing.assert_close(ours(deep, 0.4), originals()["deep.grid"], rtol=0, atol=1e-5)


def test_sampling_at_any_truncation_changes_no_buffer(deep: GAN) -> None:
    before = {key: value.clone() for key, value in deep.state_dict().items()}
    images = []
    for truncation in (0.4, 1.0, None, 0.4):
        images.append(deep.sample(1, classes=2, truncation=truncation, truncation_form="scale"))
        torch.testing.assert_close(deep.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(images[0], images[3])  # whatever was sampled in between


def test_no_truncation_is_the_last_row(deep: GAN) -> None:
    with torch.no_grad():
        code = deep.code(Request([0], deep.given([0])))
        assert code.truncation == 1.0
        torch.testing.assert_close(deep.decode(code), deep.G(code.z, code.c), rtol=0, atol=1e-5)
        at_half = deep.decode(replace(code, truncation=0.5))  # the same latents
        assert not torch.allclose(deep.decode(code), at_half, atol=1e-2)


@pytest.mark.parametrize("wrong", [0.0, -0.5, 1.5, float("nan")])
def test_a_truncation_beyond_the_statistics(wrong: float, deep: GAN) -> None:
    with pytest.raises(InputError, match=f"truncation {wrong} given; this model has statistics for 0 to 1"):
        hub.must_have(wrong)
    with pytest.raises(InputError, match=f"truncation {wrong} given"):
        deep.sample(1, truncation=wrong)


def test_standing_statistics_take_the_place_of_the_hubs(deep: GAN) -> None:
    before = deep.sample(1, truncation=0.5, truncation_form="scale")
    brought = {key: value.clone() for key, value in deep.hub.state_dict().items()}
    deep.standing_statistics(1, 4, truncation=0.5, truncation_form="scale")
    after = deep.sample(1, truncation=0.5, truncation_form="scale")
    assert not torch.allclose(before, after), "standing statistics must not be overwritten by the hub's"
    torch.testing.assert_close(deep.hub.state_dict(), brought, rtol=0, atol=0)


@pytest.fixture
def _small_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two samples instead of 64 of 128 pixels."""
    monkeypatch.setattr(GAN, "sheet", lambda self, real: Picture(self.sample(2), 2))


@pytest.mark.usefixtures("_small_picture")
def test_biggan_deep_as_two_files_and_trainable(deep_folder: Path, tmp_path: Path) -> None:
    files = [deep_folder / "config.json", deep_folder / "pytorch_model.bin"]
    assert run("import", "biggan-deep-hub", *files, "--out", tmp_path / "m", "--set", "G_sn=true") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    assert gan.config.G_sn
    torch.testing.assert_close(ours(gan), originals()["deep.whole"], rtol=0, atol=1e-5)


@pytest.mark.usefixtures("_small_picture")
def test_biggan_of_the_hub(tmp_path: Path) -> None:
    np.savez(tmp_path / "hub.npz", **{key: value.numpy() for key, value in hub_recipe.hub_variables().items()})
    assert run("import", "biggan-hub", tmp_path / "hub.npz", "--out", tmp_path / "m") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    assert (gan.config.dim_z, gan.config.num_classes, gan.D) == (120, hub_recipe.CLASSES, None)
    torch.testing.assert_close(ours(gan), originals()["hub"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--preset", "nonsense"], "unknown preset 'nonsense'"),
        (["--preset", "wgan-64"], "wgan-64 has no"),
        (["--preset", "sagan-128"], "sagan-128 has no shared_dim, hier"),
        (["--preset", "biggan-deep-128"], "biggan-deep-128 has deep=True, these weights have deep=False"),
        (["--set", "resolution=64"], "the weights show resolution=32"),
        (["--set", "G_only=true"], "the weights show G_only=False"),
        (["--set", "statistics=51"], "the weights show statistics=0"),
        (["--set", "sn_eps=small"], "expected a number as 1e-6"),
        (["--set", "sn_eps=-1"], "sn_eps=-1"),
        (["--set", "nonsense=1"], "unknown key nonsense"),
    ],
)
def test_what_contradicts_the_weights(
    args: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "w")
    assert message in refused(capsys, tmp_path / "m", "import", "biggan-pytorch", tmp_path / "w", *args)


def test_a_generator_alone_does_not_become_a_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "w")
    command = ["import", "biggan-pytorch", tmp_path / "w" / "G.pth", "--set"]
    assert "the weights show G_only=True" in refused(capsys, tmp_path / "m", *command, "G_only=false")
    assert "the weights show statistics=0" in refused(capsys, tmp_path / "m", *command, "statistics=51")


def test_a_player_without_weights_is_initialised_and_the_card_says_so(tmp_path: Path) -> None:
    """Networks are built without numbers: whoever is not filled would hold what lay in memory."""
    save(tmp_path / "w", "sagan")
    out = tmp_path / "m"
    command = ["import", "biggan-pytorch", tmp_path / "w" / "G.pth", "--preset", "sagan-128-bigganpt"]
    command += ["--set", "D_ch=2", "D_attention=[8]"]
    assert run(*command, "--out", out) == 0
    assert "D is not among the files: it is as initialised, seed 0" in (out / "README.md").read_text()
    gan = ganvas.load(out, "cpu")
    recipe = Recipe("sagan", "sagan-128-bigganpt", gan.config)
    fresh = recipe.build(0)
    assert all(torch.equal(value, fresh.D.state_dict()[key]) for key, value in gan.D.state_dict().items())
    assert not torch.equal(gan.G.linear.weight, fresh.G.linear.weight)


def test_formats_suggest_presets_that_there_are() -> None:
    for format, foreign in imports().items():
        assert foreign.presets, format
        for name in foreign.presets:
            assert presets.fitting(name, foreign.values["resolution"], False) in presets.presets()


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("biggan-pytorch", "biggan-cifar10"),
        ("biggan-hub", "biggan-128"),
        ("biggan-deep-hub", "biggan-deep-128"),
    ],
)
def test_the_first_preset_that_can_say_all_is_taken(format: str, expected: str) -> None:
    assert importing.likeliest(imports()[format]) == expected


def test_what_no_config_can_say_has_no_preset() -> None:
    foreign = replace(imports()["biggan-pytorch"], values={**imports()["biggan-pytorch"].values, "novelty": 3})
    with pytest.raises(InputError, match="no preset has networks like these weights; give one with --preset"):
        importing.likeliest(foreign)
    granted = replace(foreign, granted={"novelty": 3})  # what every such Config takes for granted need not be said
    assert importing.likeliest(granted) == "biggan-cifar10"


def test_further_modules_are_filled_by_name(deep: GAN) -> None:
    rows = biggan_deep_hub.convert(hub_recipe.deep_state(), hub_recipe.DEEP_CONFIG).parts["hub"]
    assert rows.keys() == deep.hub.state_dict().keys()
    for key, value in deep.hub.state_dict().items():
        torch.testing.assert_close(value, rows[key].float())


def imports() -> dict[str, Imported]:
    """What each format's converter says of a small model."""
    G, D = pair("biggan")
    made = {
        "biggan-pytorch": biggan_pytorch.convert(G.state_dict(), D.state_dict()),
        "biggan-hub": biggan_hub.convert(hub_recipe.hub_variables()),
        "biggan-deep-hub": biggan_deep_hub.convert(hub_recipe.deep_state(), hub_recipe.DEEP_CONFIG),
    }
    assert set(made) <= set(FORMATS)
    return made


def test_wrong_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], deep_folder: Path) -> None:
    G, _ = save(tmp_path / "w")
    out, w = tmp_path / "m", tmp_path / "w"
    (tmp_path / "empty").mkdir()
    shutil.copy(w / "G.pth", tmp_path / "G_copy0.pth")
    shutil.copy(w / "D.pth", tmp_path / "other D.pth")
    torch.save({"embed.weight": torch.zeros(3, 4)}, tmp_path / "other.pth")
    torch.save(G.state_dict() | {"linear.bias": torch.full((256,), float("nan"))}, tmp_path / "nan.pth")
    cases = [
        ("expected one of biggan-pytorch", "nonsense", w),
        ("are both a G;", "biggan-pytorch", w / "G.pth", tmp_path / "G_copy0.pth"),
        ("are both a D;", "biggan-pytorch", w, tmp_path / "other D.pth"),
        ("no generator among", "biggan-pytorch", tmp_path / "empty"),
        ("no generator among", "biggan-pytorch", w / "D.pth"),
        ("no generator among", "biggan-pytorch", w / "state_dict.pth"),
        ("is not a file", "biggan-pytorch", tmp_path / "missing.pth"),
        ("expected those of BigGAN-PyTorch's G", "biggan-pytorch", deep_folder / "pytorch_model.bin"),
        ("expected those of BigGAN-PyTorch's D", "biggan-pytorch", w / "G.pth", tmp_path / "other.pth"),
        ("is not finite", "biggan-pytorch", tmp_path / "nan.pth"),
        ("no pytorch_model.bin", "biggan-deep-hub", w),
        ("config.json is missing", "biggan-deep-hub", w / "G.pth"),
        ("0 blocks under module/Generator", "biggan-hub", w / "G.pth"),
        ("2 files given", "biggan-hub", w / "G.pth", w / "D.pth"),
        ("is not a file", "biggan-hub", w),
    ]
    for message, *args in cases:
        line = refused(capsys, out, "import", *args)
        assert message in line, line


def test_a_config_of_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str], deep_folder: Path) -> None:
    weights, config = deep_folder / "pytorch_model.bin", tmp_path / "config.json"
    for text, message in {
        "{": "is not JSON",
        "[]": "is not that of pytorch-pretrained-BigGAN",
        '{"hidden_size": 768}': "is not that of pytorch-pretrained-BigGAN",
        json.dumps({**hub_recipe.DEEP_CONFIG, "layers": 3}): "is not that of pytorch-pretrained-BigGAN",
        json.dumps({**hub_recipe.DEEP_CONFIG, "attention_layer_position": 6}): "no layer of",
        json.dumps({**hub_recipe.DEEP_CONFIG, "channel_width": 16}): "do not fit",
        json.dumps({**hub_recipe.DEEP_CONFIG, "z_dim": 5}): "do not fit",
    }.items():
        config.write_text(text)
        assert message in refused(capsys, tmp_path / "m", "import", "biggan-deep-hub", weights, config), text


class Harmful:
    """What a stranger's checkpoint may hold: an object for which pickle calls a function."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_pickled_code_is_refused_and_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker, out = tmp_path / "was-run", tmp_path / "m"
    torch.save({"linear.weight": Harmful(marker)}, tmp_path / "G.pth")
    torch.save({"a": Harmful(marker)}, tmp_path / "G_old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "G_raw.pth").write_bytes(pickle.dumps({"a": Harmful(marker)}))
    np.savez(tmp_path / "hub.npz", a=np.array([Harmful(marker)], dtype=object))
    for name in ("G", "G_old", "G_raw"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # one line means that torch says nothing beside it
            line = refused(capsys, out, "import", "biggan-pytorch", tmp_path / f"{name}.pth")
        assert f"{name}.pth cannot be read" in line
    assert "cannot be read" in refused(capsys, out, "import", "biggan-hub", tmp_path / "hub.npz")
    (tmp_path / "pytorch_model.bin").write_bytes((tmp_path / "G.pth").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(hub_recipe.DEEP_CONFIG))
    assert "holds more than tensors" in refused(capsys, out, "import", "biggan-deep-hub", tmp_path)
    assert not marker.exists()
    pickle.loads((tmp_path / "G_raw.pth").read_bytes())  # the trap is a trap: read carelessly, it runs
    assert marker.exists()


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_truncated_files(keep: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "w")
    np.savez(tmp_path / "hub.npz", a=np.zeros(5000))
    for path, format in {tmp_path / "w" / "G_ema.pth": "biggan-pytorch", tmp_path / "hub.npz": "biggan-hub"}.items():
        whole = path.read_bytes()
        path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else int(keep)])
        assert "cannot be read" in refused(capsys, tmp_path / "m", "import", format, path)


def test_places_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "w")
    command = ["import", "biggan-pytorch", tmp_path / "w", "--out"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    for out in (tmp_path / "full", tmp_path / "file", tmp_path / "file" / "below"):
        capsys.readouterr()
        assert run(*command, out) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert (tmp_path / "full" / "mine.txt").read_text() == (tmp_path / "file").read_text() == "keep"
    (tmp_path / "empty").mkdir()
    assert run(*command, tmp_path / "empty") == 0


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "w")

    def full_disk(*_: object) -> None:
        raise InputError("no space left")

    monkeypatch.setattr(importing.model_folder, "write_description", full_disk)
    with pytest.raises(InputError, match="no space left"):
        importing.import_model("biggan-pytorch", [tmp_path / "w"], tmp_path / "new" / "m")
    assert not (tmp_path / "new").exists()
