"""The laws that every paper keeps, over all of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Container, Iterator
from contextlib import nullcontext
from functools import cache, partial
from inspect import get_annotations
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from torch import Tensor

from ganvas import config, papers, rng, rows
from ganvas.config import configure
from ganvas.data import Dataset
from ganvas.engine import checkpoint
from ganvas.engine.checkpoint import State
from ganvas.engine.feed import Feed
from ganvas.engine.step import Halted, freeze_all_but, iterate, step
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.papers import PAPERS
from tests import tiny

CPU = torch.device("cpu")
every_paper = pytest.mark.parametrize("name", tiny.TINY)


def state_of(name: str, **values: Any) -> State:
    return new_state(tiny.build(name, **values), CPU)


def go(state: State, iterations: int, data: Dataset, seed: int = 0) -> None:
    """The engine's own iteration, without folders."""
    gan = state.gan
    feed = Feed(data, seed, CPU, gan.config.flip)
    n = gan.config.batch
    for _ in range(iterations):
        real = partial(lambda origin, k: feed.batch(origin + k * n, n), gan.images_seen)
        draws = partial(rng.generator, "step", seed, gan.iteration)
        renewed = partial(lambda origin, batch, phase, k: feed.renewed(batch, origin + k * n, phase), gan.images_seen)
        _, batches = iterate(gan, real, state.optimisers, draws, renewed=renewed)
        gan.images_seen += batches * n
        gan.iteration += 1
        if state.average is not None:
            state.average.update()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


LONGER: set[str] = set()  # none is let off


def test_a_paper_fits_on_three_screens() -> None:
    """At most 150 lines a file; a file that is let off and no longer needs it must not be let off."""
    lengths = {path.name: len(path.read_text().splitlines()) for path in Path(papers.__file__).parent.glob("*.py")}
    assert {name for name, length in lengths.items() if length > 150} == LONGER, lengths


# Who gives the values of a base field their meaning: a paper that adds values to one must replace that method.
READ_BY = {"lr_schedule": GAN.lr_share, "optimizer": GAN.rule, "ema_buffers": GAN.decay, "augment": GAN.draw}


def redefined(kind: type[config.Config]) -> list[str]:
    """The base's fields that a Config writes anew, itself or in the networks' part of it."""
    own = {name for part in kind.__mro__ if part is not config.Config for name in get_annotations(part)}
    return sorted(own & set(config.Config.model_fields))


def changed_meaning(kind: type[config.Config], field: str, replaced: Container[str]) -> str | None:
    """What else than its default a Config changes of a base field; None where nothing.

    It keeps the type, its condition, and what may be said: fewer values of a Literal are the same field, other values
    only where the paper replaces the method that reads them (`replaced`: the names of its own methods).
    """
    base, here = config.Config.model_fields[field], kind.model_fields[field]
    if here.json_schema_extra != base.json_schema_extra:
        return f"counts under {here.json_schema_extra} and not under {base.json_schema_extra}"
    if here.annotation == base.annotation:
        return None
    if get_origin(here.annotation) is not Literal or get_origin(base.annotation) is not Literal:
        return f"is {here.annotation} and not {base.annotation}"
    added = set(get_args(here.annotation)) - set(get_args(base.annotation))
    reader = READ_BY.get(field)
    return f"may be {added}, which nobody reads" if added and (not reader or reader.__name__ not in replaced) else None


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_gives_no_base_field_another_meaning(paper: str) -> None:
    """Another default is fine, another type, condition or value is another field and deserves another name."""
    kind = PAPERS[paper].config_type
    found = {field: changed_meaning(kind, field, vars(PAPERS[paper])) for field in redefined(kind)}
    assert {field: why for field, why in found.items() if why} == {}


