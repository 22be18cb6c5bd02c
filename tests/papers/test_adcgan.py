"""ADC-GAN and its relatives: every objective by the authors' numbers, gradients of one D step, presets, points."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

import ganvas
from ganvas import losses, rng
from ganvas.cli import main
from ganvas.config import configure
from ganvas.engine.step import freeze_all_but, iterate, step
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import Batch, Drawn, Given
from ganvas.nets.heads import HEADS, Answer
from ganvas.papers.adcgan import ADCGAN, Config
from ganvas.presets import preset, presets
from ganvas.recipes import as_meant, recipe
from tests import tiny

CPU = torch.device("cpu")
IMAGES = [name for name, (paper, _) in tiny.TINY.items() if paper == "adcgan" and "points" not in name]

# The numbers of A3: what the authors' functions give for these logits (two samples each)
REAL, FAKE = torch.tensor([1.3, 0.2]), torch.tensor([0.4, -1.7])  # hinge: D 0.4 + 0.7, G 0.65
LOGITS = torch.tensor([[0.5, -1, 2, 0.1], [1.5, 0.2, -0.3, 0.7]])
Y = torch.tensor([2, 1])  # cross entropy 1.1437393; hinge D 0.7166667, G -0.85; TAC-GAN's hinge D 0.7875, G 0.3625
ADC = torch.tensor([[0.3, -0.2, 1.1, 0.4, -0.9, 0], [0.8, 0.5, -0.6, 0.2, 0.1, -0.3]])
ADC_Y = torch.tensor([1, 0])  # D real 1.1009634, D fake 1.6009634, G -0.5


class Known(nn.Module):
    """A D that gives these answers to fakes, then to real images, and remembers what it was shown."""

    def __init__(self, fake: Answer, real: Answer) -> None:
        super().__init__()
        self.fake, self.real = fake, real
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor, y: Tensor) -> Answer:
        self.seen.append((x, y))
        if len(x) == len(self.fake.score):
            return self.fake
        return Answer(*(None if a is None or b is None else torch.cat([a, b]) for a, b in zip(self.fake, self.real)))


def known(objective: str, y: Tensor, fake: dict[str, Tensor], real: dict[str, Tensor], **values: Any) -> tuple:
    """A tiny GAN whose D answers so.  -> the GAN, a real batch of these classes, draws of the same ones"""
    gan = tiny.build("adcgan", objective=objective, num_classes=4, batch=2, **values)
    gan.D = Known(Answer(FAKE[:, None], **fake), Answer(REAL[:, None], **real))
    drawn = Drawn(torch.randn(2, 4, generator=torch.Generator().manual_seed(0)), y)
    return gan, Batch(torch.zeros(2, 1, 8, 8), Given(y=y)), drawn


def totals(objective: str, y: Tensor, fake: dict[str, Tensor], real: dict[str, Tensor], **values: Any) -> list[float]:
    """What D and G minimise."""
    gan, batch, drawn = known(objective, y, fake, real, **values)
    return [gan.D_loss(batch, drawn).total.item(), gan.G_loss(batch, drawn).total.item()]


ENTROPY = 1.1437393
MI = F.cross_entropy(LOGITS.flip(1), Y).item()
CASES: dict[str, tuple[str, dict[str, Tensor], dict[str, Tensor], dict[str, Any], float, float]] = {
    # name: objective, heads of fakes, heads of real images, fields, classifier's D and G terms
    "adc": ("adc", {"adc": ADC}, {"adc": ADC}, {}, 1.1009634 + 1.6009634, -0.5),
    "adc-hinge": (
        "adc", {"adc": ADC}, {"adc": ADC}, {"class_loss": "hinge"},
        sum(losses.class_hinge_D(ADC, 2 * ADC_Y + k).item() for k in (0, 1)), -0.5 * 6 / 5,
    ),
    "adc-twin": (
        "adc", {"adc": ADC}, {"adc": ADC}, {"class_loss": "twin_hinge"},
        sum(losses.twin_hinge_D(ADC, 2 * ADC_Y + k).item() for k in (0, 1)), -0.5,
    ),
    "ac": ("ac", {"ac": LOGITS}, {"ac": LOGITS}, {}, ENTROPY, ENTROPY),
    "ac-real-alone": ("ac", {"ac": LOGITS.flip(1)}, {"ac": LOGITS}, {}, ENTROPY, MI),
    "ac-hinge": ("ac", {"ac": LOGITS}, {"ac": LOGITS}, {"class_loss": "hinge"}, 0.7166667, -0.85),
    "ac-odena": ("ac", {"ac": LOGITS.flip(1)}, {"ac": LOGITS}, {"ac_on_fakes": True}, ENTROPY + MI, MI),
    "tac": (
        "tac", {"ac": LOGITS, "mi": LOGITS.flip(1)}, {"ac": LOGITS, "mi": 9 * LOGITS}, {}, ENTROPY + MI, ENTROPY - MI,
    ),
    "tac-hinge": (
        "tac", {"ac": LOGITS, "mi": LOGITS.flip(1)}, {"ac": LOGITS, "mi": LOGITS}, {"class_loss": "twin_hinge"},
        0.7875 + losses.twin_hinge_D(LOGITS.flip(1), Y).item(), 0.3625 - losses.twin_hinge_G(LOGITS.flip(1), Y).item(),
    ),
    "pd": ("pd", {}, {}, {}, 0.0, 0.0),
    "am": (
        "am", {"am": ADC[:, :5]}, {"am": ADC[:, :5]}, {},
        (F.cross_entropy(ADC[:, :5], ADC_Y) + F.cross_entropy(ADC[:, :5], torch.tensor([4, 4]))).item(),
        F.cross_entropy(ADC[:, :5], ADC_Y).item(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_objectives_by_the_authors_numbers(name: str) -> None:
    """V + lambda times the classifier's term, each player with its own lambda."""
    objective, fake, real, values, D, G = CASES[name]
    y = ADC_Y if objective in ("adc", "am") else Y
    weights = {} if objective == "pd" else {"D_lambda": 0.3, "G_lambda": 0.7}
    found = totals(objective, y, fake, real, **values, **weights)
    assert found == pytest.approx([0.4 + 0.7 + 0.3 * D, 0.65 + 0.7 * G], abs=1e-6)


