"""BigGAN-PyTorch's checkpoints: the configuration is read off names and shapes, the weights load as they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import biggan, biggan_deep
from ganvas.pretrained.biggan_pytorch import convert, discriminator_values, generator_values

# What the files of its scripts look like, small: arguments of our G, arguments of our D, the paper's name.
SCRIPTS = {
    "BigGAN 128": (
        {"resolution": 128, "ch": 4, "dim_z": 12, "shared_dim": 5, "hier": True, "attention": [64]},
        {"resolution": 128, "ch": 8, "attention": [64], "wide": True, "placement": "size"},
        "biggan",
    ),
    "BigGAN 256": (
        {"resolution": 256, "ch": 4, "dim_z": 14, "shared_dim": 5, "hier": True, "attention": [128]},
        {"resolution": 256, "ch": 4, "attention": [64], "wide": True, "placement": "size"},
        "biggan",
    ),
    "SAGAN 128": (
        {"resolution": 128, "ch": 4, "dim_z": 12, "shared_dim": 0, "hier": False, "attention": [32]},
        {"resolution": 128, "ch": 4, "attention": [32], "wide": True, "placement": "size"},
        "sagan",
    ),
    "SN-GAN 64": (
        {"resolution": 64, "ch": 2, "dim_z": 12, "shared_dim": 0, "hier": False, "attention": []},
        {"resolution": 64, "ch": 2, "attention": [], "wide": False, "placement": "size"},
        "sagan",
    ),
    "CIFAR": (
        {"resolution": 32, "ch": 4, "dim_z": 12, "shared_dim": 5, "hier": False, "attention": [16]},
        {"resolution": 32, "ch": 4, "attention": [16], "wide": True, "placement": "nominal"},
        "biggan",
    ),
    "grey 512": (
        {"resolution": 512, "ch": 2, "dim_z": 16, "shared_dim": 5, "hier": True, "attention": [64], "channels": 1},
        {"resolution": 512, "ch": 4, "attention": [64], "wide": True, "placement": "size", "channels": 1},
        "biggan",
    ),
}
DEEP = {
    "deep 32": (32, 4, [], "bgpt", [], "size"),
    "deep 64": (64, 4, [64], "bgpt", [16], "size"),
    "deep 128": (128, 4, [64], "paper", [64], "size"),
    "deep 32 nominal": (32, 4, [16], "bgpt", [16], "nominal"),
}


def meta(kind, **kwargs) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return kind(**kwargs).state_dict()


@pytest.mark.parametrize("name", SCRIPTS)
def test_configuration_from_shapes(name):
    G, D, paper = SCRIPTS[name]
    imported = convert(
        meta(biggan.Generator, num_classes=6, **G), meta(biggan.Discriminator, num_classes=6, **D), sn_eps=1e-8
    )
    assert imported.paper == paper
    values = imported.values
    expected = {"num_classes": 6, "deep": False, "sn_eps": 1e-8, "bn_eps": 1e-5, "final_bn_eps": 1e-5, "G_sn": True}
    expected |= {"channels": 3} | {k: v for k, v in G.items() if k not in ("ch", "attention")}
    expected |= {"G_ch": G["ch"], "G_attention": G["attention"], "D_ch": D["ch"], "D_attention": D["attention"]}
    expected |= {"D_wide": D["wide"], "D_placement": D["placement"], "bias_init": "torch"}
    assert values == expected


@pytest.mark.parametrize("name", DEEP)
def test_deep_configuration_from_shapes(name):
    resolution, ch, G_attention, rgb, D_attention, placement = DEEP[name]
    if rgb == "paper":
        ch = 8
    G = meta(
        biggan_deep.Generator,
        resolution=resolution,
        ch=ch,
        dim_z=7,
        shared_dim=5,
        num_classes=6,
        rgb=rgb,
        attention=G_attention,
    )
    D = meta(
        biggan_deep.Discriminator,
        resolution=resolution,
        ch=ch,
        num_classes=6,
        attention=D_attention,
        placement=placement,
    )
    values = convert(G, D).values
    assert (values["deep"], values["resolution"], values["G_ch"], values["D_ch"]) == (True, resolution, ch, ch)
    assert (values["dim_z"], values["shared_dim"], values["rgb"], values["channels"]) == (7, 5, rgb, 3)
    assert (values["G_attention"], values["D_attention"], values["D_placement"]) == (
        G_attention,
        D_attention,
        placement,
    )


def tiny() -> nn.Module:
    return biggan.Generator(32, ch=2, dim_z=8, num_classes=3, attention=(), shared_dim=4)


def renamed(state: dict[str, torch.Tensor], mean: str, counter: str, by: float) -> dict[str, torch.Tensor]:
    """As `--mybn` and `--cross_replica` would have saved it."""
    out = {}
    for key, value in state.items():
        owner, _, last = key.rpartition(".")
        if last.startswith("stored"):
            out[f"{owner}.bn.{last.replace('stored', mean)}"] = value * by
            out[f"{owner}.bn.{counter}"] = torch.tensor([by]) if counter == "accumulation_counter" else torch.tensor(9)
        else:
            out[key] = value
    return out


def test_the_other_batch_norms():
    state = {k: v + 1 if "stored" in k else v for k, v in tiny().state_dict().items()}
    plain = convert(state)
    assert_close(plain.G, state)
    assert not any("standing" in note for note in plain.notes)
    assert_close(convert(renamed(state, "running", "num_batches_tracked", 1.0)).G, state)
    standing = convert(renamed(state, "stored", "accumulation_counter", 16.0))
    assert_close(standing.G, state)
    assert any("standing statistics" in note for note in standing.notes)
    tiny().load_state_dict(standing.G)


# arguments of both, whether D is there -> whose training values fit, the likeliest first
SUGGESTED = {
    ("BigGAN 128", True): ("biggan-128-bigganpt", "biggan"),
    ("BigGAN 128", False): ("biggan",),
    ("BigGAN 256", True): ("biggan",),
    ("SAGAN 128", True): ("sagan-128-bigganpt", "biggan-128-bigganpt", "biggan"),
    ("SAGAN 128", False): ("biggan",),
    ("SN-GAN 64", True): ("sngan-128", "biggan"),
    ("CIFAR", True): ("biggan",),
}


@pytest.mark.parametrize(("name", "pair"), SUGGESTED)
def test_presets_are_suggested(name, pair):
    G, D, _ = SCRIPTS[name]
    states = [meta(biggan.Generator, num_classes=6, **G), meta(biggan.Discriminator, num_classes=6, **D)]
    assert convert(*states[: 1 + pair]).presets == SUGGESTED[name, pair]


def test_deep_presets_and_what_an_importer_must_know():
    kwargs = {"resolution": 32, "ch": 4, "num_classes": 6, "attention": ()}
    G = meta(biggan_deep.Generator, dim_z=7, shared_dim=5, rgb="bgpt", **kwargs)
    imported = convert(G, meta(biggan_deep.Discriminator, **kwargs), bn_eps=1e-3)
    assert imported.presets == ("biggan-deep",)
    assert imported.alike == ("deep",)
    assert imported.told == ("sn_eps", "bn_eps", "final_bn_eps", "bias_init")
    # a Config without these fields has networks like this; final_bn_eps is then bn_eps
    granted = {"D_wide": True, "G_sn": True, "D_placement": "size", "final_bn_eps": 1e-3, "rgb": "paper"}
    assert imported.granted == granted


def test_epsilons_that_nobody_told_are_the_main_scripts():
    """Its batch norm before RGB is made without its epsilon: 1e-5 there, whatever was told."""
    imported = convert(tiny().state_dict())
    assert [imported.values[key] for key in ("sn_eps", "bn_eps", "final_bn_eps")] == [1e-6, 1e-5, 1e-5]
    assert imported.epsilons == ("sn_eps", "bn_eps")  # what an import says of them
    told = convert(tiny().state_dict(), sn_eps=1e-3, bn_eps=1e-2)
    assert [told.values[key] for key in ("sn_eps", "bn_eps", "final_bn_eps")] == [1e-3, 1e-2, 1e-5]


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_attention_of_d_is_found_at_every_size(size):
    values = discriminator_values(meta(biggan.Discriminator, resolution=64, ch=8, num_classes=6, attention=[size]))
    assert values["D_attention"] == [size]


def test_g_and_d_must_be_a_pair():
    D = meta(biggan.Discriminator, resolution=32, ch=4, num_classes=10, attention=())
    with pytest.raises(InputError, match="num_classes is 3 in G, 10 in D"):
        convert(tiny().state_dict(), D)


def test_something_else():
    with pytest.raises(InputError, match="expected those of BigGAN-PyTorch's G"):
        generator_values({"weight": torch.zeros(1)})
    with pytest.raises(InputError, match=r"no 'embed\.weight'"):
        discriminator_values(tiny().state_dict())