def test_another_meaning_is_noticed() -> None:
    """The law itself: what it lets pass and what it does not."""

    class Narrow(config.Config):
        ema: float = 0.5
        optimizer: Literal["adam"] = "adam"  # type: ignore[assignment]

    class Other(config.Config):
        batch: float = 1.0  # type: ignore[assignment]
        beta1: float = 0.5  # counts whatever the optimiser
        lr_schedule: Literal["steps", "constant"] = "steps"  # type: ignore[assignment]

    assert redefined(Narrow) == ["ema", "optimizer"]
    assert [changed_meaning(Narrow, field, ()) for field in redefined(Narrow)] == [None, None]
    assert redefined(Other) == ["batch", "beta1", "lr_schedule"]
    reasons = [changed_meaning(Other, field, ()) for field in redefined(Other)]
    assert [str(why).split()[0] for why in reasons] == ["is", "counts", "may"]
    assert changed_meaning(Other, "lr_schedule", {"lr_share"}) is None


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
        step(gan, phase, tiny.batch(gan), optimiser, lambda: rng.generator(0), nullcontext, {})
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
def test_an_iteration_left_in_its_middle_goes_on_as_if_it_never_was(name: str, tmp_path: Path) -> None:
    """After every one of its optimiser steps: state and logs are those of an iteration that was not left."""
    through = state_of(name)
    data = tiny.images(through.gan)
    gan, n = through.gan, through.gan.config.batch
    feed = Feed(data, 0, CPU, gan.config.flip)
    go(through, 1, data)
    start, draws = gan.images_seen, partial(rng.generator, "step", 0, gan.iteration)
    checkpoint.save(through, tmp_path / "start")
    logs, _ = iterate(gan, lambda k: feed.batch(start + k * n, n), through.optimisers, draws)
    steps = sum(phase.repeat for phase in gan.phases() if gan.iteration % phase.every == 0)
    for halt in range(1, steps):
        state = new_state(tiny.build(name, seed=99), CPU)
        checkpoint.restore(state, tmp_path / "start")
        with pytest.raises(Halted) as halted:
            iterate(
                state.gan, lambda k: feed.batch(start + k * n, n), state.optimisers, draws,
                asked=lambda done, _, halt=halt: done == halt,
            )  # fmt: skip
        state.half = halted.value.half
        assert state.half.steps == halt
        checkpoint.save(state, tmp_path / str(halt))
        again = new_state(tiny.build(name, seed=7), CPU)
        checkpoint.restore(again, tmp_path / str(halt))
        found, _ = iterate(again.gan, lambda k: feed.batch(start + k * n, n), again.optimisers, draws, half=again.half)
        again.half = None
        assert same(through.tensors(), again.tensors())
        assert same(logs, found)


@every_paper
def test_losses_are_functions_of_weights_and_what_was_drawn(name: str) -> None:
    """Replayed with the same draws, a loss is the same number, and it leaves the global random state alone."""
    gan = tiny.build(name)
    real = tiny.batch(gan)
    for phase in gan.phases():
        drawn = (phase.draw or gan.draw)(real, rng.generator("replay"))
        before = {k: v.clone() for k, v in gan.state_dict().items()}
        random_state = torch.get_rng_state()
        first = phase.loss(real, drawn)
        after = gan.state_dict()
        assert all(torch.equal(after[k], v) for k, v in before.items() if k in dict(gan.named_parameters())), "moved"
        gan.load_state_dict(before)  # spectral norm's vectors and batch norm's statistics follow each forward
        second = phase.loss(real, drawn)
        assert torch.equal(first.total, second.total)
        assert first.kept.keys() == second.kept.keys()
        assert all(torch.equal(v, second.kept[k]) and not v.requires_grad for k, v in first.kept.items())
        assert torch.equal(random_state, torch.get_rng_state())


