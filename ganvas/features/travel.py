"""Networks that are small enough to travel with a model: made again of their weights, without the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganvas.errors import InputError
from ganvas.features.extractor import Extractor


def travels(name: str) -> bool:
    """Is the network of that name, as `extractor` knows it, small and of the data alone?"""
    return name.startswith("own")


def rebuilt(record: Mapping[str, Any], weights: Mapping[str, Tensor], shape: tuple[int, ...]) -> Extractor:
    """The network of a record (`name`) with these weights, for images of a shape (C, H, W).  Raises InputError"""
    from ganvas.features import own

    name = str(record.get("name"))
    if name not in ("own", "own-rotation"):
        raise InputError(f"features {name!r} do not travel with a model; install a newer ganvas")
    try:
        width, dim, classes = (len(weights[f"net.{key}.weight"]) for key in ("body.0", "hidden", "out"))
        settings = own.Settings(width=width, dim=dim)
        net = own.Classifier(shape[0], max(shape[1:]), classes, settings)
        network = own.Own(net, shape[0], name == "own", settings)
        network.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"the feature network {name} of this model is damaged ({reason}); copy it again") from None
    network.weights_hash = own.hash_state(net.state_dict())
    return network.eval().requires_grad_(False)
