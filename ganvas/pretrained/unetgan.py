"""Checkpoints of U-Net GAN (boschresearch/unetgan): G_ep_82.pth, its average G_ema_ep_82.pth, and D_ep_82.pth.

Its generators have our keys; its discriminator numbers encoder, decoder and last convolution as one list. The
configuration is read off names and shapes. The epsilons are in neither and have to be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import InputError
from ganvas.pretrained import biggan_pytorch
from ganvas.pretrained.foreign import Imported, epsilons, need, one_set

FORMAT = "unetgan"
# The layers outside the list. What they call `embed` is the table of the map, not of the score.
HEADS = {"linear_middle": "score_linear", "embed_middle": "score_embed", "embed": "map_embed"}
DEAD = "linear."  # made and saved, never called


def read(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """D_ep_82.pth and G_ema_ep_82.pth (or G_ep_82.pth), in any order or as their folder; the average is what samples.

    sn_eps is that of the scripts, COCO-Animals' for weights with classes, unless it is told.
    """
    found = one_set(files, lambda state: "linear_middle.weight" in state)
    path, G = found.get("G_ema") or found["G"]
    told = epsilons(overrides, ("sn_eps",))
    foreign = convert(G, found["D"][1] if "D" in found else None, told.get("sn_eps", 1e-6 if modulated(G) else 1e-8))
    if found.keys() >= {"G", "G_ema"}:
        foreign.notes.append(f"G is the average ({path.name}); the live {found['G'][0].name} was left out")
    classes = foreign.values["num_classes"]
    return replace(
        foreign,
        values={**foreign.values, "conditional": bool(classes)},
        presets=("unetgan-cocoanimals128" if classes else "unetgan",),
        told=("sn_eps",),
        epsilons=("sn_eps",),
        granted={"self_modulation": not classes, "G_sn": True, "bn_eps": 1e-5, "final_bn_eps": 1e-5},
    )


def convert(
    G: Mapping[str, Tensor],
    D: Mapping[str, Tensor] | None = None,
    sn_eps: float = 1e-6,
    bn_eps: float = 1e-5,
) -> Imported:
    """State dicts of G (or its average, G_ema) and of D -> ours.

    Besides the names that `Imported` lists there is `self_modulation`: G is that of nets/selfmod.py, else that of
    nets/biggan.py. The scripts for FFHQ and CelebA have the default sn_eps, that for COCO-Animals has 1e-8.
    """
    values = {**generator_values(G), "sn_eps": sn_eps, "bn_eps": bn_eps, "final_bn_eps": 1e-5}
    notes: list[str] = []
    D_state = None
    if D is not None:
        D_values = discriminator_values(D)
        for key in ("resolution", "num_classes", "channels"):
            if D_values[key] != values[key]:
                raise InputError(f"G and D do not fit: {key} is {values[key]} in G, {D_values[key]} in D; give a pair")
        values |= D_values
        D_state = discriminator_renamed(D)
        dropped = sum(D[key].numel() for key in ("linear.weight", "linear.bias") if key in D)
        if dropped:
            notes.append(f"D's `linear`, {dropped} weights that its code never calls, was left out")
    return Imported("unetgan", values, dict(G), D_state, notes)


def modulated(G: Mapping[str, Tensor]) -> bool:
    """Do gain and bias of the batch norms come from z?  They do where there are no classes."""
    return "blocks.0.0.bn1.gain.0.weight" in G


def generator_values(G: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the generator that these weights fit."""
    if not modulated(G):
        values = biggan_pytorch.generator_values(G)
        if values["deep"]:
            raise InputError("a G of BigGAN-deep, expected that of U-Net GAN; choose the format it was saved in")
        return values | {"self_modulation": False}
    linear, rgb = need(G, "linear.weight", f"{FORMAT}'s G"), need(G, "output_layer.2.weight", f"{FORMAT}'s G")
    blocks = 1 + max(int(key.split(".")[1]) for key in G if key.startswith("blocks."))
    attended = sorted({int(i) for i in re.findall(r"blocks\.(\d+)\.1\.theta\.weight", " ".join(G))})
    return {
        "resolution": 4 << blocks,
        "channels": rgb.shape[0],
        "num_classes": 0,
        "dim_z": linear.shape[1],
        "hier": False,
        "shared_dim": 0,
        "deep": False,
        "G_ch": rgb.shape[1] // biggan_pytorch.G_LAST.get(4 << blocks, 1),
        "G_attention": [8 << i for i in attended],
        "G_sn": "linear.u0" in G,
        "self_modulation": True,
    }


def discriminator_values(D: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the discriminator that these weights fit."""
    need(D, "linear_middle.weight", f"{FORMAT}'s D")
    first = need(D, "blocks.0.0.conv1.weight", f"{FORMAT}'s D")
    depth = _depth(D)
    resolution = 4 << depth
    return {
        "resolution": resolution,
        "channels": first.shape[1],
        "num_classes": len(D["embed_middle.weight"]) if "embed_middle.weight" in D else 0,
        "D_ch": first.shape[0],
        "D_attention": [resolution >> (i + 1) for i in range(depth) if f"blocks.{i}.1.theta.weight" in D],
    }


def discriminator_renamed(D: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their D under our keys, without its dead layer."""
    depth = _depth(D)
    return {_renamed(key, depth): value for key, value in D.items() if not key.startswith(DEAD)}


def _renamed(key: str, depth: int) -> str:
    head, _, rest = key.partition(".")
    if head != "blocks":
        return f"{HEADS.get(head, head)}.{rest}"
    number, _, rest = rest.partition(".")
    index = int(number)
    if index < depth:
        return f"encoder.{index}.{rest}"
    if index < 2 * depth:
        return f"decoder.{index - depth}.{rest.removeprefix('0.')}"
    return f"map_conv.{rest}"


def _depth(D: Mapping[str, Tensor]) -> int:
    """The number of blocks of the encoder: the list holds as many of the decoder, and the last convolution."""
    last = max(int(key.split(".")[1]) for key in D if key.startswith("blocks."))
    if last not in (10, 12):
        raise InputError(f"a D of {last} blocks, expected 10 (128 pixels) or 12 (256); {FORMAT} has no other")
    return last // 2
