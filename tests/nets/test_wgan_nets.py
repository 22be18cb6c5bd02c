"""The networks of WGAN and WGAN-GP: parameter counts to the digit, shapes, and what does not fit."""

from __future__ import annotations

import pytest
import torch

from ganvas.errors import InputError
from ganvas.nets import dcgan, mlp, resnet

COUNTS = [
    (lambda: dcgan.G4(64, 3), 3_576_704),
    (lambda: dcgan.D4(64, 3), 2_765_568),
    (lambda: dcgan.G4(64, 3, batch_norm=False), 3_574_784),
    (lambda: dcgan.G4(32, 3), 1_068_928),
    (lambda: dcgan.D4(32, 3), 663_296),
    (lambda: dcgan.G4(128, 3), 12_786_560),
    (lambda: dcgan.D4(128, 3), 11_164_416),
    (lambda: mlp.ImageG(64, 3), 6_880_768),
    (lambda: mlp.ImageD(64, 3), 6_817_793),
    (lambda: resnet.G32(32, 3), 1_204_483),
    (lambda: resnet.D32(32, 3), 1_053_825),
    (lambda: resnet.G32(32, 3, num_classes=10), 1_218_307),
    (lambda: resnet.D32(32, 3, num_classes=10), 1_055_115),
    (lambda: resnet.G64(64, 3), 8_540_483),
    (lambda: resnet.D64(64, 3), 7_491_841),
    (lambda: dcgan.G5(32, 3), 5_179_907),
    (lambda: dcgan.D5(32, 3), 4_114_689),
    (lambda: dcgan.G5(32, 3, width=64), 1_565_955),
    (lambda: dcgan.D5(32, 3, width=64), 1_033_345),
    (lambda: dcgan.G5(28, 1, width=64, batch_norm=False), 1_554_177),
    (lambda: dcgan.D5(28, 1, width=64), 1_030_145),
    (lambda: mlp.ToyG(), 527_874),
    (lambda: mlp.ToyD(), 527_361),
]


@pytest.mark.parametrize(("build", "count"), COUNTS)
def test_parameter_counts(build, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build().parameters()) == count


@pytest.mark.parametrize(
    ("networks", "dim_z", "side"),
    [
        (lambda: (dcgan.G4(16, 3, width=4), dcgan.D4(16, 3, width=4)), 100, 16),
        (lambda: (dcgan.G4(16, 1, width=4, extra_layers=2), dcgan.D4(16, 1, width=4, extra_layers=2)), 100, 16),
        (lambda: (dcgan.G5(28, 1, width=4), dcgan.D5(28, 1, width=4)), 128, 28),
        (lambda: (dcgan.G5(32, 3, width=4), dcgan.D5(32, 3, width=4, batch_norm=True)), 128, 32),
        (lambda: (resnet.G32(8, 1, width=4), resnet.D32(8, 1, width=4)), 128, 8),
        (lambda: (resnet.G32(32, 3, width=4), resnet.D32(32, 3, width=4)), 128, 32),
        (lambda: (resnet.G64(16, 3, width=4), resnet.D64(16, 3, width=4)), 128, 16),
        (lambda: (mlp.ImageG(12, 2, width=4), mlp.ImageD(12, 2, width=4)), 100, 12),
    ],
)
def test_shapes(networks, dim_z: int, side: int) -> None:
    G, D = networks()
    x = G(torch.randn(3, dim_z))
    assert x.shape[2:] == (side, side)
    assert D(x).shape == (3,)


@pytest.mark.parametrize(
    ("kinds", "resolutions"),
    [
        ((dcgan.G4, dcgan.D4, resnet.G32, resnet.D32, resnet.G64, resnet.D64), (4, 12, 20, 48)),
        ((dcgan.G5, dcgan.D5), (8, 27, 64)),
    ],
)
def test_a_resolution_that_does_not_fit_is_one_line(kinds, resolutions) -> None:
    for kind in kinds:
        for resolution in resolutions:
            with pytest.raises(InputError, match=f"resolution {resolution} does not fit"):
                kind(resolution, 3)
