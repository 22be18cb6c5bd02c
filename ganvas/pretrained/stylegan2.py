"""Networks of StyleGAN2-ADA (PyTorch) and of IC-GAN's StyleGAN2: pickles or state dicts -> our state dicts.

The keys are the same on both sides, `mapping.fc0.weight`, `synthesis.b8.conv0.affine.bias`, `b4.out.weight` and so on,
so that what is left is to read the configuration off names and shapes, and to refuse what our networks are not: other
architectures, and StyleGAN3. A pickle (.pkl) holds G, D and G_ema as whole objects; `safe_pickle` takes the tensors
out and runs nothing. The mapping was verified on random weights only, never on the published ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import InputError
from ganvas.pretrained.foreign import Imported, need, one_set, read_foreign
from ganvas.pretrained.icgan import read_instances
from ganvas.pretrained.safe_pickle import read_pickle, state_dict

FORMAT = "StyleGAN2-ADA (PyTorch)"
LAYER = r"(weight|bias|noise_strength|noise_const|resample_filter|affine\.weight|affine\.bias)"
MAPPING = r"mapping\.(w_avg|(embed|embed_feats|fc\d+)\.(weight|bias))"
G_KEYS = re.compile(rf"{MAPPING}|synthesis\.b\d+\.(const|resample_filter|(conv0|conv1|torgb)\.{LAYER})")
D_KEYS = re.compile(
    rf"{MAPPING}|b\d+\.(resample_filter|(fromrgb|conv0|conv1|skip|conv|fc|out)\.(weight|bias|resample_filter))"
)


def read(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """One pickle of networks (.pkl), or state dicts of G or G_ema and, if given, of D; or the folder that holds them.
    For a G of instances also *_instance_features.npy, those that are to travel with it.

    Of a pickle G_ema is taken; `network`, which is taken out of the overrides, may name G instead.
    """
    network = str(overrides.pop("network", "G_ema"))
    inside = [p for f in files for p in (sorted(f.iterdir()) if f.is_dir() else [f])]
    pickles, arrays = ([p for p in inside if p.suffix == suffix] for suffix in (".pkl", ".npy"))
    for several in (pickles, arrays):
        if len(several) > 1:
            raise InputError(
                f"{', '.join(p.name for p in several)} given, expected one {several[0].suffix} file; leave the rest out"
            )
    imported = load(pickles[0], network) if pickles else _of_states([f for f in files if f not in arrays], network)
    if arrays:
        if not imported.values["dim_h"]:
            raise InputError(f"{arrays[0].name} given, but this G is not conditioned on instances; leave it out")
        imported.instances.update(read_instances(arrays[0], imported.values["dim_h"]))
    elif imported.values["dim_h"]:
        imported.notes.append("no stored instances among the files: it samples like pictures, not by seeds alone")
    return imported


def _of_states(files: list[Path], network: str) -> Imported:
    found = one_set(files, lambda state: any("fromrgb" in key for key in state))
    path, G = found.get(network) or found.get("G_ema") or found["G"]
    imported = convert(G, found["D"][1] if "D" in found else None)
    return replace(imported, notes=[f"the generator is that of {path.name}", *imported.notes])


def load(path: str | Path, network: str = "G_ema", D: str | Path | None = None) -> Imported:
    """A pickle of networks (`network` G_ema or G, and D beside it if there), or files of state dicts."""
    path = Path(path)
    if path.suffix != ".pkl":
        return convert(read_foreign(path), None if D is None else read_foreign(D))
    networks = read_pickle(path)
    if not isinstance(networks, dict) or network not in networks:
        held = ", ".join(map(str, networks)) if isinstance(networks, dict) else f"a {type(networks).__name__}"
        raise InputError(f"{path.name} holds {held[:200]}, expected {network!r}; give a pickle of {FORMAT}")
    discriminator = networks.get("D")
    return convert(
        state_dict(networks[network], path.name),
        None if discriminator is None else state_dict(discriminator, path.name),
    )


def convert(G: Mapping[str, Tensor], D: Mapping[str, Tensor] | None = None) -> Imported:
    """State dicts of G and D -> ours. With instance features the paper is "icgan_stylegan2", else "stylegan2".

    `values` are the arguments of our networks: `resolution, channels, num_classes, dim_h, dim_z, dim_w, layers,
    channel_base, channel_max`; they are read off G, and D has to fit. And `noise`, with which the authors sample.
    """
    values = generator_values(G)
    values["noise"] = "constant"  # with it the authors sample
    notes = ["not in the weights: the clamp of half-precision training (256); give it if the authors' samples need it"]
    if D is not None:
        D_values = discriminator_values(D)
        for key, value in D_values.items():
            if values[key] != value:
                raise InputError(f"G and D do not fit: {key} is {values[key]} in G, {value} in D; give a pair")
        notes.append("not in the weights: the group of D's minibatch deviation; 4 was assumed")
    ours = None if D is None else {key: value.contiguous() for key, value in D.items()}
    paper = "icgan_stylegan2" if values["dim_h"] else "stylegan2"
    family = ("cc-" if values["num_classes"] else "") + "icgan-stylegan2" if values["dim_h"] else "stylegan2"
    network = "resnet50" if values["num_classes"] else "swav"
    seen_by = {"features": network, "name": network} if values["dim_h"] else {}
    state = {key: value.contiguous() for key, value in G.items()}
    return Imported(paper, values, state, ours, notes, presets=(family,), told=("noise",), network=seen_by)


def generator_values(G: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the generator that these weights fit."""
    _refuse_strangers(G, G_KEYS, "G")
    need(G, "synthesis.b4.const", f"a G of {FORMAT}")
    widths = _widths(G, r"synthesis\.b(\d+)\.conv1\.weight")
    for size in widths:
        need(G, f"synthesis.b{size}.torgb.weight", "a G that adds up RGB images of all sizes (skip)")
    fc = need(G, "mapping.fc0.weight", f"a G of {FORMAT}")
    conditions = conditions_of(G)
    return {
        **_channels(widths),
        **conditions,
        "channels": G["synthesis.b4.torgb.weight"].shape[0],
        "dim_z": fc.shape[1] - fc.shape[0] * sum(map(bool, conditions.values())),
        "dim_w": fc.shape[0],
        "layers": len([key for key in G if re.fullmatch(r"mapping\.fc\d+\.weight", key)]),
    }


