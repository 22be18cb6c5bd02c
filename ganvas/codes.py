"""Codes as files: safetensors that hold a record of rows, as `gan.code` returns it, for later and for elsewhere.

Here: writing, reading with checks against the model, another class for a code.  Not here: finding a code for a picture
(projection.py), images of codes (sampling.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas import rows
from ganvas.errors import InputError
from ganvas.files import save_tensors, write_atomic
from ganvas.gan import GAN, Request
from ganvas.sampling import condition

FORMAT = "ganvas-code-1"


def save(code: Any, path: Path, title: str = "") -> None:
    """The tensors of a code by their names, atomically.  title: of the paper, for whoever opens the file."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors_of(code).items()}
    facts = {"format": FORMAT, "title": title}
    write_atomic(path, lambda temporary: save_tensors(tensors, temporary, facts))


def load(gan: GAN, paths: Sequence[Path]) -> Any:
    """The codes of some files below each other, on the GAN's device.  Raises InputError where they do not fit it."""
    return rows.to(rows.concat([_read(gan, path) for path in paths]), gan.device)


def _read(gan: GAN, path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    like = tensors_of(template(gan, 1))
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path} is missing; ganvas project writes code files") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no code file ({error}); expected one that ganvas project wrote") from None
    if facts.get("format") != FORMAT:
        raise InputError(f"{path} is no code file, it says format={facts.get('format')}; expected {FORMAT}")
    shapes = [{name: list(value.shape[1:]) for name, value in tensors.items()} for tensors in (found, like)]
    counts = {len(value) for value in found.values() if value.dim()}
    if shapes[0] != shapes[1] or len(counts) != 1 or 0 in counts:
        raise InputError(
            f"{path} holds rows of {shapes[0]}, a code of this model {shapes[1]}; use the model it is from"
        )
    if not all(bool(value.isfinite().all()) for value in found.values()):
        raise InputError(f"{path} holds numbers that are not finite; project the picture anew")
    return replace(template(gan, counts.pop()), **{name: found[name].to(like[name].dtype) for name in like})


def template(gan: GAN, n: int, y: Tensor | None = None) -> Any:
    """Any code of n rows, with these classes [n] if they are given."""
    seeds = list(range(n))
    with torch.no_grad():
        return gan.code(Request(seeds, condition(gan, seeds, y, 0)))


def with_class(gan: GAN, code: Any, y: Tensor | None) -> Any:
    """The code with other classes [N], all else as it is.  Raises InputError where its class does not stand apart."""
    changed = of_class(gan, rows.count(code), y)
    if not changed:
        held = ", ".join(sorted(tensors_of(code).keys() & set(gan.projected)))
        raise InputError(f"a code of this model is {held} alone, which holds the class; leave the class out")
    return rows.to(replace(code, **changed), gan.device)


def of_class(gan: GAN, n: int, y: Tensor | None) -> dict[str, Tensor]:
    """The fields of a code that say its class [n] and nothing else; none where the class is in what a projection moves,
    as in StyleGAN2's w.
    """
    k = gan.config.num_classes
    if y is None or not k:
        return {}
    here, there = (tensors_of(template(gan, n, classes)) for classes in (y, (y + 1) % k))
    return {
        name: value
        for name, value in here.items()
        if name not in gan.projected and (k == 1 or not torch.equal(value, there[name]))
    }


def tensors_of(code: Any) -> dict[str, Tensor]:
    """The tensors of a code by the names of their fields."""
    found = {f.name: getattr(code, f.name) for f in fields(code)}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}
