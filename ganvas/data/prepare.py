"""Makes the store of a data set: features, neighbours, instances; what was done when it was killed is not done again.

Beside the store, while it is made, stands a folder NAME.part: `exact.raw` (float32 [rows, 2, F], image and mirror
image, unit length) and `near.raw` (int32 and float32, neighbours with similarities), both only ever appended to in
whole blocks, so that their sizes say how far they are, and a run that goes on computes the same blocks.  Several
processes compute the blocks in turns; the first one writes them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from ganvas import __version__
from ganvas.data import nearest, packed, store
from ganvas.data.cache import digest
from ganvas.data.images import Images
from ganvas.data.kmeans import representatives
from ganvas.data.store import Store
from ganvas.errors import InputError
from ganvas.features.extractor import Extractor
from ganvas.files import locked, one_line, user_cache
from ganvas.team import ALONE, Team

K, INSTANCES = 50, 1000  # neighbours of an image; images chosen for the model folder
BLOCK, BATCH = 1024, 128  # rows between two writes; images that the network sees at once
ITERATIONS, SAMPLED = 100, 256  # of k-means, as the authors ran it: iterations, vectors a centre that it learns from

Progress = Callable[[str, int, int], None]  # (what is done, so many, of how many)


@dataclass(frozen=True)
class Work:
    """A store in the making."""

    images: Images
    network: Extractor
    k: int
    part: Path  # the folder
    progress: Progress
    search: str  # torch or faiss
    path: str  # of the images
    team: Team = ALONE

    @property
    def count(self) -> int:
        return len(self.images)

    @property
    def exact(self) -> np.ndarray:
        """float32 [M, 2, F], mapped."""
        return np.memmap(self.part / "exact.raw", np.float32, "r", shape=(self.count, 2, self.network.dim))

    def rows(self, start: int, stop: int) -> Tensor:
        """Unit features of images, float32 [stop - start, F]."""
        return torch.from_numpy(np.array(self.exact[start:stop, 0]))


def place(images: Images, features: str) -> Path:
    """Where the cache keeps the store of these images and this network."""
    return user_cache() / "features" / digest([store.FORMAT, images.fingerprint, features])[:32]


def prepare(
    images: Images,
    features: str,
    make_network: Callable[[], Extractor],
    k: int = K,
    folder: Path | None = None,
    progress: Progress | None = None,
    search: str = "torch",
    path: str = "",
    team: Team = ALONE,
) -> Store:
    """The store of these images, made now where it is absent, damaged, of fewer neighbours or of other weights.

    features: the name that was asked for.  folder: None: in the cache.  search: torch or faiss, which find the same.
    path: of the images, for the manifest.  team: the processes that make it together; all must see the folder.  The
    store is that of one process, bit for bit where they compute alike.  Raises InputError.
    """
    nearest.checked_k(k, len(images))
    folder = place(images, features) if folder is None else folder
    refuse_foreign(folder)
    with one_line(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / ".locks" / folder.name) if team.first else nullcontext():
            network = make_network()
            if team.told(lambda: (found := store.read(folder)) is not None and holds(found, images, network, k)):
                return store.expect(folder)
            part = folder.with_name(f"{folder.name}.part")
            work = Work(images, network, k, part, progress or (lambda what, done, total: None), search, path, team)
            if team.first:
                begin(work, features)
            seen_by_all(work)
            write_features(work)
            write_neighbours(work)
            if team.first:
                finish(work, features, folder)
            team.any(False)
    return store.expect(folder)


def refuse_foreign(folder: Path) -> None:
    """Raises InputError for a folder that holds anything but a store."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / store.MANIFEST).is_file()):
        raise InputError(f"{folder} holds something else than a store of features; pass the name of a new folder")


def holds(found: Store, images: Images, network: Extractor, k: int) -> bool:
    """Is this what would be made?"""
    same = found.manifest["data"]["fingerprint"] == images.fingerprint and found.k >= k
    return same and found.extractor["weights"] == network.weights_hash


def begin(work: Work, features: str) -> None:
    """The folder of the work: an old one is gone on with if it began the same."""
    task = {"data": work.images.fingerprint, "weights": work.network.weights_hash, "k": work.k, "block": BLOCK}
    task = {"format": store.FORMAT, "features": features, "dim": work.network.dim, **task}
    mark = work.part / "task.json"
    if mark.is_file() and mark.read_text() == _json(task):
        return
    shutil.rmtree(work.part, ignore_errors=True)
    work.part.mkdir(parents=True)
    mark.write_text(_json(task))


def seen_by_all(work: Work) -> None:
    """Raises InputError in every process where one of them does not see what the first one writes."""
    work.team.any(False)  # the first one has begun
    if work.team.any(not (work.part / "task.json").is_file()):
        raise InputError(
            f"not all {work.team.size} processes see {work.part}, which the first one writes; name a folder that all "
            "machines share, by --out or as GANVAS_CACHE, or prepare on one machine"
        )


def write_features(work: Work) -> None:
    """`exact.raw`, from where it stands."""
    append(work, "features", "exact.raw", 2 * work.network.dim * 4, partial(unit_features, work))


