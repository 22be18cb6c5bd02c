"""Checkpoints of pytorch-CycleGAN-and-pix2pix (junyanz, BSD): `*_net_G_A.pth`, `*_net_D_A.pth` and their partners.

In its files G_A turns A into B and G_B turns B into A, D_A judges images of B and D_B images of A. Here generators are
named by their direction, `AB` and `BA`, and discriminators by what they judge, `A` and `B`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import InputError
from ganvas.pretrained.foreign import Imported, need, read_foreign

PLAYERS = ("G_A", "G_B", "D_A", "D_B")
TOLD = ("resolution", "width")  # no file holds a size: the networks take any
FORMAT = "pytorch-CycleGAN-and-pix2pix"
_RESNET = f"the resnet generator of {FORMAT}, with instance norm and reflection padding"
_PATCH = f"the `basic` or `n_layers` discriminator of {FORMAT}, with instance norm"
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def read(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """*_net_G_A.pth and *_net_G_B.pth, and if given *_net_D_A.pth and *_net_D_B.pth, or the folder that holds them.

    Of a folder with several epochs, `latest` is taken.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in [p for f in files for p in (sorted(f.glob("*_net_*.pth")) if f.is_dir() else [f])]:
        epoch, net, player = path.stem.partition("_net_")
        if not net or player not in PLAYERS:
            expected = ", ".join(f"latest_net_{name}.pth" for name in PLAYERS)
            raise InputError(f"{path.name} has an unknown name, expected those of one run: {expected}")
        found.setdefault(epoch, {})[player] = path
    if len(found) > 1 and "latest" not in found:
        raise InputError(f"files of the epochs {', '.join(found)} are given; give those of one")
    run = found["latest"] if "latest" in found else next(iter(found.values()), {})
    if lacking := [name for name in ("G_A", "G_B") if name not in run]:
        raise InputError(f"no {lacking[0]} among {', '.join(map(str, files))}; a model needs both generators")
    return convert(**{player: read_foreign(path) for player, path in run.items()})


def convert(
    G_A: Mapping[str, Tensor],
    G_B: Mapping[str, Tensor],
    D_A: Mapping[str, Tensor] | None = None,
    D_B: Mapping[str, Tensor] | None = None,
) -> Imported:
    """The state dicts of one run -> ours: G keys `AB.` and `BA.`, D keys `A.` and `B.`; of D both are given or none."""
    AB, values = generator(G_A)
    BA, back = generator(G_B)
    forth = {**values, "channels_in": values["channels_out"], "channels_out": values["channels_in"]}
    _must_fit("G_A and G_B", forth, back)
    names = {"channels_in": "channels_A", "channels_out": "channels_B", "width": "G_width"}
    values = {names.get(key, key): value for key, value in values.items()}
    D = None
    if (D_A is None) != (D_B is None):
        raise InputError(f"of D_A and D_B only {'D_B' if D_A is None else 'D_A'} is given; give both, or none")
    if D_A is not None and D_B is not None:
        (of_A, judge), (of_B, other) = discriminator(D_B), discriminator(D_A)
        _must_fit("D_B and G_A", judge["channels"], values["channels_A"])
        _must_fit("D_A and G_A", other["channels"], values["channels_B"])
        _must_fit("D_A and D_B", {**judge, "channels": 0}, {**other, "channels": 0})
        values |= {"D_width": judge["width"], "num_layers": judge["num_layers"]}
        D = _prefixed({"A": of_A, "B": of_B})
    kept = any(key.endswith(_STATISTICS) for state in (G_A, G_B, D_A or {}, D_B or {}) for key in state)
    values["channels"] = values.pop("channels_B")
    values |= {"G_only": True} if D is None else {}
    notes = ["running statistics of the instance norms were left out; every image has its own"] if kept else []
    G = _prefixed({"AB": AB, "BA": BA})
    return Imported("csgan", values, G, D, notes, presets=("cyclegan-256",), told=TOLD)


def generator(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """One generator -> our keys, and its arguments `channels_in, channels_out, width, num_blocks, dropout`."""
    state = without_statistics(state)
    first = need(state, "model.1.weight", _RESNET)
    num_blocks = len({key.split(".")[1] for key in state if ".conv_block." in key})
    dropout = "model.10.conv_block.6.weight" in state  # it shifts what comes after it by one
    places = {"first": "1", "downs.0": "4", "downs.1": "7"}
    for i in range(num_blocks):
        places[f"blocks.{i}.conv1"] = f"{10 + i}.conv_block.1"
        places[f"blocks.{i}.conv2"] = f"{10 + i}.conv_block.{6 if dropout else 5}"
    places |= {"ups.0": f"{10 + num_blocks}", "ups.1": f"{13 + num_blocks}", "last": f"{17 + num_blocks}"}
    G = _renamed(state, places, _RESNET)
    values = {
        "channels_in": first.shape[1],
        "channels_out": G["last.weight"].shape[0],
        "width": first.shape[0],
        "num_blocks": num_blocks,
        "dropout": dropout,
    }
    return G, values


def discriminator(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """One discriminator -> our keys, and its arguments `channels, width, num_layers`."""
    state = without_statistics(state)
    first = need(state, "model.0.weight", _PATCH)
    num_layers = sum(key.endswith(".weight") for key in state) - 2
    places = {"convs.0": "0"} | {f"convs.{i + 1}": f"{2 + 3 * i}" for i in range(num_layers + 1)}
    D = _renamed(state, places, _PATCH)
    return D, {"channels": first.shape[1], "width": first.shape[0], "num_layers": num_layers}


def without_statistics(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the running statistics that old files hold; they were never used in training."""
    return {key: value for key, value in state.items() if not key.endswith(_STATISTICS)}


def _renamed(state: Mapping[str, Tensor], places: dict[str, str], what: str) -> dict[str, Tensor]:
    """Our name -> where their convolution stands; nothing may be missing, nothing left over."""
    keys = {
        f"{ours}.{kind}": f"model.{theirs}.{kind}" for ours, theirs in places.items() for kind in ("weight", "bias")
    }
    renamed = {ours: need(state, theirs, what) for ours, theirs in keys.items()}
    if odd := sorted(set(state) - set(keys.values())):
        raise InputError(f"the weights have an unknown {odd[0]!r}, expected those of {what}; other forms are not read")
    return renamed


def _prefixed(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.items()}


def _must_fit(which: str, one: Any, other: Any) -> None:
    if one != other:
        raise InputError(f"{which} do not fit: {one} and {other}; give the files of one run")
