"""CSGAN: its objective by formula, what it has in common with CycleGAN, its schedule, its pools through the engine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganvas import api, rng
from ganvas.config import configure
from ganvas.data import Pairs, PairSet
from ganvas.engine import checkpoint
from ganvas.engine.feed import Feed
from ganvas.engine.step import iterate
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import GAN, Given
from ganvas.papers.csgan import CSGAN, Config
from ganvas.presets import preset
from ganvas.recipes import as_meant
from tests import tiny

CPU = torch.device("cpu")


def loss_and_gradients(gan: GAN, **given: Any) -> tuple[Tensor, list[Tensor]]:
    """G's loss on a batch of noise, and its gradients for both generators."""
    real = tiny.batch(gan)
    loss = gan.phases()[0].loss(real, gan.draw(real, rng.generator("test")))
    loss.total.backward()
    return loss.total.detach(), [p.grad.clone() for p in gan.G.parameters()]


def l1(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


def by_hand(gan: GAN, c: Config) -> Tensor:
    """The objective as the specification writes it, term by term."""
    real = tiny.batch(gan)
    a, b, AB, BA, D = real.given.source, real.x, gan.G["AB"], gan.G["BA"], gan.D
    fake_b, fake_a = AB(a), BA(b)
    cycled_a, cycled_b = BA(fake_b), AB(fake_a)
    total = ((D["B"](fake_b) - 1) ** 2).mean() + ((D["A"](fake_a) - 1) ** 2).mean()
    total = total + 10 * l1(cycled_a, a) + 10 * l1(cycled_b, b)
    total = total + c.cs * (l1(fake_a, cycled_a.detach()) + l1(fake_b, cycled_b.detach()))
    if c.identity:
        total = total + c.identity * (l1(AB(b), b) + l1(BA(a), a))
    total = total + c.direct * (l1(fake_b, b) + l1(fake_a, a))
    if c.judge_cycled:
        total = total + ((D["B"](cycled_b) - 1) ** 2).mean() + ((D["A"](cycled_a) - 1) ** 2).mean()
    return total


@pytest.mark.parametrize(
    "values",
    [{}, {"cs": 0.0}, {"direct": 15.0, "judge_cycled": True}, {"channels": 3, "identity": 5.0, "cs": 0.0}],
    ids=["csgan", "cyclegan", "cdgan", "identity"],
)
def test_the_loss_of_the_generators_by_formula(values: dict[str, Any]) -> None:
    gan = tiny.build("csgan", **values)
    total, gradients = loss_and_gradients(gan)
    again = tiny.build("csgan", **values)
    expected = by_hand(again, again.config)
    expected.backward()
    torch.testing.assert_close(total, expected.detach())
    for ours, p in zip(gradients, again.G.parameters()):
        torch.testing.assert_close(ours, p.grad, rtol=1e-4, atol=1e-6)


def test_a_cut_target_changes_gradients_and_not_the_loss() -> None:
    total, cut = loss_and_gradients(tiny.build("csgan"))
    same, whole = loss_and_gradients(tiny.build("csgan", detach=False))
    torch.testing.assert_close(total, same)
    assert max((x - y).abs().max().item() for x, y in zip(cut, whole)) > 1e-2


def test_four_passes_through_the_generators_make_a_step() -> None:
    """The released code makes eight, and ten with an identity loss."""
    assert passes(tiny.build("csgan")) == 4
    assert passes(tiny.build("csgan", channels=3, identity=5.0)) == 6


def passes(gan: GAN) -> int:
    """How often the generators run in an iteration."""
    calls: list[int] = []
    for net in gan.G.values():
        net.register_forward_hook(lambda *_: calls.append(1))
    iterations(gan, new_state(gan, CPU), 1, tiny.images(gan))
    return len(calls)


def test_the_loss_of_the_discriminators_by_formula() -> None:
    gan = tiny.build("csgan-cdgan")
    real, fakes = tiny.batch(gan), gan.show(tiny.batch(gan), rng.generator("test"))
    other = tiny.batch(gan, seed=5)
    fakes = type(fakes)(other.given.source, other.x, -other.given.source, -other.x)
    total = torch.zeros(())
    for side, x, shown in (("A", real.given.source, other.given.source), ("B", real.x, other.x)):
        for fake in (shown, -shown):
            total = total + 0.5 * (((gan.D[side](x) - 1) ** 2).mean() + (gan.D[side](fake) ** 2).mean())
    torch.testing.assert_close(gan.D_loss(real, fakes).total, total)
    plain = tiny.build("csgan")
    torch.testing.assert_close(plain.D_loss(real, fakes).total, plain.D_loss(real, type(fakes)(fakes.A, fakes.B)).total)


def test_the_learning_rate_holds_and_falls_by_epochs() -> None:
    gan = CSGAN(configure(Config, {"G_width": 1, "D_width": 1, "num_blocks": 1, "pool": 0, "D_lr": 1e-3}))
    gan.dataset_size = 7
    factors = {}
    for epoch in (1, 99, 100, 150, 199, 200, 230):
        gan.images_seen = 7 * (epoch - 1) + 6
        factors[epoch] = gan.rule("G").lr / 2e-4
        assert gan.rule("D").lr == pytest.approx(factors[epoch] * 1e-3)
    wanted = {1: 1.0, 99: 1.0, 100: 0.990099, 150: 0.49505, 199: 0.009901, 200: 0.0, 230: 0.0}
    assert factors == pytest.approx(wanted, abs=1e-6)
    assert gan.rule("G").betas == (0.5, 0.999)


@pytest.mark.parametrize(
    ("name", "G", "D"), [("csgan-256", 2 * 11_378_179, 2 * 2_764_737), ("csgan-128", 2 * 7_837_699, 2 * 2_764_737)]
)
def test_parameter_counts(name: str, G: int, D: int) -> None:
    with torch.device("meta"):
        gan = CSGAN(as_meant(preset(name)))
    assert gan.parameter_counts() == {"G": G, "D": D}


def test_counts_of_a_grey_domain() -> None:
    with torch.device("meta"):
        gan = CSGAN(configure(Config, {"channels_A": 1}))
    counts = {name: sum(p.numel() for p in net.parameters()) for name, net in gan.G.items()}
    assert counts == {"AB": 11_371_907, "BA": 11_371_905}
    assert sum(p.numel() for p in gan.D["A"].parameters()) == 2_762_689


def iterations(gan: GAN, state: Any, count: int, data: PairSet) -> list[Any]:
    """So many iterations of the engine.  -> what D was shown in each"""
    feed, shown, n = Feed(data, 0, CPU, gan.config.flip), [], gan.config.batch
    for _ in range(count):
        real = partial(lambda origin, k: feed.batch(origin + k * n, n), gan.images_seen)
        iterate(gan, real, state.optimisers, partial(rng.generator, "step", 0, gan.iteration))
        gan.images_seen += n
        gan.iteration += 1
        shown.append(gan.pools.shown)
    return shown


def test_the_pool_shows_old_fakes_once_it_is_full() -> None:
    gan = tiny.build("csgan", pool=4, ema=0.0)
    fakes: list[Tensor] = []
    gan.G["AB"].register_forward_hook(lambda net, given, made: fakes.append(made.detach()))
    shown = iterations(gan, new_state(gan, CPU), 4, tiny.images(gan))
    made = torch.cat(fakes[::2])  # AB makes fakes, then cycled images
    assert torch.equal(shown[0].B, made[:4]), "the first are shown as they come"
    later = torch.cat([fakes.B for fakes in shown[1:]])
    ages = [i + 4 - int(torch.nonzero((made == x).all(3).all(2).all(1))[0]) for i, x in enumerate(later)]
    assert min(ages) == 0
    assert max(ages) > 0, "none was shown again"
    none = tiny.build("csgan", pool=0, ema=0.0)
    fakes.clear()
    none.G["AB"].register_forward_hook(lambda net, given, made: fakes.append(made.detach()))
    shown = iterations(none, new_state(none, CPU), 3, tiny.images(none))
    assert torch.equal(torch.cat([s.B for s in shown]), torch.cat(fakes[::2]))


def test_d_sees_fakes_from_before_the_step_of_g() -> None:
    gan = tiny.build("csgan", pool=0)
    before = {k: v.clone() for k, v in gan.G.state_dict().items()}
    data = tiny.images(gan)
    real = Feed(data, 0, CPU, gan.config.flip).batch(0, 4)
    (shown,) = iterations(gan, new_state(gan, CPU), 1, data)
    after = gan.G["AB"](real.given.source).detach()
    gan.G.load_state_dict(before)
    torch.testing.assert_close(shown.B, gan.G["AB"](real.given.source).detach())
    assert (shown.B - after).abs().max() > 1e-3


def test_pools_are_in_the_checkpoint_and_not_in_the_model(tmp_path: Path) -> None:
    gan = tiny.build("csgan", pool=4)
    state = new_state(gan, CPU)
    iterations(gan, state, 2, tiny.images(gan))
    checkpoint.save(state, tmp_path)
    other = new_state(tiny.build("csgan", seed=9, pool=4), CPU)
    checkpoint.restore(other, tmp_path)
    assert torch.equal(other.gan.memory.pools.pools["B"].images, gan.memory.pools.pools["B"].images)
    assert not any("pool" in name for name in gan.model_state())


# ---- what it reads


def corners(paired: bool = True, load: int = 12, size: tuple[int, int] = (8, 8), m: int = 40) -> PairSet:
    """Pairs whose pixels say where they are from: a holds row * 16 + column, b the same, and which image."""
    place = (np.arange(load)[:, None] * 16 + np.arange(load)).astype(np.uint8)
    a = np.broadcast_to(place, (m, 1, load, load)).copy()
    b = a.copy()
    a[:, :, 0, 0] = b[:, :, 0, 0] = 0
    names = [str(i) for i in range(m)]
    both = Pairs(a, b, names, names, paired, "corners", "none", {"split": "train"}, [])
    return PairSet(both, both, size, shared=False)


def test_both_sides_of_a_pair_have_one_crop_and_one_flip() -> None:
    batch = Feed(corners(), 0, CPU, flip=True).batch(0, 40)
    assert batch.x.shape == (40, 1, 8, 8)
    assert torch.equal(batch.x, batch.given.source)
    first = ((batch.x[:, 0, 0] + 1) * 127.5).round()  # the first row of each crop
    assert len({tuple(row) for row in first.tolist()}) > 15, "crops and flips vary"
    assert ((first[:, 1:] - first[:, :-1]) < 0).all(1).any(), "none was mirrored"


def test_unpaired_sides_go_their_own_ways() -> None:
    batch = Feed(corners(paired=False), 0, CPU, flip=True).batch(0, 40)
    equal = (batch.x == batch.given.source).flatten(1).all(1)
    assert equal.float().mean() < 0.2


def test_unpaired_sides_of_unlike_length_are_both_used() -> None:
    a, b = np.arange(7, dtype=np.uint8), np.arange(3, dtype=np.uint8)
    sides = [np.broadcast_to(x[:, None, None, None], (len(x), 1, 8, 8)) for x in (a, b)]
    both = Pairs(*sides, [], [], False, "odd", "none", {"split": "train"}, [])
    batch = Feed(PairSet(both, both, (8, 8), shared=False), 0, CPU).batch(0, 70)
    seen = [((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist() for x in (batch.given.source, batch.x)]
    assert [seen[0].count(i) for i in range(7)] == [10] * 7
    assert set(seen[1]) == {0, 1, 2}
    beside = {y for x, y in zip(*seen) if x == 0}
    assert len(beside) > 1, "an image of A has another beside it in each epoch"


def test_every_tenth_pair_is_held_out_where_no_split_is() -> None:
    a = np.broadcast_to(np.arange(25, dtype=np.uint8)[:, None, None, None], (25, 1, 8, 8))
    names = [str(i) for i in range(25)]
    both = Pairs(a, a, names, names, True, "tenth", "none", {"split": "train"}, [])
    data = PairSet(both, both, (8, 8), shared=True)
    batch = Feed(data, 0, CPU).batch(0, len(data))
    seen = ((batch.x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
    assert sorted(seen) == [i for i in range(25) if i not in (0, 10, 20)]


# ---- what is refused, and what a recipe makes of the data


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"paired": False}, "without pairs set cs=0"),
        ({"channels_A": 1, "identity": 5.0}, "equally many channels"),
        ({"load_size": 128}, "load_size=128, expected the resolution of 256 or more"),
        ({"epochs": 50}, "epochs_constant=100, expected at most epochs=50"),
        ({"num_classes": 10}, "no classes"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        configure(Config, values)


def test_a_seed_alone_makes_nothing() -> None:
    with pytest.raises(InputError, match="images of images, not of seeds"):
        tiny.build("csgan").sample(4)


def test_a_recipe_takes_channels_length_and_size_from_the_data() -> None:
    kind = api.peek("csgan-demo", "photo-edges")
    config = api.recipe("csgan-demo", kind).config
    assert (config.channels_A, config.channels, config.shape) == (1, 3, (3, 64, 64))
    assert config.images == kind.count * config.epochs
    oblong = api.recipe("csgan-demo", kind, (32, 48), {"images": 5, "epochs": 11}).config
    assert (oblong.shape, oblong.images, oblong.epochs) == ((3, 32, 48), 5, 11)
    assert (api.default_data("csgan-demo"), api.default_data("csgan")) == ("photo-grey", "photo-edges")
    with pytest.raises(InputError, match="makes square images, 48x32 pixels asked for"):
        api.recipe("wgan-32", api.peek("wgan-32", "digits"), (32, 48))


def test_oblong_images_go_through_both_players() -> None:
    gan = tiny.build("csgan", width=12)
    total, _ = loss_and_gradients(gan)
    assert torch.isfinite(total)
    assert gan.sample(2, given=Given(source=torch.zeros(2, 3, 8, 12))).shape == (2, 1, 8, 12)


def test_a_sheet_shows_input_output_truth_and_cycle_both_ways() -> None:
    gan = tiny.build("csgan")
    real = tiny.batch(gan, 3)
    picture = gan.sheet(real)
    assert (picture.x.shape, picture.columns) == ((24, 3, 8, 8), 8)
    made = gan.translate(real.given.source)
    wanted = [real.given.source, made, real.x, gan.translate(made, "a"), real.x, gan.translate(real.x, "a")]
    for column, x in enumerate(wanted):
        torch.testing.assert_close(picture.x[column::8], x.expand(-1, 3, -1, -1), msg=str(column))
