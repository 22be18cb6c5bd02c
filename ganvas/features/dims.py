"""How long the features of a network are, known by its name alone: networks are built before features are made."""

from __future__ import annotations

OF_RESNET = ("swav", "resnet50", "resnet50-lt")


def dim_of(name: str) -> int | None:
    """F of the network that `extractor` knows by this name; None where only the network itself says it (timm)."""
    if name in OF_RESNET:
        return 2048
    if name == "own-selfsup":
        from ganvas.features import selfsup

        return selfsup.Settings().dim
    if name == "own":
        from ganvas.features import own

        return own.Settings().dim
    if name.startswith("inception"):
        return int(name.partition("-")[2] or 2048)
    return None