def test_each_term_has_its_own_images_and_classes() -> None:
    """The table of the paper's page, with unlike logits and classes of real images and fakes."""
    widths = {"ac": 3, "mi": 3, "adc": 6, "am": 4}
    draws = torch.Generator().manual_seed(0)
    fake, real = (
        Answer(torch.zeros(4, 1), **{k: torch.randn(4, w, generator=draws) for k, w in widths.items()})
        for _ in range(2)
    )
    y, fake_y, ce = torch.tensor([0, 1, 2, 0]), torch.tensor([2, 2, 1, 0]), F.cross_entropy
    terms = {
        "adc": (
            ce(real.adc, 2 * y) + ce(fake.adc, 2 * fake_y + 1),
            ce(fake.adc, 2 * fake_y) - ce(fake.adc, 2 * fake_y + 1),
        ),
        "ac": (ce(real.ac, y), ce(fake.ac, fake_y)),
        "tac": (ce(real.ac, y) + ce(fake.mi, fake_y), ce(fake.ac, fake_y) - ce(fake.mi, fake_y)),
        "am": (ce(real.am, y) + ce(fake.am, torch.full((4,), 3)), ce(fake.am, fake_y)),
    }
    for objective, expected in terms.items():
        gan = tiny.build("adcgan", objective=objective)
        assert_close((gan.class_D(real, y, fake, fake_y), gan.class_G(fake, fake_y)), expected)
    gan = tiny.build("adcgan", objective="ac", ac_on_fakes=True)
    assert_close(gan.class_D(real, y, fake, fake_y), ce(real.ac, y) + ce(fake.ac, fake_y))


def test_adversarial_losses() -> None:
    heads: dict[str, Tensor] = {"ac": LOGITS}
    logistic = F.softplus(-REAL).mean() + F.softplus(FAKE).mean(), F.softplus(-FAKE).mean()
    expected = [logistic[0].item() + ENTROPY, logistic[1].item() + ENTROPY]
    assert totals("ac", Y, heads, heads, adversarial="logistic") == pytest.approx(expected, abs=1e-6)
    assert totals("ac", Y, heads, heads, adversarial="none") == pytest.approx([ENTROPY, ENTROPY], abs=1e-6)


