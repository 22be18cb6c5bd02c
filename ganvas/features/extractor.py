"""What a feature network is to the metrics: `Extractor`, uint8 images in, `Features` out.

Nothing here knows which network it is; `inception.py`, `timm.py` and `own.py` fill it in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.team import Team


class Features(NamedTuple):
    """What a network says of N images.  features [N, F] float32; logits [N, K] float32 or None."""

    features: Tensor
    logits: Tensor | None


class Extractor(nn.Module):
    """A frozen network that looks at images.  Deterministic, in eval mode, without gradients."""

    name: str  # "inception", "own", "timm-resnet50": the suffix of every score made with it
    weights_hash: str  # SHA-256 of the weights, in hex
    dim: int  # F
    resize: str  # a key of `resize.RESIZES`, which knows filter and antialiasing
    size: int  # pixels per side after the resize; 0: as the images are

    def forward(self, images: Tensor) -> Features:
        """uint8 [N, C, H, W] -> features [N, F], logits [N, K] or None"""
        raise NotImplementedError


def expect_uint8(images: Tensor, channels: int) -> Tensor:
    """The images, grey ones repeated to three channels where the network sees RGB; raises InputError otherwise."""
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise InputError(
            f"the feature network was given {images.dtype} {list(images.shape)}, expected uint8 [N, C, H, W]; "
            "convert with ganvas.ops.pixels.to_uint8"
        )
    given = images.shape[1]
    if given == channels:
        return images
    if given == 1 and channels == 3:
        return images.expand(-1, 3, -1, -1)
    raise InputError(f"the feature network was given {given} channels, expected {channels}; use another --features")


def alike(make: Callable[[], Extractor], team: Team) -> Extractor:
    """The network in every process, with the weights of the first: what is trained elsewhere may differ by rounding."""
    network = team.in_turn(make)
    if team.size > 1:
        own = network.state_dict()
        network.load_state_dict(team.sent(lambda: {key: value.cpu().contiguous() for key, value in own.items()}))
        network.weights_hash = team.told(lambda: network.weights_hash)
    return network


def hash_state(state: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values of a state dict, whatever file it came from."""
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
