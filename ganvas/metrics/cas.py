"""Classification accuracy score (Ravuri & Vinyals 2019, arXiv 1905.10887): train on samples, test on real images.

The inverse, train on real and test on samples, asks whether samples show their class; the score asks besides whether
they show all of it. Over images a small convolutional network is trained, over features a linear one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import InputError
from ganvas.features.own import Settings, scale, train_classifier


class Cas(NamedTuple):
    """Accuracies in [0, 1]."""

    score: float  # trained on samples, tested on real images
    inverse: float  # trained on real images, tested on samples


def classification_accuracy_score(
    fake: Tensor,
    fake_labels: Tensor,
    real: Tensor,
    real_labels: Tensor,
    seed: int = 0,
    steps: int = 400,
    held_out: tuple[Tensor, Tensor] | None = None,
) -> Cas:
    """Both accuracies for uint8 images [N, C, H, W], or for features [N, F], with labels [N]; the same for a seed.

    held_out: real images and labels that the samples' classifier is tested on, as Ravuri and Vinyals do; else it is
    tested on `real`, of which a model that repeats its training set is a part.
    """
    if fake.shape[1:] != real.shape[1:]:
        raise InputError(f"CAS of {list(fake.shape[1:])} and {list(real.shape[1:])}; samples and data must be alike")
    test, test_labels = held_out or (real, real_labels)
    num_classes = 1 + int(torch.cat([fake_labels, real_labels, test_labels]).max())
    settings = Settings(seed=seed, steps=steps)
    return Cas(
        score=accuracy(fake, fake_labels, test, test_labels, num_classes, settings),
        inverse=accuracy(real, real_labels, fake, fake_labels, num_classes, settings),
    )


def accuracy(x: Tensor, y: Tensor, test_x: Tensor, test_y: Tensor, num_classes: int, settings: Settings) -> float:
    """The share of test images that a classifier trained on x, y labels rightly."""
    if x.ndim == 2:
        return _linear_accuracy(x, y, test_x, test_y, num_classes)
    net = train_classifier(x, y, num_classes, settings)
    with torch.inference_mode():
        found = torch.cat([net(scale(part))[1].argmax(1) for part in test_x.split(512)])
    return float((found == test_y).double().mean())


def _linear_accuracy(x: Tensor, y: Tensor, test_x: Tensor, test_y: Tensor, num_classes: int) -> float:
    """Logistic regression on standardised features with a little decay, by L-BFGS in float64: no seed is needed."""
    x, test_x = x.double(), test_x.double()
    mean, std = x.mean(0), x.std(0).clamp(min=1e-8)
    x, test_x = (x - mean) / std, (test_x - mean) / std
    weight = x.new_zeros(num_classes, x.shape[1], requires_grad=True)
    bias = x.new_zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ weight.T + bias, y) + 1e-3 * weight.square().sum()
        loss.backward()
        return float(loss.detach())

    with torch.enable_grad():
        optimizer.step(closure)
    with torch.no_grad():
        return float(((test_x @ weight.T + bias).argmax(1) == test_y).double().mean())