def test_logs() -> None:
    gan, batch, drawn = known("adc", ADC_Y, {"adc": ADC}, {"adc": ADC}, D_lambda=0.3, G_lambda=0.7)
    logs = gan.D_loss(batch, drawn).logs | gan.G_loss(batch, drawn).logs
    expected = {"D/real": 0.75, "D/fake": -0.65, "D/class": 2.7019268, "G/class": -0.5}
    assert {key: value.item() for key, value in logs.items()} == pytest.approx(expected, abs=1e-6)


def test_generators_term_is_the_mean_logit_difference() -> None:
    """Of ADC-GAN's own networks, to 1e-6."""
    gan = tiny.build("adcgan", adversarial="none").eval()
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("test"))
    logits = gan.D(gan.G(drawn.z, gan.G.shared(drawn.y)), drawn.y).adc
    rows = torch.arange(4)
    difference = (logits[rows, 2 * drawn.y + 1] - logits[rows, 2 * drawn.y]).mean()
    assert difference.abs() > 1e-3
    assert_close(gan.G_loss(real, drawn).total, difference, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", IMAGES)
def test_fakes_and_real_images_share_one_forward(name: str) -> None:
    """Fakes first, with their own classes; spectral norm iterates once a D step."""
    gan = tiny.build(name)
    seen: list[tuple[Tensor, Tensor]] = []
    gan.D.register_forward_pre_hook(lambda _, args: seen.append(args))
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("test"))
    gan.D_loss(real, drawn)
    ((x, y),) = seen
    assert_close(x[4:], real.x)
    assert torch.equal(y, torch.cat([drawn.y, real.given.y]))
    assert not x.requires_grad  # the D step does not reach G


def test_classes_of_fakes_are_uniform_and_not_the_batchs() -> None:
    gan = tiny.build("adcgan")
    real = Batch(torch.zeros(6000, 1, 8, 8), Given(y=torch.zeros(6000, dtype=torch.int64)))
    shares = torch.bincount(gan.draw(real, rng.generator("test")).y, minlength=3) / 6000
    assert_close(shares, torch.full((3,), 1 / 3), rtol=0, atol=0.02)


@pytest.mark.parametrize("objective", ["adc", "ac", "tac", "pd", "am"])
def test_the_heads_that_learn(objective: str) -> None:
    """Every head that D has gets a gradient from its own step; without V the score gets none."""
    for adversarial in ("hinge",) if objective == "pd" else ("hinge", "none"):
        gan = tiny.build("adcgan", objective=objective, adversarial=adversarial)
        assert gan.D.heads.names == HEADS[objective]
        real = tiny.batch(gan)
        gan.D_loss(real, gan.draw(real, rng.generator("test"))).total.backward()
        idle = {name for name, p in gan.D.named_parameters() if p.grad is None}
        assert idle == (set() if adversarial == "hinge" else {"heads.linear.weight", "heads.linear.bias"})
        assert (gan.scores(real) is None) == (adversarial == "none")


def test_ac_reads_real_images_alone_unless_asked() -> None:
    """How the fakes look to the classifier is nothing to D, but in Odena et al.'s reading."""
    for on_fakes in (False, True):
        gan = tiny.build("adcgan", objective="ac", ac_on_fakes=on_fakes)
        fake, real = (Answer(torch.zeros(2, 1), ac=torch.zeros(2, 3, requires_grad=True)) for _ in range(2))
        gan.class_D(real, torch.tensor([0, 1]), fake, torch.tensor([0, 1])).backward()
        assert (fake.ac.grad is not None) == on_fakes


def test_gradients_are_zeroed_between_D_steps() -> None:
    """Two D steps are not one accumulated step: the second has the gradient of the second batch alone."""
    gan = tiny.build("adcgan", D_lr=0.0, optimizer="rmsprop", sn_eps=1e-8).eval()  # eval: u stays
    optimisers = new_state(gan, CPU).optimisers
    gan.eval()
    phase = gan.phases()[0]
    assert phase.repeat == 2

    def named(k: int) -> torch.Generator:
        return rng.generator("test", k)

    freeze_all_but(gan, "D")
    alone: list[dict[str, Tensor]] = []
    for k in (1,):
        step(gan, phase, tiny.batch(gan, seed=k), optimisers["D"], partial(named, k), nullcontext, {})
        alone.append({name: p.grad.clone() for name, p in gan.D.named_parameters()})
    gan.phases = lambda: [phase]
    iterate(gan, lambda k: tiny.batch(gan, seed=k), optimisers, lambda name, k: named(k))
    for name, p in gan.D.named_parameters():
        assert_close(p.grad, alone[0][name], rtol=1e-5, atol=1e-7)