def discriminator_values(D: Mapping[str, Tensor]) -> dict[str, Any]:
    """What a discriminator's weights say of the arguments it shares with G."""
    _refuse_strangers(D, D_KEYS, "D")
    widths = _widths(D, r"b(\d+)\.conv0\.weight") | {4: need(D, "b4.conv.weight", f"a D of {FORMAT}").shape[0]}
    for size in widths.keys() - {4}:
        need(D, f"b{size}.skip.weight", "a residual D (resnet)")
    rgb = need(D, f"b{max(widths)}.fromrgb.weight", "a D that sees RGB at its largest size only (resnet)")
    return {**_channels(widths), **conditions_of(D), "channels": rgb.shape[1]}


def conditions_of(state: Mapping[str, Tensor]) -> dict[str, int]:
    """`num_classes` and `dim_h` of either network, 0 where there are none."""
    names = {"num_classes": "mapping.embed.weight", "dim_h": "mapping.embed_feats.weight"}
    return {ours: state[key].shape[1] if key in state else 0 for ours, key in names.items()}


def _refuse_strangers(state: Mapping[str, Tensor], known: re.Pattern[str], player: str) -> None:
    odd = next((key for key in state if not known.fullmatch(key)), None)
    if odd is not None:
        raise InputError(f"{player} has a weight {odd[:80]!r}, which {FORMAT} does not; choose another format")


def _widths(state: Mapping[str, Tensor], pattern: str) -> dict[int, int]:
    """Size -> channels at it."""
    met = {key: re.fullmatch(pattern, key) for key in state}
    return {int(match[1]): state[key].shape[0] for key, match in met.items() if match}


def _channels(widths: Mapping[int, int]) -> dict[str, int]:
    """`resolution, channel_base, channel_max`: channels at a size are min(channel_base // size, channel_max).

    Where even the largest size has channel_max, any larger base would be the same network.
    """
    resolution, most = max(widths), widths.get(4, 0)
    base = resolution * widths[resolution]
    wanted = {4 << i: min(base // (4 << i), most) for i in range(resolution.bit_length() - 2)}
    if dict(sorted(widths.items())) != wanted:
        raise InputError(f"widths {dict(sorted(widths.items()))}, expected {wanted}; only {FORMAT}'s pattern is known")
    return {"resolution": resolution, "channel_base": base, "channel_max": most}
