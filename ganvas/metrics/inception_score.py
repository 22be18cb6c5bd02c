"""Inception Score (Salimans et al. 2016, arXiv 1606.03498): exp E KL(p(y|x) || p(y)), over splits of the samples."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.metrics.order import shuffled


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
    log_p = _log_probabilities(logits, probabilities)
    if not 1 <= splits <= len(log_p):
        raise InputError(
            f"Inception Score of {len(log_p)} images in {splits} splits; expected 1 to {len(log_p)} splits"
        )
    if seed is not None and splits > 1:
        log_p = log_p[shuffled(log_p.exp(), seed)]
    bounds = [len(log_p) * i // splits for i in range(splits + 1)]
    values = torch.stack([_score(log_p[start:end]) for start, end in pairwise(bounds)])
    return InceptionScore(float(values.mean()), float(values.std(correction=0)), values)


def _log_probabilities(logits: Tensor | None, probabilities: Tensor | None) -> Tensor:
    """float64 [N, K]"""
    if logits is not None:
        assert probabilities is None, "logits or probabilities, not both"
        return logits.double().log_softmax(1)
    assert probabilities is not None, "logits or probabilities"
    return probabilities.double().log()


def _score(log_p: Tensor) -> Tensor:
    """exp of the mean Kullback-Leibler divergence to the mean distribution; 0 log 0 is 0.  [N, K] -> scalar"""
    p = log_p.exp()
    mean = p.mean(0, keepdim=True)
    return torch.where(p > 0, p * (log_p - mean.log()), 0.0).sum(1).mean().exp()
