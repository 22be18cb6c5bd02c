"""A small classifier trained on the data set at hand: features where no foreign network fits or can be had.

With labels it learns the classes. Without, it learns by how many quarter turns an image was rotated (Gidaris et al.
2018, "Unsupervised Representation Learning by Predicting Image Rotations", arXiv 1803.07728), and gives no logits,
because an Inception Score over rotations would mean nothing. Scores made with it compare models of one data set only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.features.extractor import Extractor, Features, expect_uint8, hash_state
from ganvas.features.files import fingerprint, key_of, load_tensors, save_tensors

EPOCHS, LEAST_STEPS = 30, 100  # over a small set; fewer steps than these teach nothing

Progress = Callable[[int, int], None]  # (optimiser steps done, of how many)


@dataclass(frozen=True)
class Settings:
    """How the classifier is built and trained; part of the cache's key."""

    width: int = 32  # channels of the first block; each further one doubles them, up to four times
    dim: int = 128  # F, the layer below the logits
    batch: int = 128  # images per step
    steps: int = 400  # optimiser steps; 51k images: Fashion-MNIST in under 40 s of one core, 89.5 % right
    lr: float = 3e-3  # AdamW, cosine to 0
    weight_decay: float = 1e-2  # AdamW
    seed: int = 0
    version: int = 1  # raised when the code below changes what it learns


class Classifier(nn.Module):
    """Strided 3x3 convolutions down to 4x4 or less, a hidden layer (the features), one linear layer (the logits)."""

    def __init__(self, channels: int, side: int, num_classes: int, settings: Settings) -> None:
        super().__init__()
        width, given = settings.width, channels
        blocks: list[nn.Module] = []
        while side > 4 or not blocks:
            blocks += [nn.Conv2d(given, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            blocks += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            given, width, side = width, min(width * 2, settings.width * 4), (side + 1) // 2
        self.body = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(min(side, 2)), nn.Flatten())
        self.hidden = nn.Linear(given * min(side, 2) ** 2, settings.dim)
        self.out = nn.Linear(settings.dim, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """float [N, C, H, W] in [-1, 1] -> features [N, F] (before the last ReLU: a smooth cloud), logits [N, K]"""
        features = self.hidden(self.body(x))
        return features, self.out(F.relu(features))


def scale(images: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]"""
    return images.to(torch.float32) / 127.5 - 1


def fitted(settings: Settings, count: int) -> Settings:
    """The settings with fewer steps for a small set: what is seen 30 times over has nothing more to teach."""
    return replace(settings, steps=min(settings.steps, max(LEAST_STEPS, -(-EPOCHS * count // settings.batch))))


def train_classifier(
    images: Tensor, labels: Tensor, num_classes: int, settings: Settings, progress: Progress | None = None
) -> Classifier:
    """A `Classifier` trained on uint8 images [M, C, H, W] and labels [M]; the same seed gives the same weights."""
    generator = torch.Generator().manual_seed(settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = Classifier(images.shape[1], max(images.shape[2:]), num_classes, settings).to(images.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    order = torch.empty(0, dtype=torch.long)
    with torch.enable_grad():
        for step in range(settings.steps):
            while len(order) < settings.batch:  # epoch after epoch, each in its own order
                order = torch.cat([order, torch.randperm(len(images), generator=generator)])
            rows, order = order[: settings.batch].to(images.device), order[settings.batch :]
            loss = F.cross_entropy(net(scale(images[rows]))[1], labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            if progress is not None:
                progress(step + 1, settings.steps)
    return net.eval().requires_grad_(False)


def rotations(images: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Each image once, turned by 0, 90, 180 or 270 degrees, and by how many quarters.  Cut to a centred square first"""
    side = min(images.shape[2:])
    top, left = ((length - side) // 2 for length in images.shape[2:])
    square = images[..., top : top + side, left : left + side].clone()
    turns = torch.randint(4, (len(square),), generator=torch.Generator().manual_seed(seed)).to(images.device)
    for quarter in range(1, 4):
        square[turns == quarter] = square[turns == quarter].rot90(quarter, (2, 3))
    return square, turns


class Own(Extractor):
    """The data set's own classifier as an `Extractor`; it sees images as they are."""

    def __init__(self, net: Classifier, channels: int, supervised: bool, settings: Settings) -> None:
        super().__init__()
        self.name = "own" if supervised else "own-rotation"
        self.weights_hash, self.dim = hash_state(net.state_dict()), settings.dim
        self.resize, self.size, self.channels, self.supervised = "none", 0, channels, supervised
        self.net = net

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Features:
        features, logits = self.net(scale(expect_uint8(images, self.channels)))
        return Features(features.clone(), logits.clone() if self.supervised else None)


def own(
    data: tuple[Any, Any],
    cache: Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Own:
    """The extractor of a data set (images uint8 [M, C, H, W], labels [M] or None), from `cache` if it is there."""
    images, labels = _checked(*data)
    settings = settings or fitted(Settings(), len(images))
    num_classes = 4 if labels is None else int(labels.max()) + 1
    record = {"data": fingerprint(images, labels), "shape": list(images.shape[1:]), "classes": num_classes}
    record |= {"supervised": labels is not None, "settings": asdict(settings)}
    path = None if cache is None else cache / f"own-{key_of(record)[:16]}.safetensors"
    stored = None if path is None else load_tensors(path)
    if stored is not None:
        net = Classifier(images.shape[1], max(images.shape[2:]), num_classes, settings)
        net.load_state_dict(stored[0])
        net.eval().requires_grad_(False)
    else:
        seen, turns = rotations(images, settings.seed) if labels is None else (images, labels)
        net = train_classifier(seen, turns, num_classes, settings, progress)
        if path is not None:
            save_tensors(path, net.state_dict(), record)
    return Own(net, images.shape[1], labels is not None, settings)


def checked_images(images: Any) -> Tensor:
    """A tensor of the type that training expects; raises InputError."""
    images = torch.as_tensor(images)
    if images.dtype != torch.uint8 or images.ndim != 4 or min(images.shape[2:]) < 4:
        given = f"{images.dtype} {list(images.shape)}"
        raise InputError(f"own features: the data is {given}, expected uint8 [M, C, H, W] of 4 pixels a side or more")
    return images


def _checked(images: Any, labels: Any) -> tuple[Tensor, Tensor | None]:
    """Tensors of the types that training expects; raises InputError."""
    images = checked_images(images)
    if labels is None:
        return images, None
    labels = torch.as_tensor(labels).to(torch.int64)
    if labels.shape != images.shape[:1] or int(labels.min()) < 0:
        raise InputError(f"own features: labels {list(labels.shape)} given, expected {len(images)} class indices >= 0")
    if int(labels.max()) == 0:
        return images, None  # one class teaches nothing
    return images, labels
