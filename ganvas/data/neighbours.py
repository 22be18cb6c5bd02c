"""Near duplicates: pairs of pictures whose 8x8 colour thumbnails differ by little, found exactly and fast.

Thumbnails are projected on their leading principal components, which never lengthens a distance. There the set is cut
in two again and again, and of two halves only what lies near the cut is compared. In what is small enough, the distance
in the projection weeds out nearly all, and only the rest is compared thumbnail by thumbnail. So no pair is missed, as
hashing in buckets would, and the work grows little faster than the set.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SIDE = 8  # pixels per side of a thumbnail
LEVELS = 6.0  # root mean square difference up to which two thumbnails are one picture, in grey levels of 255
SHARE = 0.05  # and this share of the picture's own contrast, so that pale or simple pictures are not all alike

_AXES = 16
_PAIRS = 65_536  # so few are compared without cutting further
_BLOCK, _WINDOW = 256, 16_384  # rows and columns of distances held at once: bounded memory for any set
_SLACK = 0.1  # of distances in the projection: far above what float32 rounds, below the exact comparison's grain
_LINKS = 64  # of one picture: enough to connect its group, and a thousand equal frames do not make a million pairs


def near_pairs(thumbs: np.ndarray) -> np.ndarray:
    """Pairs i < j of near-equal thumbnails, at most `_LINKS` per picture and window.  uint8 [M, D] -> int64 [P, 2]"""
    if len(thumbs) < 2:
        return np.empty((0, 2), dtype=np.int64)
    reach, flat = _reaches(thumbs), _projected(thumbs)
    squares = np.einsum("ij,ij->i", flat, flat)
    found = []
    for some, others in _near(flat, reach + _SLACK):
        for rows in _parts(some, _BLOCK):
            for columns in _parts(others, _WINDOW):
                # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b; the slack covers float32, the exact comparison follows below
                gap = squares[rows, None] + squares[columns] - 2.0 * (flat[rows] @ flat[columns].T)
                limit = np.minimum(reach[rows, None], reach[columns])
                i, j = np.nonzero(gap <= limit * limit * 1.01 + 1.0)
                i, j = rows[i], columns[j]
                if some is others:
                    i, j = i[i < j], j[i < j]
                rank = np.arange(len(i)) - np.searchsorted(i, i)
                found.append(_confirmed(thumbs, i[rank < _LINKS], j[rank < _LINKS]))
    pairs = np.concatenate(found)
    pairs.sort(axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _near(flat: np.ndarray, reach: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sets of row numbers, whose products hold every pair within reach of both exactly once.  flat [M, D], reach [M]

    A box too large is cut across its longest side: each half is compared with itself, and what lies within reach of the
    cut with what lies so on the other side.  A box of which a cut would leave little out is compared as it is.
    """
    whole = np.arange(len(flat))
    waiting = [(whole, whole)]
    while waiting:
        a, b = waiting.pop()
        if not len(a) or not len(b):
            continue
        sides = (a,) if a is b else (a, b)
        low = np.minimum.reduce([flat[rows].min(axis=0) for rows in sides])
        high = np.maximum.reduce([flat[rows].max(axis=0) for rows in sides])
        axis = int(np.argmax(high - low))
        if len(a) * len(b) <= _PAIRS or high[axis] - low[axis] <= 4 * max(reach[rows].max() for rows in sides):
            yield a, b
            continue
        cut = (low[axis] + high[axis]) / 2
        below, above, up_to_cut, from_cut = [], [], [], []
        for rows in sides:
            at = flat[rows, axis] - cut
            below.append(rows[at <= 0])
            above.append(rows[at > 0])
            up_to_cut.append(rows[(at <= 0) & (at >= -reach[rows])])
            from_cut.append(rows[(at > 0) & (at <= reach[rows])])
        waiting += [(below[0], below[-1]), (above[0], above[-1]), (up_to_cut[0], from_cut[-1])]
        if a is not b:
            waiting.append((from_cut[0], up_to_cut[1]))


def _parts(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Stretches of so many."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _reaches(thumbs: np.ndarray) -> np.ndarray:
    """The Euclidean distance up to which another thumbnail is the same as this one.  -> float32 [M]"""
    parts = [thumbs[start : start + 8192].std(axis=1) for start in range(0, len(thumbs), 8192)]
    limit = np.minimum(LEVELS, SHARE * np.concatenate(parts))
    return (limit * np.sqrt(thumbs.shape[1])).astype(np.float32)


def groups(pairs: np.ndarray, count: int) -> list[list[int]]:
    """Connected pictures, each group in order, largest group first."""
    parent = np.arange(count)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for i, j in pairs.tolist():
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = {}
    for i in np.unique(pairs).tolist():
        members.setdefault(root(i), []).append(i)
    return sorted(members.values(), key=lambda group: (-len(group), group))


def _projected(thumbs: np.ndarray) -> np.ndarray:
    """Coordinates along the leading principal components, float32 [M, _AXES]."""
    mean = thumbs.mean(axis=0, dtype=np.float64)
    step = max(1, len(thumbs) // 20_000)  # any orthonormal axes are right; good ones are found on a sample
    sample = thumbs[::step].astype(np.float64) - mean
    _, axes = np.linalg.eigh(sample.T @ sample)
    axes = axes[:, ::-1][:, :_AXES]
    out = np.empty((len(thumbs), axes.shape[1]), dtype=np.float32)
    for start in range(0, len(thumbs), 8192):
        out[start : start + 8192] = (thumbs[start : start + 8192] - mean) @ axes
    return out


def _confirmed(thumbs: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Of candidate pairs, those whose whole thumbnails are close.  -> [P, 2]"""
    kept = []
    for start in range(0, len(i), 65_536):
        a = thumbs[i[start : start + 65_536]].astype(np.float32)
        b = thumbs[j[start : start + 65_536]].astype(np.float32)
        distance = np.sqrt(np.square(a - b).mean(axis=1))
        contrast = np.minimum(a.std(axis=1), b.std(axis=1))
        kept.append(distance <= np.minimum(LEVELS, SHARE * contrast))
    chosen = np.concatenate(kept) if kept else np.zeros(0, dtype=bool)
    return np.stack([i[chosen], j[chosen]], axis=1).astype(np.int64)
