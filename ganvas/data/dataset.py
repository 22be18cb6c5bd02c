"""What a data set is to the engine: arrays of rows, and how some of their rows become a `Batch`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:  # looking at data needs no torch
    from torch import Tensor

    from ganvas.gan import Batch

Take = Callable[[str, "Tensor"], "Tensor"]  # (name of an array, rows) -> those rows, on the device


class Dataset(Protocol):
    """Images, pairs or instances, decoded."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str:
        """Of everything that a run sees of it."""
        ...

    @property
    def class_names(self) -> list[str]: ...
    @property
    def preprocessing(self) -> dict[str, Any]:
        """How it was decoded, JSON-able."""
        ...

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """Everything that `rows` takes from, by name."""
        ...

    @property
    def chances(self) -> int:
        """How many uniform numbers each row may use: for a crop, a neighbour."""
        ...

    def __len__(self) -> int: ...

    def rows(self, take: Take, index: Tensor, mirrored: Tensor | None, chance: Tensor) -> Batch:
        """The rows of an index [N] as the players see them.

        mirrored [N]: which of them are flipped, or None; chance [N, chances] uniform in [0, 1): functions of the
        run's seed and the position in the stream.
        """
        ...

    def renewed(self, batch: Batch, take: Take, chance: Tensor) -> Batch:
        """The batch as one phase of an iteration sees it: what it does not share with the others, drawn by chance.

        chance [N, chances]: a function of the phase too.  Images and pairs share all of a batch.
        """
        ...


@dataclass(frozen=True)
class Wanted:
    """What a run asks of its data.  shape: of one sample, (C, H, W) or (D,)"""

    shape: tuple[int, ...]
    fit: str = "crop"
    max_unreadable: float = 0.0
    progress: Callable[[int, int], None] | None = None
    options: dict[str, Any] = field(default_factory=dict)  # what a reader of its own needs: the paper's `reading`
    classes: bool = True  # False: the folders' names are no labels
    say: Callable[[str], None] = lambda line: None  # lines for people, of work that takes long
    stage: Callable[[str, int, int], None] | None = None  # of such work: what is done, so many, of how many
