"""Which network looks at a data set, and the store that it makes: what `ganvas prepare` and a run's reader share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data import nearest, prepare
from ganvas.data.dataset import Wanted
from ganvas.data.images import Images
from ganvas.data.prepare import Progress
from ganvas.data.store import Store, read
from ganvas.features import Extractor, extractor
from ganvas.features.extractor import alike
from ganvas.files import user_cache
from ganvas.team import ALONE, Team


def network(
    images: Images,
    features: str,
    weights: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    team: Team = ALONE,
) -> Extractor:
    """The network of that name, alike in a team; one that is trained on the data is kept in the cache.

    Raises InputError.
    """
    data = (np.array(images.x), images.y) if features.startswith("own") else None
    steps = None if progress is None else lambda done, total: progress(f"training {features}", done, total)
    cache = user_cache() / "features" / "networks"
    how: dict[str, Any] = {"weights": weights, "data": data, "cache": cache, "device": device, "progress": steps}
    return alike(lambda: extractor(features, **how), team)


def prepared(images: Images, features: str, k: int, wanted: Wanted) -> Store:
    """The store of a data set from the cache; what is missing is made, and said.  Raises InputError.

    A store that was made by weights from a file needs no file again.
    """
    found = read(prepare.place(images, features))
    nearest.checked_k(k, len(images))
    if found is not None and found.k >= k:
        return found
    wanted.say(f"{images.name} has no features {features} with {k} neighbours yet: preparing them (ganvas prepare)")
    most = max(k, min(prepare.K, len(images) - 1))

    def made() -> Extractor:
        return network(images, features, progress=wanted.stage)

    return prepare.prepare(images, features, made, most, progress=wanted.stage)
