"""Instances as a run reads them (IC-GAN, Casanova et al. 2021, arXiv 2109.05070): an image x among the neighbours of
another, and that other's feature h as its condition.

The contract, for papers with `reads = "instances"` (`Config.reading()` gives the options, `rows` the batch):

    Batch(x=image of a neighbour of instance i,  given=Given(y=class of that neighbour, h=feature of i),
          fake=Given(y=class of a neighbour of instance j, h=feature of j))

Instances i come in the order of the epoch, each once; neighbours are uniform among the k nearest of i, i excluded;
j is uniform among all with replacement and independent of i, so that D meets the same conditions for real and fake
images in distribution alone.  Phases share real images, but each draws the conditions of its fakes anew (`renewed`).
y is None without classes.  h has unit length; with `augment` it is the mirror image's with probability 1/2,
independently of whether x is mirrored and of the other h.  All of it is a function of the run's seed and the position.

Options: `features` (a name that `ganvas.features.extractor` knows), `k`, `augment`, `classes` (are they wanted),
`conditions` (how fakes' conditions are drawn, below), and `feature_dim` (what the networks are built for; refused if
the features differ).  Everything but `features` may be left out.

conditions: "instance" as above.  "class": a uniform class c, an image n of it, h of a neighbour of n, y = c;
"image": the same with c as frequent as in the data (both for long-tailed data).  "independent": h of j, y of another
image drawn independently: what the authors' StyleGAN2 code did with classes, against their paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data.cache import digest
from ganvas.data.dataset import Take, Wanted
from ganvas.data.images import Images, Kind, load_wanted, peek
from ganvas.errors import InputError

if TYPE_CHECKING:  # looking at data needs no torch
    from torch import Tensor

    from ganvas.data.store import Store
    from ganvas.gan import Batch, Given

CONDITIONS = ("instance", "class", "image", "independent")
NEAR, ROW, FINE, FAKE_NEAR, MIRROR, FAKE_MIRROR, OTHER_FINE = range(7)  # what the columns of `chance` decide
DEFAULTS = {"features": "own", "k": 50, "augment": False, "classes": True, "conditions": "instance"}


@dataclass(frozen=True)
class Stock:
    """Conditions that travel with a model, so that seeds alone sample it.

    Conditions of one sample: a row s, uniform; h[s]; the class near[s, n], n uniform.
    """

    h: np.ndarray  # float32 [S, F], unit length
    y: np.ndarray | None  # int64 [S], classes of these images; None without classes
    near: np.ndarray | None  # int64 [S, k], classes of their neighbours
    rows: np.ndarray  # int64 [S], which images of the data set they are


@dataclass(frozen=True)
class Instances:
    """A `Dataset` of neighbours with instances as their conditions."""

    images: Images
    store: Store
    k: int = 50
    augment: bool = False
    classes: bool = True
    conditions: str = "instance"
    by_class: list[np.ndarray] = field(init=False)  # the rows of each class that has any

    def __post_init__(self) -> None:
        y = self.images.y if self.classes else None
        rows = [] if y is None else [found for c in range(int(y.max()) + 1) if len(found := np.flatnonzero(y == c))]
        object.__setattr__(self, "by_class", rows)

    @property
    def name(self) -> str:
        return self.images.name

    @property
    def fingerprint(self) -> str:
        how = [self.k, self.augment, self.classes, self.conditions]
        return digest([self.images.fingerprint, self.store.extractor, self.store.hash, how])

    @property
    def class_names(self) -> list[str]:
        return self.images.class_names

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Of the images, and which network their features are of."""
        return {**self.images.preprocessing, "features": self.store.extractor, "k": self.k}

    @property
    def feature_dim(self) -> int:
        """F, numbers of a feature."""
        return self.store.dim

    @property
    def extractor(self) -> dict[str, Any]:
        """The features' network: name, SHA-256 of the weights, how images are resized for it."""
        return self.store.extractor

    @property
    def stock(self) -> Stock:
        """The chosen instances, at most a thousand."""
        rows, y = np.array(self.store.instance_rows), self.images.y if self.classes else None
        near = None if y is None else y[self.store.neighbours[rows, : self.k]]
        return Stock(np.array(self.store.instances), None if y is None else y[rows], near, rows)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Images and classes; codes and ranges of the features, mirror images' below the images'."""
        codes, ranges = (array.reshape(-1, array.shape[-1]) for array in (self.store.features, self.store.ranges))
        return {**self.images.arrays, "h": codes, "h_ranges": ranges}

    @property
    def chances(self) -> int:
        """Seven, named above."""
        return 7

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, take: Take, index: Tensor, mirrored: Tensor | None, chance: Tensor) -> Batch:
        """Neighbours of the instances at index [N], and conditions of as many fakes; see above."""
        from ganvas.gan import Batch, Given

        near = self._neighbour(index, chance[:, NEAR])
        real = self.images.rows(take, near, mirrored, chance)
        h = self._features(take, index, chance[:, MIRROR])
        return Batch(real.x, Given(real.given.y if self.classes else None, h), self.conditions_of_fakes(take, chance))

    def renewed(self, batch: Batch, take: Take, chance: Tensor) -> Batch:
        """The batch with conditions of fakes that these numbers draw."""
        return replace(batch, fake=self.conditions_of_fakes(take, chance))

    def conditions_of_fakes(self, take: Take, chance: Tensor) -> Given:
        """One for each row of `chance`."""
        from ganvas.gan import Given

        instance, classed = self._drawn(chance)
        y = take("y", classed) if self.classes and self.images.y is not None else None
        return Given(y, self._features(take, instance, chance[:, FAKE_MIRROR]))

    def _neighbour(self, index: Tensor, chance: Tensor) -> Tensor:
        """One of the k nearest of each row, uniform."""
        import torch

        which = (chance * self.k).long().clamp(max=self.k - 1)
        return torch.from_numpy(self.store.neighbours[index.numpy(), which.numpy()].astype(np.int64))

    def _drawn(self, chance: Tensor) -> tuple[Tensor, Tensor]:
        """Of each fake: the instance whose feature it is given, the image whose class."""
        row = whole(chance[:, ROW], chance[:, FINE], len(self))
        if self.conditions == "independent":
            return row, whole(chance[:, FAKE_NEAR], chance[:, OTHER_FINE], len(self))
        if self.conditions == "class" and self.by_class:
            row = self._of_class(chance[:, ROW], chance[:, FINE])
        near = self._neighbour(row, chance[:, FAKE_NEAR])
        return (row, near) if self.conditions == "instance" else (near, row)

    def _of_class(self, which: Tensor, member: Tensor) -> Tensor:
        """An image of a uniform class."""
        import torch

        sizes = torch.tensor([len(rows) for rows in self.by_class])
        start = sizes.cumsum(0) - sizes
        c = (which * len(sizes)).long().clamp(max=len(sizes) - 1)
        at = (member * sizes[c]).long().minimum(sizes[c] - 1)
        return torch.from_numpy(np.concatenate(self.by_class))[start[c] + at]

    def _features(self, take: Take, index: Tensor, chance: Tensor) -> Tensor:
        """Unit features of rows, with `augment` half of them the mirror images'.  -> float32 [N, F]"""
        from ganvas.data.packed import unpack

        place = index + len(self) * (chance < 0.5).long() if self.augment else index
        return unpack(take("h", place), take("h_ranges", place), self.feature_dim)


