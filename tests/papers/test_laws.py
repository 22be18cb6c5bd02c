"""The laws that every paper keeps, over all of them."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganvas import latents
from ganvas.data import Images
from ganvas.engine import checkpoint
from ganvas.engine.checkpoint import State
from ganvas.engine.feed import Feed
from ganvas.engine.train import freeze_all_but, iterate, new_state, step
from ganvas.errors import InputError
from ganvas.gan import GAN, configure
from ganvas.papers import PAPERS
from tests import tiny

CPU = torch.device("cpu")
every_paper = pytest.mark.parametrize("name", tiny.TINY)


def state_of(name: str, **values: Any) -> State:
    return new_state(tiny.build(name, **values), CPU)


def go(state: State, iterations: int, data: Images, seed: int = 0) -> None:
    """The engine's own iteration, without folders."""
    gan = state.gan
    feed = Feed(data, seed, CPU, gan.config.flip)
    n = gan.config.batch
    for _ in range(iterations):
        real = partial(lambda origin, k: feed.batch(origin + k * n, n), gan.images_seen)
        rng = partial(latents.generator, "step", seed, gan.iteration)
        _, batches = iterate(gan, real, state.optimisers, rng)
        gan.images_seen += batches * n
        gan.iteration += 1
        if state.average is not None:
            state.average.update()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_every_paper_has_a_tiny_form() -> None:
    assert {paper for paper, _ in tiny.TINY.values()} == set(PAPERS)


@every_paper
def test_a_phase_moves_its_player_and_nobody_else(name: str) -> None:
    state = state_of(name)
    gan = state.gan
    for phase in gan.phases():
        before = {n: [p.clone() for p in m.parameters()] for n, m in gan.players().items()}
        freeze_all_but(gan, phase.player)
        optimiser = state.optimisers[phase.player]
        step(gan, phase, tiny.batch(gan), optimiser, lambda part: latents.generator(part), nullcontext, {})
        for player, module in gan.players().items():
            moved = any(not torch.equal(p, q) for p, q in zip(before[player], module.parameters()))
            assert moved == (player == phase.player), f"phase of {phase.player}: {player} moved is {moved}"


@every_paper
def test_two_seeded_runs_agree_bit_for_bit(name: str) -> None:
    runs = []
    for _ in range(2):
        state = state_of(name)
        go(state, 3, tiny.images(state.gan))
        runs.append(state.tensors())
    assert same(*runs)


@every_paper
def test_another_seed_is_another_run(name: str) -> None:
    runs = []
    for seed in range(2):
        state = state_of(name)
        go(state, 1, tiny.images(state.gan), seed)
        runs.append(state.tensors())
    assert not same(*runs)


@every_paper
def test_save_load_go_on_is_never_stopped(name: str, tmp_path: Path) -> None:
    through = state_of(name)
    data = tiny.images(through.gan)
    go(through, 5, data)

    first = state_of(name)
    go(first, 2, data)
    checkpoint.save(first, tmp_path)
    second = new_state(tiny.build(name, seed=99), CPU)
    checkpoint.restore(second, tmp_path)
    go(second, 3, data)
    assert same(through.tensors(), second.tensors())


@every_paper
def test_losses_are_functions_of_weights_and_what_was_drawn(name: str) -> None:
    """Replayed with the same draws, a loss is the same number, and it leaves the global random state alone."""
    gan = tiny.build(name)
    real = tiny.batch(gan)
    for phase in gan.phases():
        drawn = gan.draw(real, latents.generator("replay"))
        random_state = torch.get_rng_state()
        first, second = (phase.loss(real, drawn).total for _ in range(2))
        if not any(hasattr(m, "u0") for m in gan.modules()):  # power iteration moves u between the two
            assert torch.equal(first, second)
        assert torch.equal(random_state, torch.get_rng_state())


