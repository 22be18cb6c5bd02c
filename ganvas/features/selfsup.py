"""Features from the images alone: a small encoder that learns to know an image again after it was cropped and turned.

SimCLR (Chen et al. 2020, arXiv 2002.05709): two views of each image of a batch are drawn; of all views, the other one
of the same image must be the nearest.  No labels, no foreign weights, minutes on a processor.  Features compare images
of this one data set.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas import rng
from ganvas.errors import InputError
from ganvas.features.extractor import Extractor, Features, expect_uint8, hash_state
from ganvas.features.files import fingerprint, key_of, load_tensors, save_tensors
from ganvas.features.own import Progress, checked_images, scale

WARM_UP = 50  # steps


@dataclass(frozen=True)
class Settings:
    """How the encoder is built and trained; part of the cache's key."""

    width: int = 32  # channels of the first block; each further one doubles them
    widest: int = 128
    dim: int = 128  # F
    batch: int = 256  # images per step, each in two views
    steps: int = 800  # optimiser steps
    lr: float = 2e-3  # AdamW, warmed up, cosine to 0
    weight_decay: float = 1e-3  # AdamW
    temperature: float = 0.2  # of the similarities
    least_area: float = 0.4  # of the image that a view shows
    stretch: float = 4 / 3  # largest ratio of the sides of that part
    turn: float = 10.0  # degrees either way
    seed: int = 0
    version: int = 1  # raised when the code below changes what it learns


class Encoder(nn.Module):
    """Strided 3x3 convolutions down to 4x4 or less and two layers above them.

    Features are what the loss compares, not the layer below as for classifiers (SimCLR's section 4.2): cosine
    neighbours are what they are for, and of 50 on the digits 0.91 share the class instead of 0.86.
    """

    def __init__(self, channels: int, side: int, settings: Settings) -> None:
        super().__init__()
        width, given = settings.width, channels
        blocks: list[nn.Module] = []
        while side > 4 or not blocks:
            blocks += [nn.Conv2d(given, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            blocks += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            given, width, side = width, min(width * 2, settings.widest), (side + 1) // 2
        self.body = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(min(side, 2)), nn.Flatten())
        self.hidden = nn.Linear(given * min(side, 2) ** 2, settings.dim)
        self.out = nn.Sequential(nn.BatchNorm1d(settings.dim), nn.ReLU(), nn.Linear(settings.dim, settings.dim))

    def forward(self, x: Tensor) -> Tensor:
        """float [N, C, H, W] in [-1, 1] -> features [N, F]"""
        return self.out(self.hidden(self.body(x)))


def views(x: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Each image once, as a random part of it, turned and with another light.  uint8 [N, C, H, W] -> float in [-1, 1]

    Colour pictures are mirrored by chance and their colours shifted; grey ones are not: mirrored digits are no digits.
    """
    n, channels = len(x), x.shape[1]

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    area = settings.least_area + (1 - settings.least_area) * draw(n)
    stretch = ((draw(n) * 2 - 1) * math.log(settings.stretch)).exp().sqrt()
    w, h = (area.sqrt() * stretch).clamp(max=1), (area.sqrt() / stretch).clamp(max=1)
    dx, dy = (draw(n) * 2 - 1) * (1 - w), (draw(n) * 2 - 1) * (1 - h)
    angle = (draw(n) * 2 - 1) * math.radians(settings.turn)
    mirror = torch.where(draw(n) < 0.5, -1.0, 1.0) if channels == 3 else torch.ones(n)
    c, s = angle.cos(), angle.sin()
    theta = torch.stack([torch.stack([w * c * mirror, -h * s, dx], 1), torch.stack([w * s * mirror, h * c, dy], 1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    seen = F.grid_sample(scale(x), grid, padding_mode="border", align_corners=False)
    gain, shift = 0.6 + 0.8 * draw(n, 1, 1, 1), 0.4 * draw(n, 1, 1, 1) - 0.2
    if channels == 3:
        gain = gain * (0.8 + 0.4 * draw(n, 3, 1, 1))
        grey = (draw(n, 1, 1, 1) < 0.2).float()
        seen = seen * (1 - grey) + seen.mean(1, keepdim=True) * grey
    return ((seen + 1) * gain - 1 + shift).clamp(-1, 1)


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Cross entropy of finding each view's partner among all others (Eq. 1).  [N, F] each -> scalar"""
    n = len(a)
    z = F.normalize(torch.cat([a, b]), dim=1)
    similar = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    return F.cross_entropy(similar, torch.arange(2 * n).roll(n))


def train_encoder(images: Tensor, settings: Settings, progress: Progress | None = None) -> Encoder:
    """An `Encoder` trained on uint8 images [M, C, H, W]; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = Encoder(images.shape[1], max(images.shape[2:]), settings)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    generator = rng.generator("views", settings.seed)
    batch = min(settings.batch, len(images))
    order = torch.empty(0, dtype=torch.long)
    with torch.enable_grad():
        for step in range(settings.steps):
            while len(order) < batch:  # epoch after epoch, each in its own order
                order = torch.cat([order, torch.randperm(len(images), generator=generator)])
            rows, order = order[:batch], order[batch:]
            optimizer.param_groups[0]["lr"] = rate(step, settings)
            both = torch.cat([views(images[rows], settings, generator) for _ in range(2)])
            a, b = net(both).chunk(2)
            loss = nt_xent(a, b, settings.temperature)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if progress is not None:
                progress(step + 1, settings.steps)
    return net.eval().requires_grad_(False)


def rate(step: int, settings: Settings) -> float:
    """The learning rate: a straight line up over `WARM_UP` steps, a cosine down to 0."""
    return settings.lr * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


class OwnSelfsup(Extractor):
    """The data set's own encoder as an `Extractor`; it sees images as they are."""

    def __init__(self, net: Encoder, channels: int, settings: Settings) -> None:
        super().__init__()
        self.name, self.weights_hash, self.dim = "own-selfsup", hash_state(net.state_dict()), settings.dim
        self.resize, self.size, self.channels = "none", 0, channels
        self.net = net

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Features:
        return Features(self.net(scale(expect_uint8(images, self.channels))).clone(), None)


def own_selfsup(
    images: Any, cache: Path | None = None, settings: Settings | None = None, progress: Progress | None = None
) -> OwnSelfsup:
    """The extractor of uint8 images [M, C, H, W], from `cache` if it is there.  Raises InputError."""
    settings = settings or Settings()
    images = checked_images(images)
    if len(images) < 2:
        raise InputError(f"features own-selfsup learn from images that differ; {len(images)} given, expected 2 or more")
    shape = list(images.shape[1:])
    record = {"kind": "selfsup", "data": fingerprint(images), "shape": shape, "settings": asdict(settings)}
    path = None if cache is None else cache / f"own-selfsup-{key_of(record)[:16]}.safetensors"
    stored = None if path is None else load_tensors(path)
    if stored is None:
        net = train_encoder(images, settings, progress)
        if path is not None:
            save_tensors(path, net.state_dict(), record)
    else:
        net = Encoder(shape[0], max(shape[1:]), settings)
        net.load_state_dict(stored[0])
        net.eval().requires_grad_(False)
    return OwnSelfsup(net, shape[0], settings)
