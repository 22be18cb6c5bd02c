"""A feature network small enough to be followed by hand."""

import pytest
import torch

from ganvas.features import Extractor, Features


class Pixels(Extractor):
    """Features: the pixels; logits: the pixels over 50.  `calls` counts the images it has seen."""

    def __init__(self, name: str = "pixels", dim: int = 12) -> None:
        super().__init__()
        self.name, self.weights_hash, self.dim, self.resize, self.size = name, "0" * 64, dim, "none", 0
        self.calls = 0

    def forward(self, images: torch.Tensor) -> Features:
        self.calls += len(images)
        flat = images.flatten(1).float()
        return Features(flat, flat / 50)


@pytest.fixture
def pixels() -> Pixels:
    return Pixels()
