"""Every paper at a size that trains in a second: the tests' own presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganvas.config import configure
from ganvas.data import Dataset, Images, Instances, Pairs, PairSet
from ganvas.data.packed import pack
from ganvas.data.store import Store
from ganvas.gan import GAN, Batch, Given
from ganvas.papers import PAPERS

_WGAN = {
    "resolution": 8,
    "channels": 1,
    "dim_z": 4,
    "G_width": 4,
    "D_width": 4,
    "batch": 4,
    "images": 48,
    "n_critic": 2,
}

_BIG = {"resolution": 8, "channels": 1, "G_ch": 4, "D_ch": 4, "batch": 4, "images": 48, "num_classes": 3, "G_lr": 0.01}
_BIGGAN = {
    **_BIG, "dim_z": 4, "shared_dim": 4, "G_attention": (8,), "D_attention": (4,), "ema": 0.5, "ema_start": 1,
    "ortho": 0.1,
}  # fmt: skip
_LOGAN = {
    **_BIG, "dim_z": 4, "shared_dim": 4, "G_attention": (8,), "D_attention": (4,), "ema": 0.5, "ema_start": 1,
    "ortho": 0.1, "movement": 0.5,
}  # fmt: skip
_ADC = {
    **_BIG, "dim_z": 4, "shared_dim": 4, "hier": True, "D_steps": 2, "ema": 0.5, "ema_start": 1, "sn_eps": 1e-4,
}  # fmt: skip
_MOG = {
    "resolution": 0, "channels": 1, "num_classes": 3, "dim_z": 2, "shared_dim": 2, "hidden": 4, "batch": 4,
    "images": 48, "D_steps": 1, "G_lr": 0.01, "adversarial": "logistic", "ema": 0.5, "ema_start": 1,
}  # fmt: skip

_UNET = {
    **_BIG, "dim_z": 4, "warmup_epochs": 8, "ema": 0.5, "ema_start": 1, "D_attention": (4,), "G_attention": (8,),
}  # fmt: skip

_CSGAN = {
    "resolution": 8, "channels": 1, "channels_A": 3, "G_width": 2, "D_width": 2, "num_blocks": 1, "num_layers": 1,
    "batch": 4, "images": 48, "epochs": 8, "epochs_constant": 2, "pool": 6, "G_lr": 0.01, "D_lr": 0.01, "ema": 0.5,
    "eps": 0.1,  # the biases before instance norm have rounding for a gradient, which Adam would blow up
}  # fmt: skip

_ICGAN = {
    "resolution": 8, "channels": 1, "G_ch": 4, "D_ch": 4, "batch": 4, "images": 48, "G_lr": 0.01, "dim_z": 4,
    "shared_dim": 4, "shared_dim_feat": 4, "dim_h": 6, "k": 3, "accumulate": 1, "bias_init": "zero",
    "G_attention": (8,), "D_attention": (4,), "ema": 0.5, "ema_start": 1,
}  # fmt: skip

_STYLE = {
    "resolution": 8, "channels": 1, "dim_z": 4, "dim_w": 4, "layers": 2, "channel_base": 48, "channel_max": 8,
    "group": 1, "batch": 4, "images": 48, "G_lr": 0.01, "D_lr": 0.01, "ema_images": 8, "num_classes": 3,
    "path_decay": 0.0,  # with a running mean, parts of a batch have each their own target
    "eps": 0.1,  # along a weight that is demodulated the gradient is rounding, which Adam would blow up
}  # fmt: skip

_ICSTYLE = {**_STYLE, "dim_h": 6, "k": 3, "layers": 1, "ema_rampup": 0.0}

# name -> (paper, values): at least one row per paper, more where a paper has unlike halves
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "wgan": ("wgan", {**_WGAN, "ema": 0.5}),
    "wgan-gp": ("wgan", {**_WGAN, "lipschitz": "penalise", "optimizer": "adam", "D_norm": "none", "ema": 0.5}),
    "wgan-gp-acgan": (
        "wgan",
        {
            **_WGAN, "lipschitz": "penalise", "optimizer": "adam", "D_norm": "none", "G_net": "resnet32",
            "D_net": "resnet32", "num_classes": 3, "dequantise": True, "G_batch_ratio": 2,
        },
    ),
    "sagan": ("sagan", {**_BIG, "G_attention": (8,), "D_attention": (4,), "dim_z": 4, "ema": 0.5}),
    "sagan-plain": ("sagan", {**_BIG, "num_classes": 0, "G_attention": (), "D_attention": (), "dim_z": 4}),
    "biggan": ("biggan", _BIGGAN),
    "biggan-tables": ("biggan", {**_BIGGAN, "shared_dim": 0, "hier": False}),
    "biggan-plain": ("biggan", {**_BIGGAN, "num_classes": 0}),
    "biggan-deep": ("biggan", {**_BIGGAN, "deep": True, "G_ch": 4, "D_ch": 4}),
    "logan": ("logan", _LOGAN),
    "logan-gd": ("logan", {**_LOGAN, "rule": "gradient", "alpha": 0.5}),
    "logan-baseline": ("logan", {**_LOGAN, "rule": "none"}),
    "logan-sngan": (
        "logan",
        {**_LOGAN, "net": "sngan", "num_classes": 0, "steps": 2, "sampling_steps": 2, "mask": "element_random"},
    ),
    "adcgan": ("adcgan", {**_ADC, "G_attention": (8,), "D_attention": (4,)}),
    "adcgan-tables": ("adcgan", {**_ADC, "shared_dim": 0, "hier": False, "adversarial": "logistic"}),
    "adcgan-acgan": ("adcgan", {**_ADC, "objective": "ac"}),
    "adcgan-acgan-odena": ("adcgan", {**_ADC, "objective": "ac", "ac_on_fakes": True, "class_loss": "hinge"}),
    "adcgan-tacgan": ("adcgan", {**_ADC, "objective": "tac", "class_loss": "twin_hinge"}),
    "adcgan-pdgan": ("adcgan", {**_ADC, "objective": "pd", "adversarial": "logistic"}),
    "adcgan-amgan": ("adcgan", {**_ADC, "objective": "am", "adversarial": "none"}),
    "adcgan-points": ("adcgan", _MOG),
    "adcgan-points-pdgan": ("adcgan", {**_MOG, "objective": "pd", "G_every": 2}),
    "unetgan": ("unetgan", {**_UNET, "warmup_epochs": 0, "cutmix_rate": 1.0}),
    "unetgan-always": ("unetgan", {**_UNET, "cutmix": "always"}),
    "unetgan-none": ("unetgan", {**_UNET, "cutmix": "none"}),
    "unetgan-selfmod": (
        "unetgan",
        {**_UNET, "num_classes": 0, "warmup_epochs": 0, "cutmix_rate": 1.0, "prior": "uniform"},
    ),
    "unetgan-plain": ("unetgan", {**_UNET, "discriminator": "plain"}),
    "csgan": ("csgan", _CSGAN),
    "csgan-cyclegan": ("csgan", {**_CSGAN, "cs": 0.0, "paired": False, "channels": 3, "identity": 5.0}),
    "icgan": ("icgan", _ICGAN),
    "icgan-classes": ("icgan", {**_ICGAN, "num_classes": 3, "D_steps": 2}),
    "csgan-cdgan": ("csgan", {**_CSGAN, "direct": 15.0, "judge_cycled": True, "dropout": True, "load_size": 10}),
    "stylegan2": ("stylegan2", _STYLE),
    "stylegan2-grouped": (
        "stylegan2",
        {**_STYLE, "num_classes": 0, "group": 4, "path_decay": 0.01, "ema_rampup": 0.5, "noise": "constant"},
    ),
    "stylegan2-plain": ("stylegan2", {**_STYLE, "r1": 0.0, "path": 0.0, "mixing": 0.0, "ema_images": 0}),
    "icgan-stylegan2": ("icgan_stylegan2", {**_ICSTYLE, "num_classes": 0}),
    "icgan-stylegan2-classes": ("icgan_stylegan2", {**_ICSTYLE, "group": 2}),
}  # fmt: skip


def build(name: str, seed: int = 0, **values: Any) -> GAN:
    """A tiny GAN with weights from the seed."""
    paper, base = TINY[name]
    kind = PAPERS[paper]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gan = kind(configure(kind.config_type, {**base, **values}, given=values))
    if gan.reads == "instances":
        gan.remember(images(gan))
    return gan


def batch(gan: GAN, n: int = 4, seed: int = 0) -> Batch:
    """Noise in the shape of the GAN's data."""
    rng = torch.Generator().manual_seed(seed)
    c = gan.config
    x = torch.rand(n, *c.shape, generator=rng) * 2 - 1
    if gan.reads == "pairs":
        return Batch(x, Given(source=torch.rand(gan.blank(n, x.device).given.source.shape, generator=rng) * 2 - 1))
    y = torch.arange(n) % c.num_classes if c.num_classes else None
    if gan.reads == "instances":
        h = torch.nn.functional.normalize(torch.rand(2 * n, gan.blank(1, x.device).given.h.shape[1], generator=rng))
        return Batch(x, Given(y=y, h=h[:n]), Given(y=None if y is None else y.flip(0), h=h[n:]))
    return Batch(x, Given(y=y))


