"""U-Net GAN's losses: the numbers and slopes that the authors' training function gave from the same logits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ganvas.losses import (
    Heads,
    cutmix_augmentation,
    cutmix_consistency,
    logistic_D,
    logistic_G,
    unet_D,
    unet_G,
)
from ganvas.ops.cutmix import mix
from tests.unet_recipe import r


def heads(start: int, scores: int, scale: Tensor | float = 1.0) -> Heads:
    return scale * 4 * r(128, start).view(2, 1, 8, 8), scale * 4 * r(2, scores).view(2, 1)


def boxes() -> Tensor:
    """Image 0: fake in rows 2 to 5, columns 1 to 6. Image 1: real in rows 0 to 2, columns 5 to 7, and nowhere else."""
    mask = torch.ones(2, 1, 8, 8, dtype=torch.float64)
    mask[0, :, 2:6, 1:7] = 0
    mask[1] = 0
    mask[1, :, 0:3, 5:8] = 1
    return mask


def terms(scale: Tensor | float = 1.0) -> dict[str, Tensor]:
    real, fake, mixed = (heads(start, scores, scale) for start, scores in ((0, 3000), (1000, 4000), (2000, 5000)))
    normal = unet_D(real, fake)
    mixed_map, mixed_score = cutmix_augmentation(mixed, boxes())
    augmentation = mixed_map + mixed_score
    consistency = cutmix_consistency(mixed[0], real[0], fake[0], boxes())
    return {
        "normal D": normal,
        "augmentation": augmentation,
        "mixed map": mixed_map,
        "mixed score": mixed_score,
        "consistency": consistency,
        "summed consistency": cutmix_consistency(mixed[0], real[0], fake[0], boxes(), "sum"),
        "mixed": augmentation + consistency,
        "additive": normal + augmentation + consistency,
        "additive at a quarter": normal + mixed_map + (mixed_score + consistency) / 4,
        "G": unet_G(fake),
    }


VALUES = {
    "normal D": 1.5686963670,
    "augmentation": 1.9356771052,
    "consistency": 2.7314438418,
    "summed consistency": 174.8124058722,
    "mixed": 4.6671209469,
    "additive": 6.2358173139,
    "G": 0.8134475666,
}
SLOPES = {  # d/dp at 1 if every logit is multiplied by p
    "normal D": 0.4263203266,
    "augmentation": 0.7328015419,
    "mixed": 6.1956892254,
    "additive": 6.6220095521,
    "additive at a quarter": 2.1826140145,
    "G": 0.2580956974,
}


@pytest.mark.parametrize("name", VALUES)
def test_value(name):
    assert terms()[name].item() == pytest.approx(VALUES[name], rel=0, abs=1e-9)


@pytest.mark.parametrize("name", SLOPES)
def test_slope(name):
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(terms(scale)[name], scale)
    assert slope.item() == pytest.approx(SLOPES[name], rel=0, abs=1e-9)


def test_components():
    """As the authors' function logs them: each player's two heads, and the mixed score four times its share."""
    real, fake = heads(0, 3000), heads(1000, 4000)
    nothing = torch.full((1,), -1e9, dtype=torch.float64)  # a fake that D is sure of costs nothing
    logged = [logistic_D(part, nothing).item() for part in real]
    logged += [logistic_D(-nothing, part).item() for part in fake]
    logged += [logistic_G(part).item() for part in fake]
    assert logged == pytest.approx(
        [0.82276276, 0.53340704, 0.80807389, 0.97314905, 0.89374579, 0.73314934], rel=0, abs=1e-8
    )
    assert terms()["mixed map"].item() == pytest.approx(0.84684817, rel=0, abs=1e-8)
    assert terms()["mixed score"].item() == pytest.approx(1.08882893, rel=0, abs=1e-8)


def test_pixels_may_be_summed():
    mixed, mask = heads(2000, 5000), boxes()
    mean, summed = cutmix_augmentation(mixed, mask), cutmix_augmentation(mixed, mask, "sum")
    assert_close(summed[0], 64 * mean[0])
    assert_close(summed[1], mean[1])


def test_logits_far_out():
    """Overflow of exp, and the score at which the logistic loss is log 2."""
    far = torch.tensor([200.0])
    assert logistic_D(-far, far).item() == 400.0
    assert logistic_G(-far).item() == 200.0
    assert logistic_G(torch.zeros(3)).item() == pytest.approx(math.log(2))


def test_a_map_that_mixes_as_the_images_do_is_consistent():
    real, fake = heads(0, 3000)[0], heads(1000, 4000)[0]
    mask = boxes()
    assert cutmix_consistency(mix(real, fake, mask), real, fake, mask).item() == 0
    assert cutmix_consistency(real, real, real, mask).item() == 0  # identical images, whatever the mask


def test_consistency_teaches_all_three():
    maps = [heads(start, 3000)[0].requires_grad_() for start in (2000, 0, 1000)]
    mask = boxes()
    mixed, real, fake = torch.autograd.grad(cutmix_consistency(*maps, mask), maps)
    assert_close(real, -mixed * mask)
    assert_close(fake, -mixed * (1 - mask))
    assert mixed.abs().min() > 0
