"""Weights of other code bases: what an importer returns, and the reading of their files.

Each other file of this folder knows one foreign format: a dict of their keys -> a dict of ours, nothing else. Making a
model folder of the result is not done here.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import InputError

SUFFIXES = (".safetensors", ".npz", ".pth", ".pt", ".bin")


@dataclass(frozen=True)
class Imported:
    """Weights in our keys, and the configuration that was read off their names and shapes.

    `values` are the networks' arguments under these names: `resolution, channels, num_classes, dim_z, hier,
    shared_dim, deep, rgb, sn_eps, bn_eps, final_bn_eps`, and where G and D differ `G_ch, D_ch, G_attention,
    D_attention, G_sn, D_wide, D_placement`. What belongs to D alone is there only if D is.
    """

    paper: str  # the name of the paper's file, "biggan" or "sagan"
    values: dict[str, Any]
    G: dict[str, Tensor]
    D: dict[str, Tensor] | None = None
    notes: list[str] = field(default_factory=list)  # what a person should know: guesses, and what was left out
    statistics: dict[str, Tensor] = field(default_factory=dict)  # per truncation, key -> [51, C]; see biggan_deep_hub


def read_foreign(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a weight file by name (.safetensors, .npz, or .pth/.pt/.bin of plain tensors).

    A pickle is read with `weights_only=True`: it can hold tensors, and cannot run code. Anything else is refused.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file; give a weight file ({', '.join(SUFFIXES)})")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path.name} has an unknown ending, expected one of {', '.join(SUFFIXES)}; convert it first")
    try:
        state = _read(path)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise InputError(f"{path.name} cannot be read: {_reason(error)}") from None
    return _tensors(state, path.name)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(str(error)) from None
    if path.suffix == ".npz":
        with path.open("rb") as handle:
            return _npz(handle)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch remarks on pickles older or newer than its own; reading says the rest
        return torch.load(path, map_location="cpu", weights_only=True)


def _npz(handle: BinaryIO) -> dict[str, Tensor]:
    file = np.load(handle, allow_pickle=False)
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("it is a single array, not an archive of named ones")
    # Copied into this machine's byte order: torch knows no other.
    arrays = {name: file[name] for name in file.files}
    return {name: torch.from_numpy(a.astype(a.dtype.newbyteorder("="))) for name, a in arrays.items()}


def _reason(error: Exception) -> str:
    """The first line that says something; what torch writes on refused pickles is a page."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, pickle.UnpicklingError):
        held = text.partition("GLOBAL ")[2].split(" ")[0]
        if not held:
            return "it is damaged, or was not written by torch.save"
        return f"it holds more than tensors ({held}), and pickled code is never run; save its state dict alone"
    return text[:200]


def _tensors(state: Any, name: str) -> dict[str, Tensor]:
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping):
        raise InputError(f"{name} holds a {type(state).__name__}, expected a state dict: names and tensors")
    odd = next((str(key) for key, value in state.items() if not isinstance(value, Tensor)), None)
    if odd is not None or not state:
        what = f"{odd!r} is not a tensor" if odd is not None else "it is empty"
        raise InputError(
            f"{name} is not a state dict of names and tensors: {what}; an optimiser's state is not weights"
        )
    # "module." is what torch's DataParallel puts before every name.
    parallel = all(str(key).startswith("module.") for key in state) and not any("/" in str(key) for key in state)
    return {str(key).removeprefix("module.") if parallel else str(key): value for key, value in state.items()}


def need(state: Mapping[str, Tensor], key: str, what: str) -> Tensor:
    """The tensor under a key; raises InputError that says which format was expected."""
    if key not in state:
        raise InputError(f"the weights have no {key!r}, expected those of {what}; choose the format they were saved in")
    return state[key]
