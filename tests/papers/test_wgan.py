"""WGAN and WGAN-GP: their objectives by formula, the clip box, the extra critic steps, and that they learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganvas import penalties, rng
from ganvas.config import configure
from ganvas.engine.optim import RMSpropTF1
from ganvas.engine.step import freeze_all_but, iterate
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import Batch
from ganvas.nets.wgan import native
from ganvas.papers.wgan import WGAN, Config
from ganvas.presets import presets
from tests import tiny
from tests.papers.test_laws import go


class Linear(nn.Module):
    """D(x) = <w, x>: its gradient is w everywhere."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


def test_penalty_of_a_linear_critic() -> None:
    w = torch.randn(3, 4, 4)
    real, fake, alpha = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4), torch.rand(5)
    penalty = penalties.gradient_penalty(Linear(w), real, fake, alpha)
    torch.testing.assert_close(penalty, (w.norm() - 1) ** 2)


def test_penalty_gradient_of_a_linear_critic() -> None:
    """d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|: the penalty is differentiated through."""
    D = Linear(torch.randn(2, 3))
    penalties.gradient_penalty(D, torch.randn(4, 2, 3), torch.randn(4, 2, 3), torch.rand(4)).backward()
    w = D.w.detach()
    torch.testing.assert_close(D.w.grad, 2 * (w.norm() - 1) * w / w.norm())


def test_alpha_is_one_number_a_sample() -> None:
    """D(x) = |x|^2 / 2 has gradient x, so the penalty tells where each sample was evaluated."""
    real, fake = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    penalty = penalties.gradient_penalty(
        lambda x: x.square().flatten(1).sum(1) / 2, real, fake, torch.tensor([0.0, 0.75])
    )
    torch.testing.assert_close(penalty, torch.tensor(((0 - 1) ** 2 + (0.75 * 2 - 1) ** 2) / 2))


def test_a_flat_critic_is_finite_with_the_switch() -> None:
    D = Linear(torch.zeros(1, 2, 2))
    x = torch.randn(3, 1, 2, 2)
    penalties.gradient_penalty(D, x, x, torch.rand(3), eps=1e-12).backward()
    assert torch.isfinite(D.w.grad).all()


def test_critic_and_generator_losses_by_formula() -> None:
    gan = tiny.build("wgan-gp").eval()
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("test"))
    critic = gan.critic_loss(real, drawn)
    fake = gan.G(drawn.z).detach()
    distance = gan.D(real.x).mean() - gan.D(fake).mean()
    penalty = penalties.gradient_penalty(gan.D, real.x, fake, drawn.alpha)
    torch.testing.assert_close(critic.total, -distance + 10 * penalty)
    torch.testing.assert_close(critic.logs["D/distance"], distance)
    torch.testing.assert_close(gan.generator_loss(real, drawn).total, -gan.D(gan.G(drawn.z_G)).mean())


def test_no_gradient_reaches_the_generator_in_the_critic_step() -> None:
    gan = tiny.build("wgan-gp")
    real = tiny.batch(gan)
    gan.critic_loss(real, gan.draw(real, rng.generator("test"))).total.backward()
    assert all(p.grad is None for p in gan.G.parameters())
    assert all(p.grad is not None for p in gan.D.parameters())


def step_critic(gan: WGAN) -> None:
    state = new_state(gan, torch.device("cpu"))
    phase = gan.phases()[0]
    real = tiny.batch(gan)
    freeze_all_but(gan, "D")
    phase.loss(real, gan.draw(real, rng.generator("test"))).total.backward()
    state.optimisers["D"].step()
    if phase.after is not None:
        phase.after([])


def largest(gan: WGAN) -> float:
    return max(p.abs().max().item() for p in gan.D.parameters())


def test_clip_after_keeps_every_critic_parameter_in_the_box() -> None:
    gan = tiny.build("wgan", clip=0.01, D_lr=0.1)
    step_critic(gan)
    assert largest(gan) <= 0.01


def test_the_box_has_two_sides() -> None:
    gan = tiny.build("wgan", clip=0.01)
    before = [p.detach().clone() for p in gan.D.parameters()]
    gan.clip_weights()
    for p, old in zip(gan.D.parameters(), before):
        assert torch.equal(p.detach(), old.clamp(-0.01, 0.01))
    assert min(p.min() for p in gan.D.parameters()) == -torch.tensor(0.01)


def test_clip_before_may_leave_the_box_by_one_step() -> None:
    gan = tiny.build("wgan", clip=0.01, D_lr=0.1, clip_when="before")
    step_critic(gan)
    assert largest(gan) > 0.01
    (before,) = [phase.before for phase in gan.phases() if phase.name == "D"]
    assert before is not None
    before()
    assert largest(gan) <= 0.01


def test_batch_norm_of_the_critic_is_clipped_too() -> None:
    gan = tiny.build("wgan", clip=0.01, resolution=16)
    gan.clip_weights()
    gains = [m.weight for m in gan.D.modules() if isinstance(m, nn.BatchNorm2d)]
    assert gains
    assert all(bool((g == 0.01).all()) for g in gains)  # they start near 1


def test_the_first_iterations_and_every_five_hundredth_take_a_hundred_critic_steps() -> None:
    gan = WGAN(configure(Config, {**presets()["wgan-32"].values, "G_width": 4, "D_width": 4}))
    repeats = {}
    for iteration in (0, 24, 25, 499, 500, 501):
        gan.iteration = iteration
        repeats[iteration] = gan.phases()[0].repeat
    assert repeats == {0: 100, 24: 100, 25: 5, 499: 5, 500: 100, 501: 5}


def test_a_penalised_critic_with_batch_norm_is_refused() -> None:
    with pytest.raises(InputError, match="D_norm=none"):
        configure(Config, {"lipschitz": "penalise", "D_norm": "batch"})


