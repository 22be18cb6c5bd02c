"""U-Net GAN as a paper: its objective, number by number, in every mode; coin, warm-up and classes; its presets."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganvas import losses, rng, rows
from ganvas.config import configure
from ganvas.engine.step import iterate
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Drawn, Given
from ganvas.papers.unetgan import Config, Mixed, UNetGAN
from ganvas.presets import fitting, preset
from ganvas.recipes import Recipe, as_meant
from tests import tiny
from tests.test_unet_losses import SLOPES, VALUES, boxes, heads

DOUBLE = torch.float64
REAL = Batch(torch.ones(2, 1, 8, 8, dtype=DOUBLE))


class Said(nn.Module):
    """A D that says the fixture's logits of fake, real and mixed images, in this order, times `scale`."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=DOUBLE))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, y: Tensor | None) -> losses.Heads:
        self.seen.append(x)
        parts = [heads(start, scores, self.scale) for start, scores in ((1000, 4000), (0, 3000), (2000, 5000))]
        pixels, score = (torch.cat([part[i] for part in parts[: len(x) // 2]]) for i in (0, 1))
        return pixels, score


class Black(nn.Module):
    """A G whose images are -1."""

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        return -torch.ones(len(z), 1, 8, 8, dtype=DOUBLE)


def told(epoch: int = 0, **values: Any) -> UNetGAN:
    """The paper whose D says the fixture's logits."""
    gan = UNetGAN(configure(Config, {"resolution": 8, "channels": 1, "G_ch": 1, "D_ch": 1, **values}, given=()))
    gan.G, gan.D, gan.images_seen, gan.dataset_size = Black(), Said(), 7 * epoch + 3, 7
    return gan


MIXED, USUAL = Mixed(torch.zeros(2, 3), None, mask=boxes()), Mixed(torch.zeros(2, 3), None)
# (configuration, epoch, what was drawn) -> the name of the fixture's number
CASES: list[tuple[str, dict[str, Any], int, Mixed]] = [
    ("normal D", {"cutmix": "none"}, 0, USUAL),
    ("normal D", {"cutmix": "batch"}, 500, USUAL),
    ("mixed", {"cutmix": "batch"}, 1, MIXED),
    ("augmentation", {"cutmix": "batch", "consistency": 0.0}, 1, MIXED),
    ("consistency", {"cutmix": "batch", "augmentation": False}, 1, MIXED),
    ("summed consistency", {"cutmix": "batch", "augmentation": False, "pixels": "sum"}, 1, MIXED),
    ("additive", {"cutmix": "always", "warmup_epochs": 0}, 0, MIXED),
    ("additive", {"cutmix": "always"}, 100, MIXED),
    ("additive at a quarter", {"cutmix": "always"}, 25, MIXED),
]


@pytest.mark.parametrize(("name", "values", "epoch", "drawn"), CASES)
def test_D_minimises_what_the_authors_minimise(name: str, values: dict[str, Any], epoch: int, drawn: Mixed) -> None:
    gan = told(epoch, **values)
    loss = gan.D_loss(REAL, drawn)
    if name in VALUES:
        assert loss.total.item() == pytest.approx(VALUES[name], rel=0, abs=1e-9)
    if name in SLOPES:
        (slope,) = torch.autograd.grad(loss.total, gan.D.scale)
        assert slope.item() == pytest.approx(SLOPES[name], rel=0, abs=1e-9)
    terms = [loss.logs[key] for key in ("D/usual", "D/mixed_map", "D/mixed_score", "D/consistency") if key in loss.logs]
    assert sum(t.item() for t in terms) == pytest.approx(loss.total.item())


def test_G_minimises_what_the_authors_minimise() -> None:
    gan = told()
    total = gan.G_loss(REAL, Drawn(torch.zeros(2, 3), None)).total
    (slope,) = torch.autograd.grad(total, gan.D.scale)
    assert total.item() == pytest.approx(VALUES["G"], rel=0, abs=1e-9)
    assert slope.item() == pytest.approx(SLOPES["G"], rel=0, abs=1e-9)


def test_the_papers_text_sums_heads_and_pixels() -> None:
    drawn = Mixed(torch.zeros(2, 3), None)
    real, fake = heads(0, 3000), heads(1000, 4000)
    of_map, of_score = (losses.logistic_D(real[i], fake[i]).item() for i in (0, 1))
    assert told(pixels="sum").D_loss(REAL, drawn).total.item() == pytest.approx(64 * of_map + of_score)
    of_map, of_score = (losses.logistic_G(fake[i]).item() for i in (0, 1))
    assert told(pixels="sum").G_loss(REAL, drawn).total.item() == pytest.approx(64 * of_map + of_score)


@pytest.mark.parametrize("drawn", [USUAL, MIXED])
def test_D_sees_everything_at_once_and_no_more_than_it_needs(drawn: Mixed) -> None:
    gan = told(500)
    gan.D_loss(REAL, drawn)
    (seen,) = gan.D.seen
    fake, real, *mixed = seen.chunk(len(seen) // 2)
    assert (fake == -1).all()
    assert (real == 1).all()
    assert [torch.equal(x, 2 * boxes() - 1) for x in mixed] == ([] if drawn is USUAL else [True])


def mixes(gan: UNetGAN, real: Batch, times: int = 600) -> float:
    """The share of batches that are mixed."""
    drawn = [gan.draw_for_D(real, rng.generator("coin", i)) for i in range(times)]
    return sum(d.mask is not None for d in drawn) / times


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.0), (50, 0.25), (100, 0.5), (200, 0.5)])
def test_the_rate_rises_and_stays(epoch: int, rate: float) -> None:
    gan = told(epoch)
    assert mixes(gan, REAL) == pytest.approx(rate, abs=0.04)
    assert mixes(told(epoch, cutmix="always"), REAL, 20) == 1  # its weight warms up instead
    assert mixes(told(epoch, cutmix="none"), REAL, 20) == 0
    assert mixes(told(epoch, discriminator="plain"), REAL, 20) == 0
    gan.images_seen += 2  # a staircase: nothing moves within an epoch
    assert gan.warmth == min(1, epoch / 100)


def test_without_warm_up_the_rate_is_there_at_once() -> None:
    assert mixes(told(warmup_epochs=0, cutmix_rate=0.8), REAL) == pytest.approx(0.8, abs=0.04)


def test_one_coin_for_the_batch_however_it_is_cut() -> None:
    gan = tiny.build("unetgan", batch=8, accumulate=4, cutmix_rate=0.5)
    state, sizes = new_state(gan, torch.device("cpu")), []
    gan.D.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    for gan.iteration in range(6):
        draws = partial(rng.generator, "step", gan.iteration)
        iterate(gan, lambda k: tiny.batch(gan, 8), state.optimisers, draws)
    steps = [sizes[i : i + 4] for i in range(0, len(sizes), 8)]  # of D; four parts of G's step follow each
    assert len(steps) == 6
    assert Counter(map(tuple, steps)).keys() == {(4,) * 4, (6,) * 4}
    masks = [part.mask for part in rows.split(Mixed(torch.zeros(2, 3), None, mask=boxes()), 2)]
    assert torch.equal(torch.cat(masks), boxes())


def test_a_mix_has_one_class() -> None:
    gan = tiny.build("unetgan")
    real = tiny.batch(gan, 12)
    drawn = gan.draw_for_D(real, rng.generator("classes"))
    assert torch.equal(drawn.y, real.given.y)
    assert drawn.mask.shape == (12, 1, 8, 8)
    assert set(drawn.mask.unique().tolist()) == {0.0, 1.0}
    seen: list[Tensor] = []
    gan.D.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    gan.G.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    gan.D_loss(real, drawn)
    assert torch.equal(seen[0], real.given.y)
    assert torch.equal(seen[1], real.given.y.repeat(3))
    free = tiny.build("unetgan", cutmix="none").draw_for_D(real, rng.generator("classes"))
    assert not torch.equal(free.y, real.given.y)
    assert set(free.y.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("name", ["unetgan", "unetgan-always", "unetgan-none", "unetgan-selfmod"])
def test_both_branches_learn_and_both_teach(name: str) -> None:
    gan = tiny.build(name)
    gan.images_seen = 100
    real = tiny.batch(gan)
    gan.D_loss(real, gan.draw_for_D(real, rng.generator("D"))).total.backward()
    for part in (gan.D.score_linear.weight, gan.D.map_conv.weight, gan.D.encoder[0][0].conv1.weight):
        assert part.grad is not None
        assert part.grad.abs().sum() > 0
    assert all(p.grad is None for p in gan.G.parameters())
    drawn = gan.draw(real, rng.generator("G"))
    (pixels, score), weight = gan.heads([gan.G(drawn.z, drawn.y)], [drawn.y])[0], gan.G.linear.weight
    for head in (pixels, score):
        assert torch.autograd.grad(head.sum(), weight, retain_graph=True)[0].abs().sum() > 0


def test_the_baseline_is_bigGANs_D_with_the_same_logistic_loss() -> None:
    gan = tiny.build("unetgan-plain").eval()
    real = tiny.batch(gan)
    drawn = gan.draw_for_D(real, rng.generator("D"))
    with torch.no_grad():
        fake = gan.G(drawn.z, drawn.y)
        scores = gan.D(torch.cat([fake, real.x]), torch.cat([drawn.y, real.given.y]))
    expected = losses.logistic_D(scores[4:], scores[:4])
    torch.testing.assert_close(gan.D_loss(real, drawn).total, expected)
    torch.testing.assert_close(gan.G_loss(real, drawn).total, losses.logistic_G(scores[:4]))
    assert gan.pixel_scores(real.x, real.given) is None
    assert gan.scores(real).shape == (4,)


def test_scores_of_images_and_of_pixels() -> None:
    gan = tiny.build("unetgan").eval()
    real = tiny.batch(gan)
    pixels, score = gan.D(real.x, real.given.y)
    assert torch.equal(gan.scores(real), score.flatten())
    assert torch.equal(gan.pixel_scores(real.x, real.given), pixels)
    assert pixels.shape == (4, 1, 8, 8)
    other = gan.pixel_scores(real.x, Given(y=(real.given.y + 1) % 3))
    assert not torch.allclose(other, pixels)


def test_uniform_latents() -> None:
    """For training and for sampling: what G is given is uniform in [-1, 1]."""
    gan = tiny.build("unetgan-selfmod", dim_z=64)
    seen: list[Tensor] = []
    gan.G.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    real = tiny.batch(gan, 16)
    gan.G_loss(real, gan.draw(real, rng.generator("G")))
    gan.sample(16)
    for z in seen:
        quarters = torch.histc(z, 4, -1, 1) / z.numel()
        assert quarters.tolist() == pytest.approx([0.25] * 4, abs=0.04)
        assert quarters.sum().item() == pytest.approx(1)
    gan.config = tiny.build("unetgan-selfmod", dim_z=64, prior="normal").config
    gan.sample(16)
    assert seen[-1].abs().max() > 1


def test_settings_that_teach_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="teaches nothing"):
        configure(Config, {"augmentation": False, "consistency": 0.0})
    configure(Config, {"discriminator": "plain"})
    for key, value in {"cutmix": "always", "consistency": 2.0, "pixels": "sum", "warmup_epochs": 3}.items():
        with pytest.raises(InputError, match="counts only with discriminator=unet"):
            configure(Config, {"discriminator": "plain", key: value})
    with pytest.raises(InputError, match="counts only with cutmix=batch"):
        configure(Config, {"cutmix": "always", "cutmix_rate": 0.3})
    with pytest.raises(InputError, match="expected a probability"):
        configure(Config, {"cutmix_rate": 1.5})


# preset -> learned numbers of G and of D, the authors' but for the 65 of a layer that they never call
COUNTS = {
    "unetgan-ffhq256": (39_043_203, 44_067_651 - 65),
    "unetgan-ffhq256-paper": (39_460_131, 44_067_651 - 65),
    "unetgan-celeba128": (33_732_739, 31_481_667 - 65),
    "unetgan-celeba128-paper": (34_112_179, 31_481_667 - 65),
    "unetgan-cocoanimals128": (32_239_491, 31_492_547 - 65),
}
_SCRIPTS = {"beta1": 0.0, "beta2": 0.999, "ema": 0.9999, "D_steps": 1, "flip": True, "pixels": "mean", "dim_z": 128}
_SCRIPTS |= {"prior": "normal", "G_attention": (), "D_attention": (), "augmentation": True, "consistency": 1.0}
_PAPER = {"prior": "uniform", "dim_z": 140, "G_lr": 1e-4, "D_lr": 5e-4, "pixels": "sum", "cutmix": "batch"}
SAID: dict[str, dict[str, Any]] = {
    "unetgan-ffhq256": _SCRIPTS | {
        "resolution": 256, "batch": 20, "G_lr": 1e-4, "D_lr": 5e-4, "eps": 1e-6, "sn_eps": 1e-6, "ema_start": 21_000,
        "cutmix": "batch", "cutmix_rate": 0.5, "warmup_epochs": 100, "conditional": False, "images": 82 * 70_000,
    },
    "unetgan-celeba128": _SCRIPTS | {
        "resolution": 128, "batch": 50, "G_lr": 5e-5, "D_lr": 2e-4, "eps": 1e-6, "sn_eps": 1e-6, "ema_start": 21_000,
        "cutmix": "always", "warmup_epochs": 0, "conditional": False,
    },
    "unetgan-cocoanimals128": _SCRIPTS | {
        "resolution": 128, "batch": 80, "G_lr": 5e-5, "D_lr": 2e-4, "eps": 1e-8, "sn_eps": 1e-8, "ema_start": 0,
        "cutmix": "batch", "cutmix_rate": 0.5, "warmup_epochs": 200, "conditional": True,
    },
    "unetgan-ffhq256-paper": _PAPER | {"resolution": 256, "batch": 20, "warmup_epochs": 20},
    "unetgan-celeba128-paper": _PAPER | {"resolution": 128, "batch": 50, "warmup_epochs": 20},
    "unetgan-cocoanimals128-paper": _PAPER | {"resolution": 128, "batch": 80, "warmup_epochs": 200},
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name: str) -> None:
    counts = Recipe("unetgan", name, as_meant(preset(name))).on_meta().parameter_counts()
    assert (counts["G"], counts["D"]) == COUNTS[name]


@pytest.mark.parametrize("name", SAID)
def test_hyperparameters(name: str) -> None:
    row = preset(name)
    config = as_meant(row)
    assert {key: getattr(config, key) for key in SAID[name]} == SAID[name]
    assert row.source
    assert "FID" in row.published
    assert config.num_classes == (10 if "coco" in name else 0)


def test_the_bare_name_fits_the_data() -> None:
    found = [fitting("unetgan", size, False) for size in (8, 32, 128, 256, 512)]
    assert found == ["unetgan-digits", "unetgan-cifar10", "unetgan-celeba128", "unetgan-ffhq256", "unetgan-ffhq256"]


def test_every_gan_may_be_asked_for_pixel_scores() -> None:
    gan: GAN = tiny.build("sagan")
    assert gan.pixel_scores(tiny.batch(gan).x, Given()) is None
