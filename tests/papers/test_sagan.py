"""SAGAN: the hinge objective by formula, who sees which classes, when spectral norm iterates, two time scales, EMA."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from ganvas import losses, rng
from ganvas.config import configure
from ganvas.engine.ema import averaged
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import Batch, Given
from ganvas.ops.norm import Statistics
from ganvas.papers.sagan import SAGAN, Config
from tests import tiny
from tests.papers.test_laws import go

CPU = torch.device("cpu")


class Scores(nn.Module):
    """A D whose scores are known, and that remembers what it was shown."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores)[:, None])
        self.seen: list[tuple[Tensor, Tensor | None]] = []

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        self.seen.append((x.detach(), y))
        return self.scores[: len(x)]


def drawn_for(gan: SAGAN, real: Batch) -> object:
    return gan.draw(real, rng.generator("test"))


def test_hinge_at_known_scores() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, -0.5, 1.0])
    # relu(1 - real) = 0, 0.5, 2; relu(1 + fake) = 0, 0.5, 2
    torch.testing.assert_close(losses.hinge_D(real, fake), torch.tensor(2.5 / 3 + 2.5 / 3))
    torch.testing.assert_close(losses.hinge_G(fake), torch.tensor(0.5))


@pytest.mark.parametrize("name", ["sagan", "sagan-plain"])
def test_objectives_with_a_known_critic(name: str) -> None:
    """Four fakes come first, then four reals, in one forward; only margins below 1 cost."""
    gan = tiny.build(name)
    gan.D = Scores([-3.0, -0.5, 0.0, 1.0, 3.0, 0.5, 0.0, -1.0])
    real = tiny.batch(gan)
    drawn = drawn_for(gan, real)
    loss = gan.D_loss(real, drawn)
    torch.testing.assert_close(loss.total, torch.tensor((0 + 0.5 + 1 + 2) / 4 + (0 + 0.5 + 1 + 2) / 4))
    torch.testing.assert_close(loss.logs["D/real"], torch.tensor(2.5 / 4))
    torch.testing.assert_close(loss.logs["D/fake"], torch.tensor(-2.5 / 4))
    ((x, y),) = gan.D.seen
    torch.testing.assert_close(x[4:], real.x)
    if gan.config.num_classes:
        assert torch.equal(y, torch.cat([drawn.y, real.given.y]))
    else:
        assert y is None
    torch.testing.assert_close(gan.G_loss(real, drawn).total, torch.tensor(2.5 / 4))
    assert gan.D.seen[-1][1] is drawn.y


def test_no_gradient_reaches_the_generator_in_the_D_step() -> None:
    gan = tiny.build("sagan")
    real = tiny.batch(gan)
    gan.D_loss(real, drawn_for(gan, real)).total.backward()
    assert all(p.grad is None for p in gan.G.parameters())
    assert all(p.grad is not None for p in gan.D.parameters())


def iterated(layer: nn.Module, times: int) -> Tensor:
    """Where u stands after so many power iterations."""
    matrix, u = layer.weight.detach().flatten(1), layer.u0.clone()
    for _ in range(times):
        v = nn.functional.normalize(u @ matrix, eps=layer.sn_eps)
        u = nn.functional.normalize(v @ matrix.t(), eps=layer.sn_eps)
    return u


@pytest.mark.parametrize("name", ["sagan", "biggan", "biggan-deep"])
def test_one_power_iteration_a_forward(name: str) -> None:
    """Real and fake pass D together: u moves once in a D step, and G's u moves too when it makes the fakes."""
    gan = tiny.build(name)
    real = tiny.batch(gan)
    drawn = drawn_for(gan, real)
    once, fakes = iterated(gan.D.linear, 1), iterated(gan.G.linear, 1)
    gan.D_loss(real, drawn)
    torch.testing.assert_close(gan.D.linear.u0, once)
    torch.testing.assert_close(gan.G.linear.u0, fakes)
    twice, more = iterated(gan.D.linear, 1), iterated(gan.G.linear, 1)
    gan.G_loss(real, drawn)
    torch.testing.assert_close(gan.D.linear.u0, twice)
    torch.testing.assert_close(gan.G.linear.u0, more)


@pytest.mark.parametrize("name", ["sagan", "biggan", "biggan-deep"])
def test_an_eval_mode_generator_leaves_its_u_vectors_alone(name: str) -> None:
    """By sampling, interpolating and standing statistics: only training moves u (a known trap)."""
    gan = tiny.build(name).train()
    go_once = {k: v.clone() for k, v in gan.state_dict().items() if k.endswith(("u0", "sv0"))}
    assert len(go_once) > 10
    gan.sample(3)
    gan.interpolate([0, 1], steps=2)
    gan.standing_statistics(2, 4)
    for key, before in go_once.items():
        assert torch.equal(gan.state_dict()[key], before), key


@pytest.mark.parametrize("name", ["sagan", "biggan"])
def test_classes_of_fakes_are_uniform_and_not_those_of_the_batch(name: str) -> None:
    gan = tiny.build(name)
    real = Batch(torch.zeros(6000, 1, 8, 8), Given(y=torch.zeros(6000, dtype=torch.int64)))
    drawn = drawn_for(gan, real)
    counts = drawn.y.bincount(minlength=3)
    assert counts.sum() == 6000
    assert (counts - 2000).abs().max() < 150  # four standard deviations
    assert drawn.z.shape == (6000, gan.config.dim_z)
    assert abs(drawn.z.mean().item()) < 0.05
    assert abs(drawn.z.std().item() - 1) < 0.05


