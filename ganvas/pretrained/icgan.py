"""Checkpoints of IC-GAN on BigGAN: G_ema_best0.pth, a D if there is one, and the file of its stored instances.

Names are ours; G without classes also holds a class table that it never reads. The configuration is read off names and
shapes; the pickle of settings beside them, state_dict_best0.pth, is not needed. The epsilons are in neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.pretrained import safe_pickle
from ganvas.pretrained.biggan_pytorch import G_LAST
from ganvas.pretrained.foreign import Imported, epsilons, need, one_set

FORMAT = "IC-GAN on BigGAN"
TOLD = ("sn_eps", "bn_eps", "bias_init")  # what no file holds
D_SIZES = {5: 64, 6: 128, 7: 256}  # blocks of D -> pixels


def read(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """G_ema*.pth or G*.pth, D*.pth, *_instance_features.npy, in any order or as their folder."""
    found = [p for f in files for p in (sorted(f.iterdir()) if f.is_dir() else [f])]
    arrays, weights = ([p for p in found if (p.suffix == ".npy") is kind] for kind in (True, False))
    weights = [p for p in weights if p.suffix == ".pth" or p in files]
    if len(arrays) > 1:
        raise InputError(f"{arrays[0].name} and {arrays[1].name} both hold instances; give one of them")
    parts = one_set(weights, lambda state: any(key.startswith(("linear_feat.", "embed.")) for key in state))
    path, G = parts.get("G_ema") or parts["G"]
    foreign = convert(G, parts["D"][1] if "D" in parts else None, **epsilons(overrides, ("sn_eps", "bn_eps")))
    if parts.keys() >= {"G", "G_ema"}:
        foreign.notes.append(f"G is the average ({path.name}); the live {parts['G'][0].name} was left out")
    foreign.instances.update(read_instances(arrays[0], foreign.values["dim_h"]) if arrays else {})
    if not arrays:
        foreign.notes.append("no stored instances among the files: the model samples like pictures, not by seeds alone")
    return foreign


def convert(
    G: Mapping[str, Tensor],
    D: Mapping[str, Tensor] | None = None,
    sn_eps: float = 1e-6,
    bn_eps: float = 1e-5,
) -> Imported:
    """State dicts of G (or its average, G_ema) and of D -> ours."""
    values = {**generator_values(G), "sn_eps": sn_eps, "bn_eps": bn_eps, "bias_init": "torch"}
    notes: list[str] = []
    classes = values["num_classes"]
    G_state = dict(G)
    if not classes and (table := G_state.pop("shared.weight", None)) is not None:
        notes.append(f"G's class table, {table.numel():,} weights that it never reads, was left out")
    if D is not None:
        D_values = discriminator_values(D)
        for key in ("resolution", "num_classes", "channels", "dim_h"):
            if D_values[key] != values[key]:
                raise InputError(f"G and D do not fit: {key} is {values[key]} in G, {D_values[key]} in D; give a pair")
        values |= D_values
    network = "resnet50" if classes else "swav"
    notes.append(f"conditions are features of {network} at {values['resolution']} pixels, of unit length")
    return Imported(
        "icgan",
        values,
        G_state,
        None if D is None else dict(D),
        notes,
        presets=("cc-icgan" if classes else "icgan",),
        told=TOLD,
        epsilons=("sn_eps", "bn_eps"),
        network={"features": network, "name": network},
    )


def generator_values(G: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the generator that these weights fit."""
    what = f"{FORMAT}'s G"
    features, linear = need(G, "shared_feat.weight", what), need(G, "linear.weight", what)
    rgb, gain = need(G, "output_layer.2.weight", what), need(G, "blocks.0.0.bn1.gain.weight", what)
    blocks = 1 + max(int(key.split(".")[1]) for key in G if key.startswith("blocks."))
    resolution, chunk = 4 << blocks, linear.shape[1]
    class_dim = gain.shape[1] - len(features) - chunk
    table = G.get("shared.weight")
    if class_dim and (table is None or table.shape[1] != class_dim):
        raise InputError(f"G's batch norms see {gain.shape[1]} numbers, which are not those of {FORMAT}")
    attended = sorted({int(i) for i in re.findall(r"blocks\.(\d+)\.1\.theta\.weight", " ".join(G))})
    values = {
        "resolution": resolution,
        "channels": rgb.shape[0],
        "conditional": bool(class_dim),
        "num_classes": len(table) if table is not None and class_dim else 0,
        "dim_h": features.shape[1],
        "shared_dim_feat": len(features),
        "dim_z": chunk * (blocks + 1),
        "hier": True,
        "G_ch": rgb.shape[1] // G_LAST.get(resolution, 1),
        "G_attention": [8 << i for i in attended],
    }
    return values | ({"shared_dim": class_dim} if class_dim else {})


def discriminator_values(D: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the discriminator that these weights fit."""
    features, first = need(D, "linear_feat.weight", f"{FORMAT}'s D"), need(D, "blocks.0.0.conv1.weight", "a D")
    blocks = 1 + max(int(key.split(".")[1]) for key in D if key.startswith("blocks."))
    if blocks not in D_SIZES:
        raise InputError(f"a D of {blocks} blocks, expected 5, 6 or 7 (64, 128, 256 pixels); {FORMAT} has no other")
    resolution = D_SIZES[blocks]
    return {
        "resolution": resolution,
        "channels": first.shape[1],
        "num_classes": len(D["embed.weight"]) if "embed.weight" in D else 0,
        "dim_h": features.shape[1],
        "D_ch": len(first),
        "D_attention": [resolution >> (i + 1) for i in range(blocks) if f"blocks.{i}.1.theta.weight" in D],
    }


def read_instances(path: Path, dim: int) -> dict[str, Tensor]:
    """Their file of stored instances -> h [S, dim] of unit length and, where there are labels, y [S].

    It is a pickled dict in an array's coat; it is read by the reader that runs nothing.
    """
    held = safe_pickle.read_npy(path)
    h = held.get("instance_features") if isinstance(held, Mapping) else None
    if not isinstance(h, np.ndarray) or h.ndim != 2 or h.shape[1] != dim:
        raise InputError(f"{path.name} holds no features of {dim} numbers; expected their *_instance_features.npy")
    unit = torch.nn.functional.normalize(torch.from_numpy(h.astype(np.float32)), dim=1)
    y = held.get("labels")
    labels = None if y is None else torch.as_tensor(np.asarray(y, dtype=np.int64)).flatten()
    if labels is not None and len(labels) != len(unit):
        raise InputError(f"{path.name} holds {len(labels)} labels for {len(unit)} instances; fetch it again")
    return {"h": unit, **({} if labels is None else {"y": labels})}
