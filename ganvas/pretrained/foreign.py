"""Weights of other code bases: what an importer returns, and the reading of their files.

Each other file of this folder knows one foreign format: a dict of their keys -> a dict of ours, nothing else. Making a
model folder of the result is not done here.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.files import kind_of

MOST_BYTES, MOST_RATIO = 1 << 28, 100  # what an archive may unpack to, in bytes or in times its size
SUFFIXES = (".safetensors", ".npz", ".pth", ".pt", ".bin")


@dataclass(frozen=True)
class Imported:
    """Weights in our keys, and the configuration that was read off their names and shapes.

    `values` are fields of the paper's Config as the files show them; what belongs to D alone is there only if D is.
    """

    paper: str  # the name of the paper's file, as "biggan"
    values: dict[str, Any]
    G: dict[str, Tensor]
    D: dict[str, Tensor] | None = None
    notes: list[str] = field(default_factory=list)  # what a person should know: guesses, and what was left out
    statistics: dict[str, Tensor] = field(default_factory=dict)  # per truncation, key -> [51, C]; see biggan_deep_hub
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # of further modules, by name
    presets: tuple[str, ...] = ()  # whose training values fit, the likeliest first; bare names too
    alike: tuple[str, ...] = ()  # fields in which a preset that is asked for must agree with the weights
    told: tuple[str, ...] = ()  # what no file holds: may be set to something else than `values`
    instances: dict[str, Tensor] = field(default_factory=dict)  # stored ones: h [S, F] and, with classes, y [S]
    network: dict[str, Any] = field(default_factory=dict)  # which network made the features that it is conditioned on
    epsilons: tuple[str, ...] = ()  # fields that had to be assumed where nobody told them
    granted: dict[str, Any] = field(default_factory=dict)  # what a Config that lacks a field takes it for


class Format(Protocol):
    """A file of this folder, as the importer sees it."""

    def __call__(self, files: list[Path], overrides: dict[str, Any]) -> Imported:
        """Reads the files of this format.  Raises InputError where they are not."""
        ...


def read_foreign(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a weight file by name (.safetensors, .npz, or .pth/.pt/.bin of plain tensors).

    A pickle is read with `weights_only=True`: it can hold tensors, and cannot run code. Anything else is refused.
    """
    path = Path(path)
    if kind_of(path) != "file":
        raise InputError(f"{path} is not a file; give a weight file ({', '.join(SUFFIXES)})")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path.name} has an unknown ending, expected one of {', '.join(SUFFIXES)}; convert it first")
    try:
        state = _read(path)
    except Exception as error:  # damaged weights raise nearly anything: IndexError, TypeError, struct.error, ...
        raise InputError(f"{path.name} cannot be read: {_reason(error)}") from None
    return _tensors(state, path.name)


def _not_huge(path: Path) -> None:
    """Raises ValueError for an archive whose members unpack to far more than it has: weights do not shrink so."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > MOST_BYTES and unpacked > MOST_RATIO * path.stat().st_size:
        raise ValueError(f"{path.stat().st_size:,} bytes that unpack to {unpacked:,} are no weights")


def _read(path: Path) -> Any:
    _not_huge(path)
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
    if not isinstance(error, pickle.UnpicklingError | ValueError | OSError | RuntimeError | EOFError):
        return "it is damaged, or was not written by torch.save"
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


def one_set(files: list[Path], is_D: Callable[[dict[str, Tensor]], bool]) -> dict[str, tuple[Path, dict[str, Tensor]]]:
    """Weight files, or the folder that holds them, in any order -> those of "G", "G_ema" and "D" that are there.

    Optimisers' states and BigGAN-PyTorch's state_dict.pth (a pickle of settings) are passed over.
    """
    found: dict[str, tuple[Path, dict[str, Tensor]]] = {}
    for path in [p for f in files for p in (sorted(f.glob("*.pth")) if f.is_dir() else [f])]:
        if path.is_file() and ("optim" in path.name or path.name.startswith("state_dict")):
            continue
        state = read_foreign(path)
        kind = "D" if is_D(state) else "G_ema" if "ema" in path.name.lower() else "G"
        if kind in found:
            raise InputError(f"{found[kind][0].name} and {path.name} are both a {kind}; give one of them")
        found[kind] = (path, state)
    if not found.keys() & {"G", "G_ema"}:
        raise InputError(f"no generator among {', '.join(str(f) for f in files)}; give G_ema.pth or G.pth")
    return found


def assumed(values: Mapping[str, float], given: Mapping[str, Any]) -> list[str]:
    """What to say of epsilons, which no file holds: which were given, and which had to be assumed."""
    said = []
    for word, names in (
        ("as given", [name for name in values if name in given]),
        ("assumed, as no file holds them; --set changes them", [name for name in values if name not in given]),
    ):
        if names:
            said.append(", ".join(f"{name}={values[name]:g}" for name in names) + f": {word}")
    return said


def epsilons(overrides: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, float]:
    """The epsilons among what a person set, checked."""
    eps = {key: overrides[key] for key in names if key in overrides}
    for key, value in eps.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"--set {key}={value} given, expected a number as 1e-6")
    return eps
