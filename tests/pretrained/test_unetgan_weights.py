"""U-Net GAN's checkpoints: their layout, small, into our networks, which then compute what the authors' compute."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import ganvas
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.gan import Given
from ganvas.nets import biggan, biggan_deep, selfmod, unet
from ganvas.pretrained.unetgan import convert, discriminator_renamed, discriminator_values, generator_values
from tests.unet_recipe import CLASSES, D_CASES, G_CASES, image_numbers, images, map_numbers, noise, value

D_BLOCKS = {  # inputs and outputs of the blocks in multiples of ch; None: the image
    128: [(None, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 8), (16, 4), (8, 2), (4, 1), (2, 1)],
    256: [
        *[(None, 1), (1, 2), (2, 4), (4, 8), (8, 8), (8, 16)],
        *[(16, 8), (16, 8), (16, 4), (8, 2), (4, 1), (2, 1)],
    ],
}
G_BLOCKS = {
    128: [(16, 16), (16, 8), (8, 4), (4, 2), (2, 1)],
    256: [(16, 16), (16, 8), (8, 8), (8, 4), (4, 2), (2, 1)],
}
Shapes = dict[str, tuple[int, ...]]


def normalised(name: str, *weight: int, bias: bool = True) -> Shapes:
    """A spectrally normalised layer's entries."""
    entries: Shapes = {f"{name}.weight": weight, f"{name}.u0": (1, weight[0]), f"{name}.sv0": (1,)}
    return entries | ({f"{name}.bias": (weight[0],)} if bias else {})


def residual(name: str, cin: int, cout: int) -> Shapes:
    shapes = normalised(f"{name}.conv1", cout, cin, 3, 3) | normalised(f"{name}.conv2", cout, cout, 3, 3)
    return shapes | normalised(f"{name}.conv_sc", cout, cin, 1, 1)


def attention(name: str, channels: int) -> Shapes:
    shapes: Shapes = {f"{name}.gamma": ()}
    for part, cin, cout in (("theta", 1, 1 / 8), ("phi", 1, 1 / 8), ("g", 1, 1 / 2), ("o", 1 / 2, 1)):
        shapes |= normalised(f"{name}.{part}", int(channels * cout), int(channels * cin), 1, 1, bias=False)
    return shapes


def foreign_D(resolution: int, classes: int, ch: int = 8, attended: int | None = None) -> Shapes:
    blocks = D_BLOCKS[resolution]
    shapes: Shapes = {}
    for i, (cin, cout) in enumerate(blocks):
        shapes |= residual(f"blocks.{i}.0", ch * cin if cin else 3, ch * cout)
    if attended is not None:
        shapes |= attention(f"blocks.{attended}.1", ch * blocks[attended][1])
    shapes |= {f"blocks.{len(blocks)}.weight": (1, ch, 1, 1), f"blocks.{len(blocks)}.bias": (1,)}
    shapes |= normalised("linear", 1, ch) | normalised("linear_middle", 1, 16 * ch)
    if classes:
        shapes |= normalised("embed", classes, ch, bias=False)
        shapes |= normalised("embed_middle", classes, 16 * ch, bias=False)
    return shapes


def foreign_G(resolution: int, classes: int, ch: int = 8, dim_z: int = 128) -> Shapes:
    shapes = normalised("linear", 16 * 16 * ch, dim_z)
    for i, (cin, cout) in enumerate(G_BLOCKS[resolution]):
        shapes |= residual(f"blocks.{i}.0", ch * cin, ch * cout)
        for name, width in ((f"blocks.{i}.0.bn1", ch * cin), (f"blocks.{i}.0.bn2", ch * cout)):
            shapes |= {f"{name}.stored_mean": (width,), f"{name}.stored_var": (width,)}
            for part in ("gain", "bias"):
                if classes:
                    shapes[f"{name}.{part}.weight"] = (classes, width)
                else:
                    shapes |= {f"{name}.{part}.0.weight": (dim_z, dim_z), f"{name}.{part}.0.bias": (dim_z,)}
                    shapes[f"{name}.{part}.2.weight"] = (width, dim_z)
    shapes |= {f"output_layer.0.{part}": (ch,) for part in ("gain", "bias", "stored_mean", "stored_var")}
    return shapes | normalised("output_layer.2", 3, ch, 3, 3)


def state(shapes: Shapes) -> dict[str, Tensor]:
    return {key: value(key, torch.Size(shape)) for key, shape in shapes.items()}