@pytest.mark.parametrize("name", ["sagan", "biggan", "biggan-deep"])
def test_projection(name: str) -> None:
    """D(x, y) - D(x, y') = <E_y - E_y', phi(x)> with the normalised table, and phi sums over pixels."""
    gan = tiny.build(name).eval()
    x = tiny.batch(gan).x
    with torch.no_grad():
        phi = gan.D.features(x)
        a, b = (gan.D(x, torch.full((4,), k)) for k in (0, 2))
        table = gan.D.embed(torch.arange(3))
    torch.testing.assert_close(a - b, phi @ (table[0] - table[2])[:, None], rtol=1e-4, atol=1e-5)


def test_two_time_scales() -> None:
    gan = SAGAN(configure(Config, {"resolution": 8, "num_classes": 3, "G_ch": 8, "D_ch": 8, "G_attention": (8,),
                                   "D_attention": (4,)}))  # fmt: skip
    state = new_state(gan, CPU)
    groups = {name: optimiser.param_groups[0] for name, optimiser in state.optimisers.items()}
    assert (groups["G"]["lr"], groups["D"]["lr"]) == (1e-4, 4e-4)
    assert groups["G"]["betas"] == groups["D"]["betas"] == (0.0, 0.999)
    assert [(phase.player, phase.repeat) for phase in gan.phases()] == [("D", 1), ("G", 1)]


@pytest.mark.parametrize("name", ["sagan", "biggan"])
def test_ema_that_forgets_buffers(name: str) -> None:
    """A known trap: weights are averaged but batch-norm statistics and u stay where they were at the start."""
    state = new_state(tiny.build(name, ema=0.5, ema_start=0), CPU)
    expected = {k: v.clone() for k, v in state.gan.G.state_dict().items()}
    fresh = copy.deepcopy(expected)
    for _ in range(3):
        go(state, 1, tiny.images(state.gan))
        for key, live in state.gan.G.state_dict().items():
            expected[key].lerp_(live, 0.5)
    mean = state.average.players["G"].state_dict()
    torch.testing.assert_close(mean, expected)
    buffers = [k for k in mean if k.endswith(("stored_mean", "stored_var", "u0"))]
    assert buffers
    for key in buffers:
        assert not torch.equal(mean[key], fresh[key]), key
        assert not torch.equal(mean[key], state.gan.G.state_dict()[key]), key


def test_ema_buffers_can_be_copied_instead() -> None:
    state = new_state(tiny.build("sagan", ema=0.5, ema_start=0, ema_buffers="copy"), CPU)
    go(state, 3, tiny.images(state.gan))
    mean, live = state.average.players["G"].state_dict(), state.gan.G.state_dict()
    names = {name for name, _ in state.gan.G.named_parameters()}
    assert all(torch.equal(mean[k], live[k]) for k in live if k not in names)
    assert not all(torch.equal(mean[k], live[k]) for k in names)


def test_before_its_start_the_average_is_a_copy_and_it_is_what_samples() -> None:
    state = new_state(tiny.build("sagan", ema=0.9, ema_start=2), CPU)
    data = tiny.images(state.gan)
    go(state, 1, data)
    torch.testing.assert_close(state.average.players["G"].state_dict(), state.gan.G.state_dict(), rtol=0, atol=0)
    go(state, 3, data)
    live = state.gan.sample(1)
    with averaged(state.gan, state.average):
        assert not torch.allclose(state.gan.sample(1), live)
    assert torch.equal(state.gan.sample(1), live)


def test_attention_starts_as_the_identity_and_learns() -> None:
    gan = tiny.build("sagan")
    gammas = [p for name, p in gan.named_parameters() if name.endswith("gamma")]
    assert len(gammas) == 2
    assert all(g.item() == 0 for g in gammas)
    go(new_state(gan, CPU), 2, tiny.images(gan))
    assert all(g.item() != 0 for g in gammas)


@pytest.mark.parametrize(
    "values", [{"D_steps": 0}, {"G_ch": 0}, {"dim_z": 0}, {"G_ch": 1, "D_ch": 1}, {"resolution": 48}]
)
def test_impossible_settings_are_one_line(values: dict[str, int]) -> None:
    with pytest.raises(InputError) as error:
        SAGAN(configure(Config, values))
    assert "\n" not in str(error.value)


def test_epsilons_reach_every_layer() -> None:
    gan = tiny.build("sagan", sn_eps=0.03, bn_eps=0.02)
    normed = {name: m.eps for name, m in gan.G.named_modules() if isinstance(m, Statistics)}
    assert normed.pop("output_layer.0") == 0.02
    assert len(normed) == 2
    assert set(normed.values()) == {0.02}
    for player in (gan.G, gan.D):
        assert {m.sn_eps for m in player.modules() if hasattr(m, "sn_eps")} == {0.03}


@pytest.mark.parametrize("player", ["G", "D"])
def test_initialisers_reach_both_players(player: str) -> None:
    plain, narrow, biased = (tiny.build("sagan", **v) for v in ({}, {"init": "N02"}, {"bias_init": "torch"}))
    weights = {name: p for name, p in getattr(narrow, player).named_parameters() if p.dim() == 4 and p.numel() > 30}
    assert weights
    for name, p in weights.items():
        assert 0.01 < p.std() < 0.03, name
        assert getattr(plain, player).get_parameter(name).std() > 0.05, name
    biases = [name for name, _ in getattr(plain, player).named_parameters() if name.endswith("linear.bias")]
    assert biases
    for name in biases:
        assert not getattr(plain, player).get_parameter(name).any()
        assert getattr(biased, player).get_parameter(name).any()


def test_a_generator_step_follows_so_many_of_D() -> None:
    gan = tiny.build("sagan", D_steps=3)
    assert [(phase.name, phase.player, phase.repeat) for phase in gan.phases()] == [("D", "D", 3), ("G", "G", 1)]