@every_paper
def test_one_seed_is_one_image_in_any_batch(name: str) -> None:
    gan = tiny.build(name)
    given = tiny.given(gan, 7)
    fifth = given and rows.take(given, slice(4, 5))
    together = gan.sample(7, seed=3, given=given)
    torch.testing.assert_close(together, gan.sample(7, seed=3, batch=2, given=given), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(together[4:5], gan.sample(1, seed=7, given=fifth), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(together[0], together[1])


@every_paper
def test_sampling_changes_nothing(name: str) -> None:
    gan = tiny.build(name).train()
    before = {k: v.clone() for k, v in gan.state_dict().items()}
    gan.sample(3, given=tiny.given(gan, 3))
    assert same(before, gan.state_dict())
    assert all(module.training for module in gan.modules())


def coupled(gan: GAN) -> bool:
    """Does a player couple the samples of a batch in training mode, as batch norm and minibatch deviation do?"""
    names = [type(m).__name__ for m in gan.modules()]
    grouped = any(getattr(m, "group", 1) > 1 for m in gan.modules())
    return grouped or any("Norm" in name and "Layer" not in name for name in names)


@every_paper
def test_accumulating_changes_memory_and_not_the_run(name: str) -> None:
    """A batch in two parts draws what a batch in one draws; batch norm and spectral norm's extra iterations aside,
    the gradients are the same too."""
    one, two = tiny.build(name), tiny.build(name, accumulate=2)
    for phase, again in zip(one.phases(), two.phases()):
        real = tiny.batch(one)
        drawn = (phase.draw or one.draw)(real, rng.generator("draw"))
        parts = rows.split((again.draw or two.draw)(real, rng.generator("draw")), 2)
        joined = rows.concat(parts)
        for field in dataclasses.fields(drawn):
            whole, halves = getattr(drawn, field.name), getattr(joined, field.name)
            assert torch.equal(whole, halves) if isinstance(whole, Tensor) else True, field.name
    if coupled(one) or any(hasattr(m, "u0") for m in one.modules()):
        return
    for gan in (one, two):
        state = new_state(gan, CPU)
        go(state, 1, tiny.images(gan))
    for key, value in one.state_dict().items():
        torch.testing.assert_close(value, two.state_dict()[key], rtol=1e-3, atol=1e-6, msg=key)


@every_paper
def test_two_phases_have_unlike_draws_and_log_keys(name: str) -> None:
    gan = tiny.build(name)
    phases = gan.phases()
    assert len({phase.name for phase in phases}) == len(phases)
    asked: list[tuple[str, int]] = []

    def draws(phase: str, k: int) -> torch.Generator:
        asked.append((phase, k))
        return rng.generator(phase, k)

    state = new_state(gan, CPU)
    logs, _ = iterate(gan, lambda k: tiny.batch(gan, seed=k), state.optimisers, draws)
    assert asked == [(phase.name, k) for phase in phases for k in range(phase.repeat)]
    assert {f"{phase.name}/{what}" for phase in phases for what in ("loss", "grad")} <= logs.keys()


@every_paper
def test_a_model_holds_no_training_memory(name: str) -> None:
    gan = tiny.build(name)
    gan.memory.register_buffer("pool", torch.ones(3))
    model = gan.model_state()
    assert "memory.pool" in gan.state_dict()
    assert not any(key.startswith("memory") for key in model)
    other = tiny.build(name, seed=1)
    other.memory.register_buffer("pool", torch.zeros(3))
    other.load_model_state(model)
    assert torch.equal(other.memory.get_buffer("pool"), torch.zeros(3))
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in model.items())
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_model_state(dict(list(model.items())[1:]))


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
        "ema_buffers": ["copy", "average"],
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
        "G_only": [True],
        "init": ["N02", "xavier", "ortho"],
        "bias_init": ["torch"],
        "ortho_form": ["code"],
        "augment": ["diffaugment", "ada"],
        "augment_policy": [("translation",)],
        "features": ["others"],
        "fake_y": ["independent"],
        "net": ["sngan"],
        "rule": ["gradient", "none"],
        "mask": ["element_random", "sample"],
        "cost_on": ["D", "G"],
        "detach": ["D", "G", "both"],
        "objective": ["ac", "tac"],
        "adversarial": ["logistic", "none"],
        "class_loss": ["hinge"],
        "discriminator": ["plain"],
        "prior": ["uniform"],
        "pixels": ["sum"],
        "cutmix": ["always", "none"],
        "noise": ["seed", "constant", "none"],
    }
    return options[field]


def trace(gan: GAN) -> Iterator[bytes]:
    """Hashes, each when it is asked for: of the first weights; of everything that each of two iterations changes,
    weights, averages, counters; of what comes out, samples."""
    state = new_state(gan, CPU)
    yield hashed(state.tensors())
    for _ in range(2):
        go(state, 1, tiny.images(gan))
        yield hashed(state.tensors(), gan.images_seen)
    if gan.seeds_suffice:
        yield hashed({"full": gan.sample(2), "truncated": gan.sample(2, truncation=0.5)})


