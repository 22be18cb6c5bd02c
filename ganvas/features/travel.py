"""Networks that are small enough to travel with a model: made again of their weights, without the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganvas.errors import InputError
from ganvas.features.extractor import Extractor, hash_state


def travels(name: str) -> bool:
    """Is the network of that name, as `extractor` knows it, small and of the data alone?"""
    return name.startswith("own")


def rebuilt(record: Mapping[str, Any], weights: Mapping[str, Tensor], shape: tuple[int, ...]) -> Extractor:
    """The network of a record (`name`) with these weights, for images of a shape (C, H, W).  Raises InputError"""
    name = str(record.get("name"))
    if name not in ("own", "own-rotation", "own-selfsup"):
        raise InputError(f"features {name!r} do not travel with a model; install a newer ganvas")
    try:
        network: Any = _encoder(weights, shape) if name == "own-selfsup" else _classifier(name, weights, shape)
        network.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"the feature network {name} of this model is damaged ({reason}); copy it again") from None
    network.weights_hash = hash_state(network.net.state_dict())
    return network.eval().requires_grad_(False)


def _classifier(name: str, weights: Mapping[str, Tensor], shape: tuple[int, ...]) -> Extractor:
    from ganvas.features import own

    width, dim, classes = (len(weights[f"net.{key}.weight"]) for key in ("body.0", "hidden", "out"))
    settings = own.Settings(width=width, dim=dim)
    return own.Own(own.Classifier(shape[0], max(shape[1:]), classes, settings), shape[0], name == "own", settings)


def _encoder(weights: Mapping[str, Tensor], shape: tuple[int, ...]) -> Extractor:
    from ganvas.features import selfsup

    settings = selfsup.Settings(width=len(weights["net.body.0.weight"]), dim=len(weights["net.hidden.weight"]))
    return selfsup.OwnSelfsup(selfsup.Encoder(shape[0], max(shape[1:]), settings), shape[0], settings)