def whole(chance: Tensor, fine: Tensor, n: int) -> Tensor:
    """Uniform in 0 ... n - 1 of two float32 numbers in [0, 1): one alone has 24 bits, too few for a million rows."""
    return ((chance.double() + fine.double() * 2**-24) * n).long().clamp(max=n - 1)


def source_of(data: str) -> tuple[str, Store | None]:
    """The path of the images behind DATA, and the store if DATA is one that `ganvas prepare --out` made."""
    from ganvas.data import store

    if not (Path(data).expanduser() / store.MANIFEST).is_file():
        return data, None
    found = store.expect(Path(data).expanduser())
    return found.manifest["data"]["path"], found


def peek_instances(data: str) -> Kind:
    """What DATA is; raises InputError for points."""
    path, store = source_of(data)
    found = peek(path)
    if found.kind == "toy":
        raise InputError(f"{data} holds points, which have no features; expected images, as --data digits")
    return replace(found, settings={"fit": store.manifest["preprocessing"]["fit"]}) if store else found


def load_instances(data: str, wanted: Wanted) -> Instances:
    """What a paper with `reads = "instances"` trains on; features and neighbours are made if they are missing.

    Raises InputError for options that the data cannot have.
    """
    from ganvas.data.features import prepared

    unknown = set(wanted.options) - set(DEFAULTS) - {"feature_dim"}
    assert not unknown, f"options {unknown} are not those of instances"
    o = {**DEFAULTS, **wanted.options}
    if o["conditions"] not in CONDITIONS:
        raise InputError(f"conditions={o['conditions']!r} given, expected one of: {', '.join(CONDITIONS)}")
    path, given = source_of(data)
    images = load_wanted(path, wanted)
    if images.is_points:
        peek_instances(data)
    classes = o["classes"] and images.y is not None
    if o["conditions"] != "instance" and not classes:
        raise InputError(f"conditions={o['conditions']} draws by class, and there are none; leave it out")
    store = prepared(images, o["features"], o["k"], wanted) if given is None else fitting(given, images, o)
    asked = o.get("feature_dim")
    if asked is not None and asked != store.dim:
        raise InputError(f"feature_dim={asked} given, but features {o['features']} have {store.dim} numbers; set that")
    return Instances(images, store, o["k"], o["augment"], classes, o["conditions"])


def fitting(store: Store, images: Images, options: dict[str, Any]) -> Store:
    """The store, if it is of these images and these options; raises InputError."""
    side, made = images.x.shape[2], store.manifest["preprocessing"]["resolution"]
    if store.manifest["data"]["fingerprint"] != images.fingerprint:
        raise InputError(
            f"{store.folder} holds features of other images than {images.name} at {side} pixels now is (it was made at "
            f"{made}); make it anew with ganvas prepare {store.manifest['data']['path']} --resolution {side} --out DIR"
        )
    if store.extractor["features"] != options["features"]:
        have = store.extractor["features"]
        raise InputError(f"{store.folder} holds features {have}, features={options['features']} asked for; set {have}")
    if store.k < options["k"]:
        raise InputError(f"{store.folder} holds {store.k} neighbours, k={options['k']} asked for; prepare it with more")
    return store