def hashed(tensors: dict[str, Tensor], count: int = 0) -> bytes:
    total = hashlib.sha256(str(count).encode())
    for key, value in sorted(tensors.items()):
        total.update(key.encode() + value.numpy().tobytes())
    return total.digest()


@cache
def usual(name: str) -> list[bytes]:
    return list(trace(tiny.build(name)))


def matters(name: str, field: str, **helper: Any) -> bool:
    """In this tiny form, does another value of the field give other shapes or another run, or is every one refused?"""
    here = tiny.build(name, **helper)
    refused = True
    for value in changed(field, getattr(here.config, field)):
        if value == getattr(here.config, field):
            continue
        try:
            other = tiny.build(name, **{**helper, field: value})
            refused = False
            if here.state_dict().keys() != other.state_dict().keys():
                return True
            known = trace(tiny.build(name, **helper)) if helper else usual(name)
            if any(a != b for a, b in zip(known, trace(other))):  # no further than to the first that differs
                return True
        except (InputError, RuntimeError):
            continue
    return refused


SPECIAL = {"conditional", "images", "accumulate"}  # each has a test of its own
LATER = {"ada_target", "ada_speed"}  # move after four iterations: tests/test_limited.py looks at them
FIELDS = {paper: list(kind.config_type.model_fields) for paper, kind in PAPERS.items()}


@pytest.mark.parametrize(("name", "field"), [(n, f) for n, (p, _) in tiny.TINY.items() for f in FIELDS[p]])
def test_a_field_changes_something_or_cannot_be_set(name: str, field: str) -> None:
    """For each network: where a field does not count, another value than the default is refused with the reason."""
    if field in SPECIAL:
        return
    config = tiny.build(name).config
    if config.unmet(field) is None:
        assert matters(name, field) or any(matters(name, field, **helper) for helper in tiny.HELPERS.get(field, []))
        return
    default = type(config).model_fields[field].default
    value = next(v for v in changed(field, default) if v != default)
    with pytest.raises(InputError, match=f"{field}=.* given, but it counts only with|expected|must|needs|set "):
        tiny.build(name, **{field: value})


@pytest.mark.parametrize(("paper", "field"), [(paper, field) for paper, fields in FIELDS.items() for field in fields])
def test_every_field_counts_somewhere(paper: str, field: str) -> None:
    """A field that counts in no tiny form counts with the help of others."""
    if field in SPECIAL:
        check_special(paper, field)
        return
    forms = [name for name, (of, _) in tiny.TINY.items() if of == paper]
    if field in PAPERS[paper].config_type.LACKS or field in LATER:
        return
    if all(tiny.build(name).config.unmet(field) is not None for name in forms):
        assert any(matters(name, field, **helper) for name in forms for helper in tiny.HELPERS[field])


def check_special(paper: str, field: str) -> None:
    """`conditional` decides what api.recipe takes from the data; `images` ends the run and bends the schedule."""
    from ganvas import api
    from ganvas.data import peek

    if field == "accumulate":
        return
    if field == "images":
        name = next(n for n, (of, _) in tiny.TINY.items() if of == paper)
        first, second = (trace(tiny.build(name, lr_schedule="linear", images=n)) for n in (48, 480))
        assert first != second
        return
    if PAPERS[paper].reads == "pairs":
        with pytest.raises(InputError, match="no classes"):
            tiny.build(paper, conditional=True)
        return
    kind = peek("digits")
    classes = set()
    for name in (n for n, row in api.presets().items() if row.paper == paper and row.values.get("resolution") != 0):
        for conditional in (False, True):
            try:
                recipe = api.recipe(name, kind, None, {"conditional": conditional})
            except InputError:
                continue
            assert recipe.config.num_classes == (10 if conditional else 0)
            classes.add(recipe.config.num_classes)
    assert classes == ({0, 10} if takes_classes(paper) else {0})


def takes_classes(paper: str) -> bool:
    """A paper without classes refuses `conditional`, whatever the data have."""
    try:
        configure(PAPERS[paper].config_type, {"conditional": True})
    except InputError:
        return False
    return True
