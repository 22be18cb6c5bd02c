"""Mean and covariance of a stream of features, in float64 and constant memory.

Chan, Golub & LeVeque 1979: moments of parts add up to moments of the whole. So neither the order of the images nor the
size of the batches shows in the result, and parts that other processes saw can be merged.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 1024  # rows gathered before they are added: one large product costs far less than many small ones
TILE = 512  # columns per tile; only tiles on or above the diagonal are computed, the matrix being symmetric


class Moments:
    """Count, mean [F] and scatter [F, F] (sum of centred outer products) of the rows seen so far."""

    def __init__(self, dim: int, device: str | torch.device = "cpu") -> None:
        self._count = 0
        self._mean = torch.zeros(dim, dtype=torch.float64, device=device)
        self._scatter = torch.zeros(dim, dim, dtype=torch.float64, device=device)
        self._rows = torch.empty(min(ROWS, 1 + (1 << 26) // dim), dim, dtype=torch.float64, device=device)
        self._waiting = 0
        self._alone = False  # are the gathered rows, centred, all that was seen?

    @property
    def dim(self) -> int:
        return len(self._mean)

    @property
    def count(self) -> int:
        return self._count + self._waiting

    @property
    def mean(self) -> Tensor:
        """float64 [F]"""
        self._settle()
        return self._mean

    @property
    def covariance(self) -> Tensor:
        """float64 [F, F], divided by count - 1"""
        self._settle()
        assert self._count > 1, f"a covariance of {self._count} rows"
        upper = self._scatter.triu(1)
        return (upper + upper.T + self._scatter.diag().diag()) / (self._count - 1)

    @property
    def variance(self) -> Tensor:
        """float64 [F], the covariance's diagonal"""
        self._settle()
        return self._scatter.diag() / (self._count - 1)

    @property
    def centred(self) -> Tensor | None:
        """All rows less their mean while they are few enough to be at hand, else None.  float64 [N, F]"""
        self._settle()
        return self._rows[: self._count] if self._alone else None

    def update(self, features: Tensor) -> None:
        """Adds rows [N, F] of any float type."""
        assert features.shape[1:] == (self.dim,), f"features {list(features.shape)} for moments of {self.dim}"
        for part in features.detach().split(len(self._rows)):
            space = len(self._rows) - self._waiting
            self._take(part[:space])
            self._take(part[space:])

    def merge(self, other: Moments) -> None:
        """Adds what `other` has seen; `other` stays as it is."""
        other._settle()
        self._settle()
        self._add(other._count, other._mean.to(self._mean), other._scatter.to(self._scatter))

    def state(self) -> dict[str, Tensor]:
        """Tensors from which `from_state` makes an equal object."""
        return {"mean": self.mean, "covariance": self.covariance, "count": torch.tensor(self.count)}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> Moments:
        moments = cls(len(state["mean"]))
        count = int(state["count"])
        moments._add(count, state["mean"], state["covariance"] * (count - 1))
        return moments

    def _take(self, rows: Tensor) -> None:
        if not len(rows):
            return
        self._alone = False
        self._rows[self._waiting : self._waiting + len(rows)] = rows
        self._waiting += len(rows)
        if self._waiting == len(self._rows):
            self._settle()

    def _settle(self) -> None:
        """Moves the gathered rows into the moments."""
        if self._waiting == 0:
            return
        rows, self._waiting = self._rows[: self._waiting], 0
        mean = rows.mean(0)
        rows -= mean
        self._alone = self._count == 0
        self._shift(len(rows), mean)
        for start in range(0, self.dim, TILE):
            columns = rows[:, start : start + TILE].T
            self._scatter[start : start + TILE, start:].addmm_(columns, rows[:, start:])

    def _add(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        if count:
            self._alone = False
            self._shift(count, mean)
            self._scatter += scatter

    def _shift(self, count: int, mean: Tensor) -> None:
        """The part of the scatter that the distance of two means brings, and the mean and count of both."""
        total = self._count + count
        delta = mean - self._mean
        self._scatter.addr_(delta, delta, alpha=self._count * count / total)
        self._mean += delta * (count / total)
        self._count = total


def moments_of(features: Tensor) -> Moments:
    """The `Moments` of one tensor of features [N, F]."""
    moments = Moments(features.shape[1], features.device)
    moments.update(features)
    return moments