def test_steps_of_an_iteration() -> None:
    gan = tiny.build("adcgan", D_steps=3, G_every=10)
    D, G = gan.phases()
    assert (D.player, D.repeat, D.every, G.player, G.repeat, G.every) == ("D", 3, 1, "G", 1, 10)


@pytest.mark.parametrize("name", ["adcgan", "adcgan-tables", "adcgan-points"])
def test_samples_are_the_generators_own(name: str) -> None:
    """gan.sample is G(z, G.shared(y)) of the seeds' latents and classes, in evaluation mode."""
    gan = tiny.build(name)
    z, y = rng.noise([7, 8, 9], gan.config.dim_z), rng.labels([7, 8, 9], 3)
    x = gan.sample(3, seed=7)
    gan.eval()
    with torch.no_grad():
        assert_close(x, gan.G(z, gan.G.shared(y)))
    assert_close(x, gan.sample(3, seed=7, classes=y.tolist()))
    between = gan.interpolate([0, 1], classes=[0, 2], steps=2)
    assert between.shape == (2, *gan.config.shape)


COUNTS = {  # G, and D with the heads that the method needs
    "cifar10": (4_304_387, {"adc": 4_209_941, "ac": 4_207_371, "tac": 4_209_941, "pd": 4_207_361}),
    "cifar100": (4_580_867, {"adc": 4_256_201, "ac": 4_230_501, "tac": 4_256_201, "pd": 4_230_401}),
    "tinyimagenet": (31_805_700, {"adc": 19_952_721, "ac": 19_747_721, "tac": 19_952_721, "pd": 19_747_521}),
    # StudioGAN's, plus the biases of ac (1,000), of ac and mi, and of adc (2,000), which its heads lack
    "128": (
        70_433_988,
        {"adc": 89_518_370 + 2000, "ac": 87_982_370 + 1000, "tac": 89_518_370 + 2000, "pd": 87_982_370},
    ),
    "mog1d": (287, {"adc": 317, "ac": 284, "tac": 317, "pd": 281}),
}
METHODS = {"adc": "adcgan", "ac": "acgan", "tac": "tacgan", "pd": "pdgan"}


@pytest.mark.parametrize("data", COUNTS)
@pytest.mark.parametrize("objective", METHODS)
def test_parameter_counts(data: str, objective: str) -> None:
    with torch.device("meta"):
        gan = ADCGAN(as_meant(preset(f"{METHODS[objective]}-{data}")))
    assert gan.config.objective == objective
    assert gan.parameter_counts() == {"G": COUNTS[data][0], "D": COUNTS[data][1][objective]}


CIFAR = {
    "batch": 50, "accumulate": 1, "D_steps": 4, "G_lr": 2e-4, "D_lr": 2e-4, "beta1": 0.0, "beta2": 0.999, "eps": 1e-8,
    "sn_eps": 1e-8, "bn_eps": 1e-5, "init": "N02", "ema": 0.9999, "ema_start": 1000, "ema_buffers": "average",
    "flip": False, "images": 250_000 * 4 * 50, "adversarial": "hinge", "class_loss": "entropy", "ac_on_fakes": False,
}  # fmt: skip
TINYIMAGENET = {
    "batch": 100, "accumulate": 2, "D_steps": 2, "G_lr": 1e-4, "D_lr": 4e-4, "beta2": 0.999, "eps": 1e-6,
    "sn_eps": 1e-6, "init": "ortho", "ema_start": 20_000, "flip": True, "images": 250_000 * 2 * 100, "dim_z": 120,
    "G_attention": (64,), "D_attention": (), "hier": True, "shared_dim": 128, "G_ch": 64, "D_ch": 64,
}  # fmt: skip
MOG = {
    "batch": 384, "D_steps": 1, "G_every": 10, "G_lr": 2e-3, "D_lr": 2e-3, "beta1": 0.5, "beta2": 0.999, "ema": 0.0,
    "adversarial": "logistic", "images": 20_000 * 384, "dim_z": 2, "shared_dim": 2, "hidden": 10, "resolution": 0,
}  # fmt: skip
LAMBDAS = {  # of both players
    "cifar10": {"adc": 1.0, "ac": 0.2, "tac": 1.0},
    "cifar100": {"adc": 1.0, "ac": 0.2, "tac": 1.0},
    "tinyimagenet": {"adc": 0.5, "ac": 0.2, "tac": 0.5},
    "128": {"adc": 1.0, "ac": 1.0, "tac": 1.0},
    "mog1d": {"adc": 1.0, "ac": 1.0, "tac": 1.0},
}


