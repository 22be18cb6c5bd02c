"""Files of the feature networks: checked downloads, checked loading, a cache of tensors, fingerprints of data sets.

Foreign pickles are read with `weights_only=True`; what is written is safetensors and JSON,
each put in place atomically.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas import downloads, files
from ganvas.errors import InputError
from ganvas.files import write_atomic, write_text

Progress = Callable[[int, int], None]  # (bytes done, of how many)


def save_tensors(path: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """`path` (.safetensors) and, beside it, the record as .json; the record is written last and makes both valid."""
    whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_atomic(path, lambda part: files.save_tensors(whole, part))
    text = json.dumps(record | {"sha256": hash_file(path)}, indent=2, sort_keys=True)
    write_text(path.with_suffix(".json"), text + "\n")


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `save_tensors` wrote, or None where it is absent, half written or damaged."""
    from safetensors.torch import load_file

    record_path = path.with_suffix(".json")
    if not path.is_file() or not record_path.is_file():
        return None
    try:
        record = json.loads(record_path.read_text())
    except (ValueError, RecursionError, OSError):
        return None
    if not isinstance(record, dict) or record.get("sha256") != hash_file(path):
        return None
    return load_file(path), record


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_of(record: dict[str, Any]) -> str:
    """SHA-256 of a record of plain values, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()


def load_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a PyTorch state dict (read with weights_only=True)."""
    state: Any = load_nested(path)
    state = state.get("state_dict", state)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"weights: {path} holds no state dict (names -> tensors); save `model.state_dict()`")
    return dict(state)


def load_nested(path: Path) -> dict[str, Any]:
    """What a file of weights holds, dicts within dicts as they are; pickles are read with weights_only=True."""
    if files.kind_of(path) != "file":
        raise InputError(f"weights: {path} is no file; give a state dict saved by torch.save or safetensors")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling foreign bytes raises nearly anything; the person needs one line
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"weights: {path} cannot be read as a state dict ({reason}); download it again") from None
    if not isinstance(state, dict):
        raise InputError(f"weights: {path} holds no state dict (names -> tensors); save `model.state_dict()`")
    return state


def download(url: str, path: Path, sha256: str, progress: Progress | None = None) -> Path:
    """`path`, fetched from `url` unless it is there with the right hash; `sha256` may be its first digits."""
    wanted = downloads.Published(path.name, None, None, sha256)
    try:
        with downloads.writing(path.parent):
            return downloads.get(wanted, [url], path.parent, progress)
    except InputError as error:
        raise InputError(f"{error}; or fetch {url} elsewhere and pass the file as --weights") from None


class Fingerprint:
    """A hash of a *set* of images: the sum of the images' SHA-256 modulo 2^256.

    It does not depend on the order of images or on batch boundaries, and two halves add up to the whole.
    """

    def __init__(self) -> None:
        self.total = 0
        self.count = 0

    def update(self, images: Tensor, labels: Tensor | None = None) -> None:
        """images uint8 [N, C, H, W] (any type and shape is taken); labels [N] or None"""
        head = f"{images.dtype} {list(images.shape[1:])} ".encode()
        rows = images.detach().cpu().contiguous()
        marks: list[Any] = [None] * len(rows) if labels is None else labels.tolist()
        for row, mark in zip(rows, marks):
            digest = hashlib.sha256(head + str(mark).encode())
            digest.update(row.reshape(-1).view(torch.uint8).numpy().data)
            self.total += int.from_bytes(digest.digest(), "big")
        self.total %= 1 << 256
        self.count += len(rows)

    def add(self, other: Fingerprint) -> None:
        """What another one has seen, too."""
        self.total = (self.total + other.total) % (1 << 256)
        self.count += other.count

    def hexdigest(self) -> str:
        return hashlib.sha256(f"{self.count} {self.total:064x}".encode()).hexdigest()


def fingerprint(images: Tensor, labels: Tensor | None = None) -> str:
    """The `Fingerprint` of one tensor of images, in hex."""
    whole = Fingerprint()
    whole.update(images, labels)
    return whole.hexdigest()