def test_dequantised_images_are_the_authors_scale() -> None:
    """x in 0..255 becomes 2 (x / 256 - 1/2) + u"""
    gan = tiny.build("wgan-gp-acgan")
    levels = torch.tensor([0.0, 128.0, 255.0])
    dither = torch.tensor([0.0, 0.001, 0.002])
    torch.testing.assert_close(native(levels / 127.5 - 1, "symmetric", dither), 2 * (levels / 256 - 0.5) + dither)
    drawn = gan.draw(tiny.batch(gan), rng.generator("test"))
    assert 0 <= drawn.dither.min() < 0.1 / 128
    assert 0.9 / 128 < drawn.dither.max() < 1 / 128


def test_class_terms_see_real_images_in_D_and_fakes_in_G() -> None:
    gan = tiny.build("wgan-gp-acgan")
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("test"))
    assert drawn.z_G.shape[0] == drawn.y.shape[0] == 2 * len(real.x)
    x = native(real.x, "symmetric", drawn.dither)
    logits = gan.D.score_and_logits(x)[1]
    expected = nn.functional.cross_entropy(logits, real.given.y)
    torch.testing.assert_close(gan.critic_loss(real, drawn).logs["D/class"], expected)


def test_class_terms_are_weighed_and_both_players_want_them_small() -> None:
    """The critic's on real images with their own classes, the generator's on fakes with the classes drawn for them."""
    gan = tiny.build("wgan-gp-acgan", D_class=0.7, G_class=0.3)
    with torch.no_grad():  # classes start alike
        for p in gan.G.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("test"))
    D = gan.critic_loss(real, drawn)
    expected = -D.logs["D/distance"] + 10.0 * D.logs["D/penalty"] + 0.7 * D.logs["D/class"]
    torch.testing.assert_close(D.total, expected)
    with torch.no_grad():
        distance = gan.D(native(real.x, "symmetric", drawn.dither)).mean() - gan.D(gan.G(drawn.z, real.given.y)).mean()
    torch.testing.assert_close(D.logs["D/distance"].detach(), distance)
    G = gan.generator_loss(real, drawn)
    scores, logits = gan.D.score_and_logits(gan.G(drawn.z_G, drawn.y))
    class_loss = nn.functional.cross_entropy(logits, drawn.y)
    torch.testing.assert_close(G.logs["G/class"], class_loss)
    torch.testing.assert_close(G.total, -scores.mean() + 0.3 * class_loss)


def test_each_image_has_an_alpha_of_its_own_from_nought_to_one() -> None:
    gan = tiny.build("wgan-gp")
    alpha = gan.draw(tiny.batch(gan, 500), rng.generator("test")).alpha
    assert alpha.shape == (500,)
    assert 0 <= alpha.min() < 0.05
    assert 0.95 < alpha.max() < 1
    assert len(set(alpha.tolist())) > 490


def test_tensorflow_rmsprop_starts_far_slower_than_torch() -> None:
    """For a gradient of 1e-3 and lr 5e-5 torch moves 5.0e-4; theirs, starting at one, about 5.3e-8."""
    moved = {}
    for name, make in {
        "torch": lambda p: torch.optim.RMSprop([p], lr=5e-5),
        "tf1": lambda p: RMSpropTF1([p], lr=5e-5),
    }.items():
        p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        p.grad = torch.full_like(p, 1e-3)
        make(p).step()
        moved[name] = -p.item()
    assert moved["torch"] == pytest.approx(5.0e-4, rel=1e-3)
    assert moved["tf1"] == pytest.approx(5.3e-8, rel=1e-2)


@pytest.mark.parametrize("preset", ["wgan-gp-toy-small"])
def test_it_learns_eight_gaussians(preset: str) -> None:
    """Seven modes or more of the ring, most samples on one, from a cold start."""
    from ganvas import api, data

    images = data.load("ring8")
    values = {"images": 1000 * 2 * 128, "batch": 128, "ema": 0.98}
    gan = api.recipe(preset, data.peek("ring8"), None, values).build(0)
    state = new_state(gan, torch.device("cpu"))
    go(state, 1000, images)
    for name, mean in state.average.players.items():
        setattr(gan, name, mean)
    points = gan.sample(1000, seed=0)
    modes = torch.from_numpy(data.toy_modes("ring8"))
    distance = torch.cdist(points.double(), modes.double())
    near = distance.min(1).values < 4 * data.toy_std("ring8")
    covered = distance.argmin(1)[near].bincount(minlength=8)
    assert int((covered >= 20).sum()) >= 7, covered.tolist()


def test_unit_range_players_see_zero_to_one_and_samples_come_back() -> None:
    gan = tiny.build("wgan-gp", pixel_range="unit", G_net="mlp", D_net="mlp")
    x = torch.tensor([-1.0, 0.0, 1.0])
    torch.testing.assert_close(native(x, "unit"), torch.tensor([0.0, 0.5, 1.0]))
    z = rng.noise([5], gan.config.dim_z)
    torch.testing.assert_close(gan.sample(1, seed=5), gan.eval().G(z) * 2 - 1)


def test_critic_phase_uses_fresh_batches() -> None:
    """Five critic steps see five batches; the generator's step sees the first."""
    gan = tiny.build("wgan-gp", n_critic=5)
    state = new_state(gan, torch.device("cpu"))
    asked: list[int] = []

    def real(k: int) -> Batch:
        asked.append(k)
        return tiny.batch(gan, seed=k)

    _, used = iterate(gan, real, state.optimisers, lambda *path: rng.generator(*path))
    assert asked == [0, 1, 2, 3, 4, 0]
    assert used == 5
