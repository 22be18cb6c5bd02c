"""One pass over images through a feature network: what the metrics need of it is kept, nothing else.

Moments cost constant memory; features, logits, labels and images are kept only where a metric asks for them. What was
seen of a reference set is cached under the hash of the images, the network and the resize.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.features.extractor import Extractor
from ganvas.features.files import Fingerprint, key_of, load_tensors, save_tensors
from ganvas.metrics.moments import Moments
from ganvas.team import ALONE, Team

Need = Literal["moments", "features", "logits", "labels", "images"]
Images = Iterable[Tensor | tuple[Tensor, Tensor | None]]  # batches uint8 [N, C, H, W], or with labels [N]
Progress = Callable[[str, int], None]  # (what is being looked at, images so far)

FORMAT = 1  # of the cache; raised when its content changes meaning


@dataclass
class Seen:
    """What one pass over a set of images left."""

    count: int = 0
    fingerprint: str = ""
    moments: Moments | None = None
    features: Tensor | None = None  # float32 [M, F]
    logits: Tensor | None = None  # float32 [M, K]
    labels: Tensor | None = None  # int64 [M]
    images: Tensor | None = None  # uint8 [M, C, H, W]
    held_out: Seen | None = None  # of a reference: other images of the same kind, which the model was not trained on


def look(
    images: Images,
    extractor: Extractor,
    needs: frozenset[Need],
    what: str = "images",
    progress: Progress | None = None,
    team: Team = ALONE,
) -> Seen:
    """Streams batches through the network.  Raises InputError for an empty set or missing labels or logits.

    team: `images` are those batches of a set that this process is to look at, dealt out by `team.mine`.  The first one
    has seen all, as if it had been alone, bit for bit where they compute alike; the others have seen nothing.
    """
    seen, whole = Seen(), Fingerprint()
    parts: dict[str, list[Tensor]] = {need: [] for need in ("features", "logits", "labels", "images") if need in needs}
    for mark, found in team.collected(_looked_at(batch, extractor, needs, what) for batch in images):
        whole.add(mark)
        if "moments" in needs:
            seen.moments = seen.moments or Moments(found["features"].shape[1])
            seen.moments.update(found["features"])
        for need in parts:
            parts[need].append(found[need])
        seen.count = whole.count
        if progress is not None:
            progress(what, seen.count)
    if seen.count == 0 and team.first:
        raise InputError(f"no {what} were given; expected at least one batch")
    seen.fingerprint = whole.hexdigest()
    for need, tensors in parts.items():
        setattr(seen, need, gather(tensors) if tensors else None)
    return seen


def _looked_at(
    batch: Tensor | tuple[Tensor, Tensor | None], extractor: Extractor, needs: frozenset[Need], what: str
) -> tuple[Fingerprint, dict[str, Tensor]]:
    """What is needed of one batch, by name, on the CPU."""
    x, y = batch if isinstance(batch, tuple) else (batch, None)
    mark, found = Fingerprint(), dict[str, Tensor]()
    mark.update(x, y)
    if needs & {"moments", "features", "logits"}:
        given = extractor(x.to(_device(extractor)))
        if needs & {"moments", "features"}:
            found["features"] = given.features.to("cpu", torch.float32)
        if "logits" in needs:
            if given.logits is None:
                raise InputError(
                    "the feature network gives no class logits, which the Inception Score needs; leave `is` out"
                )
            found["logits"] = given.logits.to("cpu", torch.float32)
    if "images" in needs:
        found["images"] = x.cpu()
    if "labels" in needs:
        if y is None:
            raise InputError(f"the {what} have no labels, which a class-wise metric needs; leave that metric out")
        found["labels"] = y.to("cpu", torch.int64)
    return mark, found


def gather(parts: list[Tensor]) -> Tensor:
    """The parts as one tensor, freed one by one as they are copied, so that memory holds the set once and not twice."""
    whole = torch.empty(sum(len(part) for part in parts), *parts[0].shape[1:], dtype=parts[0].dtype)
    start = len(whole)
    while parts:
        part = parts.pop()
        start -= len(part)
        whole[start : start + len(part)] = part
    return whole


def _device(extractor: Extractor) -> torch.device:
    first = next(extractor.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def reference(
    images: Images,
    extractor: Extractor,
    needs: frozenset[Need],
    *,
    fingerprint: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    team: Team = ALONE,
) -> Seen:
    """`look` for the reference set, read from `cache` where it has been seen before.

    fingerprint: the hash of the set of images, if it is known (else the images are read once for it, where they can be
    read twice; an iterator cannot, and then nothing is looked up).  team: as in `look`; the first one's cache counts.
    """
    if cache is None or "images" in needs:
        return look(images, extractor, needs, "reference images", progress, team)
    if fingerprint is None and iter(images) is not images:
        fingerprint = _fingerprint_of(images, team)
    if fingerprint is not None:
        path = _cache_path(cache, fingerprint, extractor)
        stored = _load(path, needs, fingerprint) if team.first else None
        if team.told(lambda: stored is not None):
            return stored or Seen()
        needs = team.told(lambda: needs | _kept(path))  # else metrics asked for by turns would drive each other out
    seen = look(images, extractor, needs, "reference images", progress, team)
    if team.first:
        if fingerprint is not None and fingerprint != seen.fingerprint:
            raise InputError("the reference images are not those of the fingerprint given; prepare the data set again")
        _save(_cache_path(cache, seen.fingerprint, extractor), seen)
    return seen


def _fingerprint_of(images: Images, team: Team) -> str:
    own, whole = Fingerprint(), Fingerprint()
    for batch in images:
        own.update(*batch if isinstance(batch, tuple) else (batch,))
    for part in team.collected([own]):
        whole.add(part)
    return team.told(whole.hexdigest)


def _cache_path(cache: Path, fingerprint: str, extractor: Extractor) -> Path:
    record = {"format": FORMAT, "images": fingerprint, "features": extractor.name, "weights": extractor.weights_hash}
    record |= {"resize": extractor.resize, "size": extractor.size, "dim": extractor.dim}
    return cache / f"reference-{key_of(record)[:20]}.safetensors"


def _load(path: Path, needs: frozenset[Need], fingerprint: str) -> Seen | None:
    stored = load_tensors(path)
    if stored is None:
        return None
    tensors, record = stored
    if record.get("images") != fingerprint or not needs <= set(record.get("needs", [])):
        return None
    seen = Seen(record["count"], fingerprint)
    if "moments" in needs:
        seen.moments = Moments.from_state({key: tensors[f"moments.{key}"] for key in ("mean", "covariance", "count")})
    for need in needs - {"moments"}:
        setattr(seen, need, tensors[need])
    return seen


def _kept(path: Path) -> frozenset[Need]:
    """What the cache holds already."""
    stored = load_tensors(path)
    return frozenset() if stored is None else frozenset(stored[1].get("needs", []))


def _save(path: Path, seen: Seen) -> None:
    """Written anew with all that was seen; a later call that needs more replaces it."""
    tensors: dict[str, Tensor] = {}
    if seen.moments is not None:
        tensors |= {f"moments.{key}": value for key, value in seen.moments.state().items()}
    for need in ("features", "logits", "labels"):
        value = cast(Tensor | None, getattr(seen, need))
        if value is not None:
            tensors[need] = value
    kept = sorted({key.split(".")[0] for key in tensors})
    save_tensors(path, tensors, {"images": seen.fingerprint, "count": seen.count, "needs": kept})