@every_paper
def test_one_seed_is_one_image_in_any_batch(name: str) -> None:
    gan = tiny.build(name)
    together = gan.sample(7, seed=3)
    torch.testing.assert_close(together, gan.sample(7, seed=3, batch=2), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(together[4:5], gan.sample(1, seed=7), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(together[0], together[1])


@every_paper
def test_sampling_changes_nothing(name: str) -> None:
    gan = tiny.build(name).train()
    before = {k: v.clone() for k, v in gan.state_dict().items()}
    gan.sample(3)
    assert same(before, gan.state_dict())
    assert all(module.training for module in gan.modules())


@every_paper
def test_accumulated_parts_see_the_whole_batch(name: str) -> None:
    """A batch in two parts moves the weights, and by other draws than a batch in one."""
    one, two = state_of(name), state_of(name, accumulate=2)
    for state in (one, two):
        go(state, 1, tiny.images(one.gan))
    assert not same(one.gan.state_dict(), two.gan.state_dict())
    assert one.gan.images_seen == two.gan.images_seen


def changed(field: str, value: Any) -> list[Any]:
    """Other values of a field to try, the likely first."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value * 2, value + 4, 1]
    if isinstance(value, float):
        return [value * 0.5 + 0.01, value + 0.1, 0.0, 1.0, 2.0]
    options = {
        "optimizer": ["adam", "rmsprop", "rmsprop_tf1"],
        "lr_schedule": ["linear", "cosine"],
        "ema_buffers": ["copy"],
        "G_net": ["mlp", "resnet64", "dcgan4"],
        "D_net": ["mlp", "resnet64", "dcgan4"],
        "D_norm": ["none", "batch", "layer"],
        "lipschitz": ["penalise", "clip"],
        "clip_when": ["before"],
        "pixel_range": ["unit"],
        "G_attention": [(), (4,)],
        "D_attention": [(), (8,)],
        "D_placement": ["nominal"],
        "rgb": ["bgpt"],
        "init": ["N02", "xavier", "ortho"],
        "bias_init": ["torch"],
        "ortho_form": ["code"],
    }
    return options[field]


def trace(gan: GAN) -> tuple[Any, ...]:
    """Everything that two iterations change: weights, averages, counters, losses."""
    state = new_state(gan, CPU)
    data = tiny.images(gan)
    go(state, 3, data)
    tensors = {k: v.double().sum().item() for k, v in state.tensors().items()}
    return (gan.images_seen, sorted(tensors.items()))


@pytest.mark.parametrize(
    ("paper", "field"), [(paper, field) for paper, kind in PAPERS.items() for field in kind.config_type.model_fields]
)
def test_every_config_field_changes_something(paper: str, field: str) -> None:
    """In some tiny form of the paper, another value of the field gives another run (or another shape)."""
    if field in ("conditional", "images"):
        return check_special(paper, field)
    for name, (of, values) in tiny.TINY.items():
        if of != paper:
            continue
        for helper in tiny.HELPERS.get(field, [{}]):
            base = {**values, **helper}
            kind = PAPERS[paper]
            default = getattr(configure(kind.config_type, base), field)
            for value in changed(field, default):
                if value == default:
                    continue
                try:
                    other = tiny.build(name, **{**helper, field: value})
                    here = tiny.build(name, **helper)
                    if here.state_dict().keys() != other.state_dict().keys():
                        return None
                    if trace(here) != trace(other):
                        return None
                except (InputError, RuntimeError):
                    continue
    raise AssertionError(f"no value of {field} changes anything")


def check_special(paper: str, field: str) -> None:
    """`conditional` decides what api.recipe takes from the data; `images` ends the run and bends the schedule."""
    from ganvas import api
    from ganvas.data import peek

    if field == "images":
        name = next(n for n, (of, _) in tiny.TINY.items() if of == paper)
        first, second = (trace(tiny.build(name, lr_schedule="linear", images=n)) for n in (48, 480))
        assert first != second
        return
    kind = peek("digits")
    presets = [n for n, (of, p) in api.presets().items() if of == paper and p.values.get("resolution") != 0]
    classes = set()
    for name in presets:
        for conditional in (False, True):
            try:
                recipe = api.recipe(name, kind, None, {"conditional": conditional})
            except InputError:
                continue
            assert recipe.config.num_classes == (10 if conditional else 0)
            classes.add(recipe.config.num_classes)
    assert classes == {0, 10}