def given(gan: GAN, n: int) -> Given | None:
    """What n samples must be given besides their seeds: nothing, or n pictures to translate."""
    return None if gan.seeds_suffice else batch(gan, n).given


def images(gan: GAN, m: int = 10) -> Dataset:
    """A data set of noise in the shape of the GAN's data."""
    c = gan.config
    rng = np.random.default_rng(0)
    if gan.reads == "pairs":
        return pairs(gan, rng, m)
    x = rng.integers(0, 256, (m, *c.shape), dtype=np.uint8)
    if len(c.shape) == 1:
        x = rng.standard_normal((m, *c.shape), dtype=np.float32)
    y = np.arange(m) % c.num_classes if c.num_classes else None
    names = [f"class {k}" for k in range(c.num_classes)]
    made = Images(x, y, names, "noise", "none", {}, [])
    return instances(gan, made) if gan.reads == "instances" else made


def instances(gan: GAN, made: Images) -> Instances:
    """The images with features and neighbours by chance, the network's name being the seed."""
    how, m = gan.config.reading(), len(made)
    rng = np.random.default_rng(list(how["features"].encode()))
    h = torch.nn.functional.normalize(torch.from_numpy(rng.random((2 * m, how["feature_dim"]), dtype=np.float32)))
    codes, ranges = (part.unflatten(0, (2, m)).numpy() for part in pack(h))
    near = np.array([rng.permutation(np.delete(np.arange(m), i))[: how["k"]] for i in range(m)], dtype=np.int32)
    network = {"features": "noise", "name": how["features"], "weights": "none", "resize": "none", "size": 0}
    manifest = {"dim": how["feature_dim"], "extractor": network, "files": {}}
    rows = np.arange(0, m, 2)
    store = Store(Path(), manifest, codes, ranges, near, np.ones(m, np.float32), h[rows].numpy(), rows)
    return Instances(made, store, how["k"], how["augment"], how["classes"], how.get("conditions", "instance"))


