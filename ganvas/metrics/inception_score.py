"""Inception Score (Salimans et al. 2016, arXiv 1606.03498): exp E KL(p(y|x) || p(y)), over splits of the samples."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.metrics.order import shuffled

BLOCK = 128  # rows at a time: of 1008 classes a megabyte
LEAST = -1e4  # log of a share that is 0 in float64, and no infinity


class InceptionScore(NamedTuple):
    """Mean over splits, their standard deviation (population, as the field prints it), and each split's value."""

    value: float
    spread: float
    values: Tensor


def inception_score(
    logits: Tensor | None = None, *, probabilities: Tensor | None = None, splits: int = 10, seed: int | None = 0
) -> InceptionScore:
    """The score of logits [N, K], or of probabilities [N, K] whose rows sum to 1.

    seed shuffles the images into splits, whatever the order they came in; None: splits are runs in the order given.
    The score falls with fewer images per split, so `splits` and N belong to the record.
    """
    p, sure = _probabilities(logits, probabilities)
    if not 1 <= splits <= len(p):
        raise InputError(f"Inception Score of {len(p)} images in {splits} splits; expected 1 to {len(p)} splits")
    order = shuffled(p, seed) if seed is not None and splits > 1 else None
    bounds = [len(p) * i // splits for i in range(splits + 1)]
    parts = [slice(a, b) if order is None else order[a:b] for a, b in pairwise(bounds)]
    values = torch.stack([_score(p[part], sure[part]) for part in parts])
    return InceptionScore(float(values.mean()), float(values.std(correction=0)), values)


def _probabilities(logits: Tensor | None, probabilities: Tensor | None) -> tuple[Tensor, Tensor]:
    """p [N, K], and of each row the sum of p log p [N] (0 log 0 is 0), both float64; by blocks that a cache holds."""
    given = logits if logits is not None else probabilities
    assert given is not None, "logits or probabilities"
    assert logits is None or probabilities is None, "logits or probabilities, not both"
    p = torch.empty(given.shape, dtype=torch.float64, device=given.device)
    sure = p.new_empty(len(p))
    for rows, found, made in zip(given.split(BLOCK), p.split(BLOCK), sure.split(BLOCK)):
        if logits is None:
            found.copy_(rows)
            torch.sum(torch.xlogy(found, found), 1, out=made)
            continue
        x = rows.double()
        x = x.sub_(x.amax(1, keepdim=True)).clamp_(min=LEAST)
        total = torch.exp(x, out=found).sum(1, keepdim=True)
        found.div_(total)
        torch.sub((x.mul_(found)).sum(1), total.log_().squeeze(1), out=made)
    return p, sure


def _score(p: Tensor, sure: Tensor) -> Tensor:
    """exp of the mean Kullback-Leibler divergence to the mean distribution.  [N, K], [N] -> scalar"""
    mean = p.mean(0)
    return (sure.mean() - torch.xlogy(mean, mean).sum()).exp()
