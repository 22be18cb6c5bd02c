"""Which network looks at a data set, and the store that it makes: what `ganvas prepare` and a run's reader share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganvas.data import prepare
from ganvas.data.build import Progress
from ganvas.data.images import Images
from ganvas.data.store import Store
from ganvas.features import Extractor, extractor
from ganvas.files import user_cache


def network(images: Images, features: str, weights: Path | None = None) -> Extractor:
    """The network of that name; one that is trained on the data is kept in the cache.  Raises InputError."""
    data = (np.array(images.x), images.y) if features.startswith("own") else None
    return extractor(features, weights=weights, data=data, cache=user_cache() / "features" / "networks")


def prepared(images: Images, features: str, k: int, progress: Progress | None = None) -> Store:
    """The store of a data set from the cache, made if it is missing."""
    shown = None if progress is None else lambda what, done, total: progress(done, total)
    return prepare.prepare(images, features, lambda: network(images, features), k, progress=shown)