def pairs(gan: GAN, rng: np.random.Generator, m: int) -> PairSet:
    """Pairs of noise, as large as they are loaded."""
    how = gan.config.reading()
    side = how["load_size"] or gan.config.resolution
    a, b = (rng.integers(0, 256, (m, c, side, side), dtype=np.uint8) for c in (how["channels_A"], gan.config.channels))
    names = [str(i) for i in range(m)]
    both = Pairs(a, b, names, names, how["paired"], "noise", "none", {"split": "train"}, [])
    return PairSet(both, both, gan.config.shape[1:], shared=False)


# what else must be set for a field to matter
HELPERS: dict[str, list[dict[str, Any]]] = {
    "beta1": [{"optimizer": "adam"}],
    "beta2": [{"optimizer": "adam"}],
    "ema": [{"ema": 0.5}],
    "ema_start": [{"ema": 0.5}],
    "ema_buffers": [{"ema": 0.5}],
    "D_norm": [{"D_net": "resnet64", "D_norm": "layer"}, {}],
    "n_critic_long": [{"long_first": 1}],
    "long_every": [{"long_first": 0}],
    "D_placement": [{"resolution": 32, "D_attention": (16,), "G_attention": ()}],
    "resolution": [{}, {"dim_z": 12, "G_attention": (), "D_attention": ()}],
    "fused": [{"resolution": 16, "G_attention": (), "D_attention": ()}],
    "statistics": [{"G_only": True}],
    "augment_policy": [{"augment": "diffaugment"}],
    "ada_target": [{"augment": "ada"}],
    "ada_speed": [{"augment": "ada", "ada_target": 0.0}],
    "lecam_decay": [{"lecam": 0.5, "D_lr": 0.05}],
    "hier": [{"deep": False}],
    "detach": [{"cs": 30.0, "paired": True}],
    "width": [{"width": 12}],
    "load_size": [{"load_size": 10}],
    "rgb": [{"deep": True, "G_ch": 4, "D_ch": 4}],
    "D_wide": [{"deep": False, "D_attention": ()}],
}
