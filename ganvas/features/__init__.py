"""Networks that look at images: `extractor(name)` gives one, the metrics take what it returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganvas.errors import InputError
from ganvas.features.extractor import Extractor, Features

__all__ = ["Extractor", "Features", "extractor"]

NAMES = (
    "inception, inception-64, inception-192, inception-768, own, own-selfsup, swav, resnet50, resnet50-lt, timm:MODEL"
)


def extractor(
    name: str,
    *,
    weights: Path | str | None = None,
    data: tuple[Any, Any] | None = None,
    cache: Path | str | None = None,
    device: str = "cpu",
    resize: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Extractor:
    """The feature network of that name, on `device`.

    weights: a file for inception, the ResNets and timm (else downloaded).  data: images uint8 [M, C, H, W] and labels
    [M] or None, for those trained on them, `own` and `own-selfsup`; progress: (done, of how
    many) steps of that training, or bytes of a download.  cache: the folder
    where downloads and trained weights are kept.  resize: for inception, another filter of `resize.RESIZES` than that
    of the original FID.  Raises InputError.
    """
    weights, cache = (None if path is None else Path(path) for path in (weights, cache))
    if resize is not None and not name.startswith("inception"):
        raise InputError(f"resize={resize!r} was given for features {name!r}; only inception can be resized otherwise")
    if name in ("own", "own-selfsup"):
        from ganvas.features.own import own
        from ganvas.features.selfsup import own_selfsup

        if weights is not None:
            raise InputError(
                f"weights {weights} given for features {name}, which are trained on the data; leave it out"
            )
        if data is None:
            raise InputError(
                f"features {name} need the data set they are trained on: pass data=(images, labels or None)"
            )
        if name == "own":
            return own(data, cache, progress=progress).to(device)
        return own_selfsup(data[0], cache, progress=progress).to(device)
    if name in ("swav", "resnet50", "resnet50-lt"):
        from ganvas.features.resnet import resnet

        return resnet(name, weights, cache).to(device)
    if name.startswith("timm:"):
        from ganvas.features.timm import timm_extractor

        return timm_extractor(name.removeprefix("timm:"), weights).to(device)
    return _inception(name, weights, cache, resize or "tf1_bilinear", progress).to(device)


def _inception(
    name: str, weights: Path | None, cache: Path | None, resize: str, progress: Callable[[int, int], None] | None
) -> Extractor:
    from ganvas.features.inception import DIMS, inception
    from ganvas.features.resize import RESIZES

    dims = {"inception": 2048} | {f"inception-{dim}": dim for dim in DIMS}
    if name not in dims:
        raise InputError(f"features {name!r} are not known; expected one of: {NAMES}")
    if resize not in RESIZES or resize == "none":
        raise InputError(
            f"resize {resize!r} is not known; expected one of: {', '.join(r for r in RESIZES if r != 'none')}"
        )
    return inception(weights, cache, dims[name], resize, progress)
