"""U-Net GAN's numbers by formula, and what the authors' networks computed from them (ch 8, evaluation mode).

Every weight is 0.2 r(its size), images are 2 r, noise is 2 r; r is a hash of the index alone, so no file is needed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

M = 2**31


def r(n: int, start: int = 0) -> Tensor:
    """Uniform-looking numbers in [-1/2, 1/2) by index.  -> float64 [n]"""
    i = torch.arange(start, start + n)
    return (((i * i % M) * 1103515245 + i * 1664525 + 1013904223) % M).double() / M - 0.5


def value(key: str, shape: torch.Size) -> Tensor:
    """The weight of that name: around 1 for what multiplies, exactly 1 for the stored singular value."""
    if key.endswith("sv0"):
        return torch.ones(shape)
    centre = 1.0 if key.endswith("stored_var") or key == "output_layer.0.gain" else 0.0
    return (centre + 0.2 * r(shape.numel()).reshape(shape)).float()


def filled(network: nn.Module) -> nn.Module:
    network.load_state_dict({key: value(key, old.shape) for key, old in network.state_dict().items()})
    return network.eval()


def images(resolution: int) -> Tensor:
    return (2 * r(2 * 3 * resolution**2)).float().view(2, 3, resolution, resolution)


def noise() -> Tensor:
    return (2 * r(256)).float().view(2, 128)


CLASSES = torch.tensor([3, 7])
# (pixels, classes): map's mean, std, [0, 0, 5, 7], [1, 0, 100, 64]; the two scores; weights, the 9 never called off.
D_CASES = {
    (128, 0): ((0.090766, 0.020321, 0.102431, 0.082757), (13.6806, 13.68501), 493_227 - 9),
    (128, 10): ((0.168143, 0.113190, 0.215313, 0.067192), (13.23307, 16.21), 494_587 - 9),
    (256, 0): ((0.100118, 0.020350, 0.094877, 0.092554), (16.18048, 16.18328), 690_219 - 9),
    (256, 10): ((0.198720, 0.118165, 0.226790, 0.185832), (15.99434, 19.99968), 691_579 - 9),
}
# (pixels, classes): the image's mean, std, [0, 1, 5, 7], [1, 2, 100, 64]; weights.
G_CASES = {
    (128, 0): ((0.276164, 0.402034, 0.425817, 0.081169), 1_222_163),
    (128, 10): ((0.070182, 0.132106, 0.099948, -0.101225), 746_547),
    (256, 0): ((0.282244, 0.543650, 0.513650, 0.044268), 1_398_995),
    (256, 10): ((0.092054, 0.147666, 0.125259, -0.148842), 827_123),
}


def map_numbers(scores: Tensor) -> tuple[float, ...]:
    picked = (scores.mean(), scores.std(), scores[0, 0, 5, 7], scores[1, 0, 100, 64])
    return tuple(float(v) for v in picked)


def image_numbers(image: Tensor) -> tuple[float, ...]:
    picked = (image.mean(), image.std(), image[0, 1, 5, 7], image[1, 2, 100, 64])
    return tuple(float(v) for v in picked)
