"""Checkpoints of BigGAN-PyTorch (ajbrock/BigGAN-PyTorch, MIT): BigGAN, BigGAN-deep, SAGAN and SN-GAN scripts.

Its files G.pth, G_ema.pth and D.pth are state dicts with our keys; only its two other batch norms name their
statistics differently. The file state_dict.pth beside them holds pickled modules and is not needed: the configuration
is read off names and shapes. The epsilons are in neither and have to be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import InputError
from ganvas.pretrained.foreign import Imported, epsilons, need, one_set

FORMAT = "BigGAN-PyTorch"
TOLD = ("sn_eps", "bn_eps", "final_bn_eps", "bias_init")  # what no file holds
G_LAST = {8: 4, 16: 4, 32: 4, 64: 2}  # channels before the image in multiples of ch; 1 from 128 pixels on


def read(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """G*.pth, and if given D*.pth and G_ema*.pth, in any order or as their folder; the average is what samples."""
    found = one_set(files, lambda state: any(k.startswith("embed.") for k in state))
    name, G = found.get("G_ema") or found["G"]
    foreign = convert(G, found["D"][1] if "D" in found else None, **epsilons(overrides, ("sn_eps", "bn_eps")))
    if "G_ema" in found and "G" in found:
        foreign.notes.append(f"G is the average ({name.name}); the live {found['G'][0].name} was left out")
    return foreign


def convert(
    G: Mapping[str, Tensor],
    D: Mapping[str, Tensor] | None = None,
    sn_eps: float = 1e-6,
    bn_eps: float = 1e-5,
) -> Imported:
    """State dicts of G (or its average, G_ema) and of D -> ours.

    The epsilons default to the main script's; its CIFAR script has sn_eps 1e-8. The last batch norm has 1e-5 always.
    """
    G_state, notes = statistics_renamed(G)
    G_values = generator_values(G_state)
    deep = G_values["deep"]
    values = {**G_values, "sn_eps": sn_eps, "bn_eps": bn_eps, "final_bn_eps": 1e-5}
    D_state = None
    if D is not None:
        D_state = dict(D)
        D_values = discriminator_values(D_state)
        for key in ("resolution", "num_classes", "channels", "deep"):
            if D_values[key] != values[key]:
                raise InputError(f"G and D do not fit: {key} is {values[key]} in G, {D_values[key]} in D; give a pair")
        values |= D_values
    tables = not values["shared_dim"] and values["num_classes"] and not deep
    return Imported(
        "sagan" if tables else "biggan",
        {**values, "bias_init": "torch"},
        G_state,
        D_state,
        notes,
        presets=likeliest(values, D is not None, bool(tables)),
        alike=("deep",),
        told=TOLD,
        granted=granted(values),
        epsilons=("sn_eps", "bn_eps"),
    )


def likeliest(values: Mapping[str, Any], pair: bool, tables: bool) -> tuple[str, ...]:
    """Whose training values fit: with a D, a script of BigGAN-PyTorch; else the paper's at that size."""
    names = []
    if pair and not values["D_wide"]:
        names.append("sngan-128")
    if pair and tables and values["G_attention"]:
        names.append("sagan-128-bigganpt")
    if pair and values["resolution"] in range(97, 193) and not values["deep"]:
        names.append("biggan-128-bigganpt")
    return (*names, "biggan-deep" if values["deep"] else "biggan")


def granted(values: Mapping[str, Any]) -> dict[str, Any]:
    """What SAGAN's Config, which has no such fields, takes for granted."""
    return {"D_wide": True, "G_sn": True, "D_placement": "size", "final_bn_eps": values["bn_eps"], "rgb": "paper"}