@pytest.mark.parametrize("data", LAMBDAS)
@pytest.mark.parametrize("objective", METHODS)
def test_hyperparameters(data: str, objective: str) -> None:
    config = as_meant(preset(f"{METHODS[objective]}-{data}"))
    said = {"cifar10": CIFAR, "cifar100": CIFAR, "tinyimagenet": TINYIMAGENET, "mog1d": MOG}.get(data, {"batch": 256})
    if objective in LAMBDAS[data]:
        said = {**said, "G_lambda": LAMBDAS[data][objective], "D_lambda": LAMBDAS[data][objective]}
    elif "class_loss" in said:
        said = {key: value for key, value in said.items() if key not in ("class_loss", "ac_on_fakes")}
    assert {key: getattr(config, key) for key in said} == said


def test_every_preset_can_be_built_and_names_its_source() -> None:
    mine = [name for name, row in presets().items() if row.paper == "adcgan"]
    assert len(mine) == 4 * 8
    assert all(presets()[name].source for name in mine)


def test_biases_start_as_pytorch_has_them() -> None:
    gan = tiny.build("adcgan")
    assert all(p.any() for name, p in gan.named_parameters() if name.endswith("linear.bias"))


def test_the_epsilons_reach_every_layer() -> None:
    gan = tiny.build("adcgan", sn_eps=1e-3, bn_eps=1e-2)
    layers = list(gan.modules())
    assert {m.sn_eps for m in layers if hasattr(m, "sn_eps")} == {1e-3}
    assert {m.eps for m in layers if "Norm" in type(m).__name__} == {1e-2}


@pytest.mark.parametrize("method", METHODS.values())
def test_a_bare_name_fits_points_and_images(method: str) -> None:
    from ganvas.data import peek

    assert recipe(method, peek("mog1d")).preset == f"{method}-mog1d"
    assert recipe(method, peek("digits")).preset == f"{method}-digits"


@pytest.mark.parametrize("method", METHODS.values())
def test_points_train_resume_and_sample(method: str, run_dir: Path, tmp_path: Path) -> None:
    """A run that was cut in two ends as one that was not; its model folder gives points of the class asked for."""
    quiet = ["--device", "cpu", "--checkpoint-every", "3840", "--sample-every", "1M"]
    for out, images in ((run_dir, 3840), (tmp_path / "through", 7680)):
        assert main(["train", method, "--data", "mog1d", "--images", str(images), "--out", str(out), *quiet]) == 0
    assert main(["train", "--resume", str(run_dir), "--images", "7680"]) == 0
    gans = [ganvas.load(out, device="cpu") for out in (run_dir, tmp_path / "through")]
    points = [gan.sample(5, classes="1") for gan in gans]
    assert points[0].shape == (5, 1)
    assert torch.equal(*points)
    out = tmp_path / "x.npz"
    assert main(["sample", str(run_dir), "-n", "4", "--class", "2", "--device", "cpu", "--out", str(out)]) == 0
    assert out.is_file()


def test_mog1d_is_what_its_preset_trains_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "adcgan-mog1d", "--dry-run"]) == 0
    assert "mog1d" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"objective": "pd", "adversarial": "none"}, "has the adversarial loss alone"),
        ({"objective": "pd", "G_lambda": 0.5}, "counts only with objective=adc or ac or tac or am"),
        ({"ac_on_fakes": True}, "counts only with objective=ac"),
        ({"D_steps": 0}, "expected 1 or more"),
        ({"G_every": 0}, "at least 1"),
        ({"num_classes": 0}, "need classes"),
        ({"resolution": 0, "channels": 1}, "give shared_dim"),
        ({"hidden": 5}, "counts only with resolution=0"),
        ({"resolution": 48}, "48"),
    ],
)
def test_impossible_settings_are_one_line(values: dict[str, Any], line: str) -> None:
    with torch.device("meta"), pytest.raises(InputError, match=line) as error:
        ADCGAN(configure(Config, {"num_classes": 3, **values}))
    assert "\n" not in str(error.value)