@pytest.mark.parametrize(("resolution", "classes"), D_CASES)
def test_imported_networks_compute_what_the_authors_do(resolution, classes):
    imported = convert(state(foreign_G(resolution, classes)), state(foreign_D(resolution, classes)))
    v = imported.values
    D = unet.Discriminator(v["resolution"], v["D_ch"], v["num_classes"], init="none", sn_eps=v["sn_eps"]).eval()
    D.load_state_dict(imported.D)
    numbers, scores, _ = D_CASES[resolution, classes]
    with torch.no_grad():
        pixels, score = D(images(resolution), CLASSES if classes else None)
    assert map_numbers(pixels) == pytest.approx(numbers, rel=0, abs=3e-6)
    assert score.flatten().tolist() == pytest.approx(scores, rel=0, abs=2e-5)

    eps = {key: v[key] for key in ("sn_eps", "bn_eps")}
    assert v["self_modulation"] == (classes == 0)
    if v["self_modulation"]:
        G = selfmod.Generator(v["resolution"], v["G_ch"], v["dim_z"], init="none", **eps)
    else:
        eps |= {key: v[key] for key in ("hier", "shared_dim", "final_bn_eps")} | {"attention": v["G_attention"]}
        G = biggan.Generator(v["resolution"], v["G_ch"], v["dim_z"], v["num_classes"], init="none", **eps)
    G.load_state_dict(imported.G)
    with torch.no_grad():
        image = G.eval()(noise(), G.shared(CLASSES))
    assert image_numbers(image) == pytest.approx(G_CASES[resolution, classes][0], rel=0, abs=3e-6)


@pytest.mark.parametrize(("resolution", "classes"), D_CASES)
def test_configuration_from_shapes(resolution, classes):
    imported = convert(state(foreign_G(resolution, classes, 2, 6)), state(foreign_D(resolution, classes, 4)), 1e-8)
    assert imported.paper == "unetgan"
    assert imported.values == {
        **{"resolution": resolution, "channels": 3, "num_classes": classes, "dim_z": 6},
        **{"hier": False, "shared_dim": 0, "deep": False, "self_modulation": classes == 0},
        **{"G_ch": 2, "D_ch": 4, "G_attention": [], "D_attention": [], "G_sn": True},
        **{"sn_eps": 1e-8, "bn_eps": 1e-5, "final_bn_eps": 1e-5},
    }
    assert any("5 weights that its code never calls" in note for note in imported.notes)
    alone = convert(state(foreign_G(resolution, classes, 2, 6)))
    assert alone.D is None
    assert "D_ch" not in alone.values


def test_every_tensor_goes_to_its_place():
    """By identity: many of them have the same shape."""
    theirs = state(foreign_D(128, 10, 8, attended=0))
    ours = discriminator_renamed(theirs)
    assert len(ours) == len(theirs) - 4  # `linear`
    for our, their in {
        "encoder.4.0.conv1.weight": "blocks.4.0.conv1.weight",
        "encoder.0.1.theta.u0": "blocks.0.1.theta.u0",
        "encoder.0.1.gamma": "blocks.0.1.gamma",
        "decoder.0.conv1.weight": "blocks.5.0.conv1.weight",
        "decoder.4.conv_sc.bias": "blocks.9.0.conv_sc.bias",
        "map_conv.bias": "blocks.10.bias",
        "map_embed.weight": "embed.weight",
        "score_embed.u0": "embed_middle.u0",
        "score_linear.weight": "linear_middle.weight",
    }.items():
        assert ours[our] is theirs[their]
    D = unet.Discriminator(128, 8, 10, attention=discriminator_values(theirs)["D_attention"])
    D.load_state_dict(ours)
    assert discriminator_values(theirs)["D_attention"] == [64]


def test_the_form_with_split_z():
    """BigGAN's own generator, which U-Net GAN's code still has."""
    with torch.device("meta"):
        G = biggan.Generator(128, 8, 24, 10, attention=(64,), shared_dim=16).state_dict()
    values = generator_values(G)
    assert (values["dim_z"], values["shared_dim"], values["hier"], values["G_attention"]) == (24, 16, True, [64])
    with torch.device("meta"):
        modulated = selfmod.Generator(64, 8, 24, channels=1, attention=(32,)).state_dict()
    values = generator_values(modulated)
    assert (values["resolution"], values["G_ch"], values["channels"]) == (64, 8, 1)
    assert (values["dim_z"], values["G_attention"]) == (24, [32])