def append(work: Work, what: str, name: str, row_bytes: int, made: Callable[[int, int], bytes]) -> None:
    """A file of the work, from where it stands: made(first, last) for each block, by the processes in turns."""
    with appending(work.part / name, row_bytes, work.count) if work.team.first else nullcontext() as file:
        start = work.team.told(lambda: file.tell() // row_bytes if file else 0)
        work.progress(what, start, work.count)
        starts = work.team.mine(range(start, work.count, BLOCK))
        done = start
        for block in work.team.collected(made(first, min(first + BLOCK, work.count)) for first in starts):
            assert file is not None, "another process than the first one was given blocks to write"
            file.write(block)
            file.flush()
            done += len(block) // row_bytes
            work.progress(what, done, work.count)
    work.team.any(False)  # what comes next reads the file, which is whole now


def unit_features(work: Work, first: int, last: int) -> bytes:
    """Rows of `exact.raw`."""
    return both_views(work.network, work.images.x[first:last]).tobytes()


def both_views(network: Extractor, x: np.ndarray) -> np.ndarray:
    """Unit features of images uint8 [N, C, H, W] and of their mirror images.  -> float32 [N, 2, F]"""
    device = device_of(network)
    out = []
    for first in range(0, len(x), BATCH):
        images = torch.from_numpy(np.array(x[first : first + BATCH])).to(device)
        views = [network(view).features.float() for view in (images, images.flip(-1))]
        out.append(torch.nn.functional.normalize(torch.stack(views, 1), dim=2).cpu())
    return torch.cat(out).numpy()


def write_neighbours(work: Work) -> None:
    """`near.raw`: rows of k int32 and k float32."""
    append(work, "neighbours", "near.raw", 8 * work.k, partial(near_rows, searcher(work), work.k))


def near_rows(search: nearest.Search, k: int, first: int, last: int) -> bytes:
    """Rows of `near.raw`."""
    found, similar = search(first, last, k)
    near = np.empty(last - first, near_type(k))
    near["row"], near["similar"] = found.cpu().numpy(), similar.cpu().numpy()
    return near.tobytes()


def searcher(work: Work) -> nearest.Search:
    """(start, stop, k) -> neighbours, on the network's device where all vectors fit into half of its free memory."""
    if work.search == "faiss":
        return nearest.Faiss(work.rows, work.count)
    rows, device = work.rows, device_of(work.network)
    if device.type == "cuda" and 8 * work.count * work.network.dim < torch.cuda.mem_get_info(device)[0]:
        held = rows(0, work.count).to(device)
        return lambda start, stop, k: nearest.nearest(lambda a, b: held[a:b], work.count, start, stop, k)
    return lambda start, stop, k: nearest.nearest(rows, work.count, start, stop, k)


def device_of(network: Extractor) -> torch.device:
    """Where its weights are."""
    return next(iter(network.state_dict().values())).device


def near_type(k: int) -> np.dtype:
    """A row of `near.raw`."""
    return np.dtype([("row", "<i4", (k,)), ("similar", "<f4", (k,))])


@contextmanager
def appending(path: Path, row_bytes: int, count: int) -> Iterator[BinaryIO]:
    """A file to go on with at its end, cut to whole blocks."""
    rows = path.stat().st_size // row_bytes if path.is_file() else 0
    rows = count if rows >= count else rows // BLOCK * BLOCK
    with path.open("ab") as file:
        file.truncate(rows * row_bytes)
        file.seek(rows * row_bytes)
        yield file
        file.flush()
        os.fsync(file.fileno())


def finish(work: Work, features: str, folder: Path) -> None:
    """The arrays and the manifest in a folder of their own, then renamed into place; the work is gone."""
    whole = work.part / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir()
    worst = write_packed(work, whole)
    near = np.memmap(work.part / "near.raw", near_type(work.k), "r")
    np.save(whole / "neighbours.npy", near["row"])
    np.save(whole / "radii.npy", nearest.radii(torch.from_numpy(np.array(near["similar"]))).numpy())
    work.progress("instances", 0, 1)
    rows = representatives(work.rows, work.count, min(INSTANCES, work.count), ITERATIONS, SAMPLED)
    np.save(whole / "instance_rows.npy", rows)
    np.save(whole / "instances.npy", work.exact[rows, 0])
    work.progress("instances", 1, 1)
    store.seal(whole, manifest(work, features, worst))
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    whole.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(work.part, ignore_errors=True)


def manifest(work: Work, features: str, worst: float) -> dict[str, Any]:
    """What stands in the manifest besides the files."""
    network = work.network
    return {
        "ganvas": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "data": {
            "name": work.images.name,
            "path": work.path,
            "count": work.count,
            "fingerprint": work.images.fingerprint,
        },
        "preprocessing": work.images.preprocessing,
        "extractor": {
            "features": features,
            "name": network.name,
            "weights": network.weights_hash,
            "resize": network.resize,
            "size": network.size,
        },
        "dim": network.dim,
        "k": work.k,
        "bits": packed.BITS,
        "worst_cosine": worst,
    }


def write_packed(work: Work, folder: Path) -> float:
    """`features.npy` and `ranges.npy`.  -> the least cosine of a stored vector to the vector itself"""
    shape = (2, work.count, packed.packed_bytes(work.network.dim))
    worst = 1.0
    with (folder / "features.npy").open("wb") as codes, (folder / "ranges.npy").open("wb") as ranges:
        _header(codes, shape, "|u1")
        _header(ranges, (2, work.count, 2), "<f4")
        for view in range(2):
            for first in range(0, work.count, BLOCK):
                x = torch.from_numpy(np.array(work.exact[first : first + BLOCK, view]))
                code, span = packed.pack(x)
                worst = min(worst, float((packed.unpack(code, span, x.shape[1]) * x).sum(1).min()))
                codes.write(code.numpy().tobytes())
                ranges.write(span.numpy().tobytes())
    return worst


def _header(file: BinaryIO, shape: tuple[int, ...], kind: str) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