def statistics_renamed(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """`mybn` and `cross_replica` statistics under the plain names; sums of standing statistics become means."""
    renamed: dict[str, Tensor] = {}
    notes: list[str] = []
    for key, value in state.items():
        owner, _, last = key.rpartition(".")
        if last in ("num_batches_tracked", "accumulation_counter") or last.startswith("_"):
            continue
        if last in ("stored_mean", "stored_var", "running_mean", "running_var"):
            counter = state.get(f"{owner}.accumulation_counter")
            if counter is not None and counter.item() > 0:
                value = value / counter
                notes = [f"standing statistics: sums over {counter.item():g} batches were divided by their number"]
            owner = owner.removesuffix(".bn")
            last = last.replace("running", "stored")
        renamed[f"{owner}.{last}" if owner else last] = value
    return renamed, notes


def generator_values(G: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the generator that these weights fit."""
    deep = "blocks.0.0.conv4.weight" in G
    linear, rgb = need(G, "linear.weight", f"{FORMAT}'s G"), need(G, "output_layer.2.weight", f"{FORMAT}'s G")
    gain = need(G, "blocks.0.0.bn1.gain.weight", f"a class-conditional G of {FORMAT}")
    blocks = 1 + max(int(key.split(".")[1]) for key in G if key.startswith("blocks."))
    stages = blocks // 2 if deep else blocks
    resolution = 4 << stages
    shared_dim = G["shared.weight"].shape[1] if "shared.weight" in G else 0
    chunk = gain.shape[1] - shared_dim if shared_dim else 0
    attended = sorted({int(i) for i in re.findall(r"blocks\.(\d+)\.1\.theta\.weight", " ".join(G))})
    wide = rgb.shape[0] > 4 and deep  # the paper's form: as many outputs as inputs
    values: dict[str, Any] = {
        "resolution": resolution,
        "channels": 3 if wide else rgb.shape[0],
        "num_classes": (G["shared.weight"] if shared_dim else gain).shape[0],
        "G_ch": rgb.shape[1] // G_LAST.get(resolution, 1),
        "G_attention": [8 << (i // 2 if deep else i) for i in attended],
        "G_sn": "linear.u0" in G,
        "shared_dim": shared_dim,
        "deep": deep,
    }
    if deep:
        return values | {"dim_z": linear.shape[1] - shared_dim, "rgb": "paper" if wide else "bgpt"}
    return values | {"dim_z": linear.shape[1] * (stages + 1 if chunk else 1), "hier": chunk > 0}


def discriminator_values(D: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the discriminator that these weights fit."""
    embed = need(D, "embed.weight", f"a projection D of {FORMAT}")
    deep = "input_conv.weight" in D
    first = D["input_conv.weight"] if deep else need(D, "blocks.0.0.conv1.weight", f"{FORMAT}'s D")
    blocks = 1 + max(int(key.split(".")[1]) for key in D if key.startswith("blocks."))
    sizes = _sizes(blocks, deep)
    width = first if deep else D["blocks.0.0.conv2.weight"]
    layer = 2 if deep else 1
    attended = [i for i in range(blocks) if f"blocks.{i}.{layer}.theta.weight" in D]
    nominal = sizes[0] == 16 and len(attended) == blocks
    return {
        "resolution": 2 * sizes[0],
        "channels": first.shape[1],
        "num_classes": embed.shape[0],
        "D_ch": width.shape[0] // (4 if sizes[0] <= 16 else 1),
        "D_attention": [16] if nominal else [sizes[i] for i in attended],
        "D_placement": "nominal" if nominal else "size",
        "D_wide": deep or first.shape[0] == D["blocks.0.0.conv2.weight"].shape[0],
        "deep": deep,
    }


def _sizes(blocks: int, deep: bool) -> list[int]:
    """The size after each of D's stages: 32 pixels are halved twice, all others down to 4x4."""
    count = blocks + 1 if deep else blocks  # the deep D has no last stage without halving, but at 32 pixels
    if count == 4:
        return [16, 8, 8, 8][:blocks]
    if not 5 <= count <= 8:
        raise InputError(f"a D of {blocks} blocks, expected that of 32 to 512 pixels; {FORMAT} has no other")
    return [max(4, 2**count >> i) for i in range(blocks)]