def test_what_does_not_fit():
    G, D = state(foreign_G(128, 0, 1, 4)), state(foreign_D(128, 0, 1))
    with pytest.raises(InputError, match="num_classes is 0 in G, 10 in D"):
        convert(G, state(foreign_D(128, 10, 1)))
    with pytest.raises(InputError, match="resolution is 128 in G, 256 in D"):
        convert(G, state(foreign_D(256, 0, 1)))
    with pytest.raises(InputError, match=r"no 'linear_middle\.weight'"):
        convert(G, {key: v for key, v in D.items() if not key.startswith("linear_middle")})
    with pytest.raises(InputError, match="a D of 9 blocks"):
        convert(G, {key: v for key, v in D.items() if not key.startswith("blocks.10.")})
    with pytest.raises(InputError, match="expected those"):
        convert(D)
    with torch.device("meta"):
        deep = biggan_deep.Generator(32, 4, 7, 5, attention=(), rgb="bgpt").state_dict()
    with pytest.raises(InputError, match="a G of BigGAN-deep"):
        convert(deep)
    # What is not known is not lost on the way: loading refuses it.
    assert_close(discriminator_renamed({**D, "more.weight": torch.ones(1)})["more.weight"], torch.ones(1))


def save(folder: Path, classes: int, ch: int = 8, dim_z: int = 128) -> None:
    """A folder as the authors' code leaves it: live and averaged G, D with its dead layer, optimisers, settings."""
    folder.mkdir()
    G, D = state(foreign_G(128, classes, ch, dim_z)), state(foreign_D(128, classes, ch))
    torch.save({key: 2 * value for key, value in G.items()}, folder / "G_ep_82.pth")
    torch.save(G, folder / "G_ema_ep_82.pth")
    torch.save(D, folder / "D_ep_82.pth")
    torch.save({"step": torch.ones(1)}, folder / "G_optim_ep_82.pth")
    torch.save({"itr": 5}, folder / "state_dict_ep_82.pth")


def run(*args: object) -> int:
    return main([str(a) for a in args])


def test_import_end_to_end(tmp_path: Path) -> None:
    """The folder that comes out gives the authors' maps, scores and images."""
    save(tmp_path / "w", 0)
    files = [tmp_path / "w" / name for name in ("G_ema_ep_82.pth", "D_ep_82.pth")]
    assert run("import", "unetgan", *files, "--out", tmp_path / "m") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    numbers, scores, learned = D_CASES[128, 0]
    with torch.no_grad():
        assert map_numbers(gan.pixel_scores(images(128), Given())) == pytest.approx(numbers, rel=0, abs=3e-6)
        assert gan.D(images(128))[1].flatten().tolist() == pytest.approx(scores, rel=0, abs=2e-5)
        assert image_numbers(gan.G(noise())) == pytest.approx(G_CASES[128, 0][0], rel=0, abs=3e-6)
    assert gan.parameter_counts() == {"G": G_CASES[128, 0][1], "D": learned}
    assert gan.phases()[0].name == "D"  # it can be trained on
    described = json.loads((tmp_path / "m" / "config.json").read_text())
    assert (described["paper"], described["preset"]) == ("unetgan", "unetgan-celeba128")
    assert described["config"]["sn_eps"] == 1e-6
    assert any("9 weights that its code never calls" in note for note in described["notes"])


def test_import_of_a_folder_with_classes(tmp_path: Path) -> None:
    save(tmp_path / "w", 10, 2, 6)
    assert run("import", "unetgan", tmp_path / "w", "--out", tmp_path / "m") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    assert (gan.config.num_classes, gan.config.conditional, gan.config.sn_eps) == (10, True, 1e-8)
    assert gan.sample(2, classes=[1, 2]).shape == (2, 3, 128, 128)
    averaged = state(foreign_G(128, 10, 2, 6))["linear.weight"]
    assert torch.equal(gan.G.linear.weight, averaged)
    described = json.loads((tmp_path / "m" / "config.json").read_text())
    assert described["preset"] == "unetgan-cocoanimals128"
    assert any("G_ep_82.pth was left out" in note for note in described["notes"])
    assert any(note.startswith("sn_eps=1e-08: assumed") for note in described["notes"])
    assert run("import", "unetgan", tmp_path / "w", "--out", tmp_path / "n", "--set", "sn_eps=1e-3") == 0
    assert ganvas.load(tmp_path / "n", device="cpu").config.sn_eps == 1e-3


def test_import_of_G_alone(tmp_path: Path) -> None:
    """It samples; D is new, and the folder says so."""
    save(tmp_path / "w", 0, 1, 4)
    assert run("import", "unetgan", tmp_path / "w" / "G_ep_82.pth", "--out", tmp_path / "m", "--set", "D_ch=1") == 0
    gan = ganvas.load(tmp_path / "m", device="cpu")
    assert torch.equal(gan.G.linear.weight, 2 * state(foreign_G(128, 0, 1, 4))["linear.weight"])
    assert gan.pixel_scores(gan.sample(1), Given()).isfinite().all()
    assert any(
        "D is not among the files" in note for note in json.loads((tmp_path / "m" / "config.json").read_text())["notes"]
    )
