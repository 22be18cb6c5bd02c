"""What scripts, the command line and servers call: presets, `load`, `train`.  Here papers, engine and data meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from ganvas import costs
from ganvas import data as datasets
from ganvas.config import Config, configure
from ganvas.data import Dataset, Wanted
from ganvas.devices import choose_device
from ganvas.engine import checkpoint
from ganvas.engine.checkpoint import State
from ganvas.engine.cut import cut_of
from ganvas.engine.estimate import Estimate
from ganvas.engine.log import Screen
from ganvas.engine.parallel import joined, own_device
from ganvas.engine.rehearsal import Cost
from ganvas.engine.run import Run, Settings, Silent
from ganvas.engine.step import NonFinite
from ganvas.engine.train import Outcome, new_state
from ganvas.engine.train import train as run_training
from ganvas.errors import InputError, in_words
from ganvas.files import LOCK, drop_strays, held, one_line, remove_contents, remove_empty, to_be_made
from ganvas.gan import GAN
from ganvas.models import folder as model_folder
from ganvas.models import starting, zoo
from ganvas.models.folder import Description
from ganvas.papers import PAPERS
from ganvas.presets import presets
from ganvas.recipes import Recipe, default_data, papers, peek, recipe, rehearse
from ganvas.scoring import choose
from ganvas.team import ALONE, Team

__all__ = [
    "Recipe",
    "choose_device",
    "default_data",
    "dry_run",
    "from_pretrained",
    "load",
    "papers",
    "peek",
    "presets",
    "recipe",
    "resume",
    "train",
]


MEMORY = ("micro_batch", "recompute")  # settings of memory alone, which a resumed run may change


def load(model: str | Path, device: str | None = None) -> GAN:
    """The GAN of a model folder, of a model that ships, or of "user/name" on the Hugging Face hub.

    In evaluation mode on the device; "user/name@revision" is a commit, branch or tag of the hub (extra: hub).
    Sample it with `gan.sample(n=16, seed=0)`.  Needs no training data; nothing in the folder can execute code.
    Raises InputError for a folder that is missing, damaged or not a model.
    """
    return model_folder.load(zoo.find(model), choose_device(device))


def from_pretrained(model: str | Path, device: str | None = None) -> GAN:
    """`load`, by the name it has elsewhere."""
    return load(model, device)


def dry_run(recipe: Recipe, settings: Settings) -> tuple[dict[str, int], Estimate, Cost]:
    """Parameter counts, what is counted on paper, and what the run would cost.  Raises InputError if it cannot fit."""
    rehearse(recipe)
    must_be_trainable(recipe, settings)
    noise = PAPERS[recipe.paper].reads == "images"
    data = None if noise else load_data(recipe.paper, settings, recipe.config, Screen())
    paper = costs.on_paper(recipe, torch.device(settings.device))
    settings = settled(recipe, settings, data, Screen(), ALONE)
    found = costs.cost(shared(recipe, settings, ALONE), settings, data)
    _, found = costs.sparing(settings, found, recipe.config.images)
    return recipe.on_meta().parameter_counts(), paper, found


def must_be_trainable(recipe: Recipe, settings: Settings) -> None:
    """Raises InputError for what a training would refuse once it had its data, found without decoding them."""
    if PAPERS[recipe.paper].reads != "images":
        return
    choose.known(settings.score, settings.data, len(recipe.config.shape) == 1, bool(recipe.config.num_classes))
    if len(recipe.config.shape) == 3:
        datasets.looked_over(settings.data, recipe.config.channels, settings.classes, settings.max_unreadable)


def load_data(paper: str, settings: Settings, config: Config, screen: Screen) -> Dataset:
    """The rows that a recipe trains on, decoded."""
    reader = datasets.READERS[PAPERS[paper].reads]
    wanted = Wanted(
        config.shape,
        settings.fit,
        settings.max_unreadable,
        decoding(screen),
        config.reading(),
        settings.classes,
        screen.say,
        stage(screen),
    )
    return reader.load(settings.data, wanted)


def train(recipe: Recipe, settings: Settings, out: Path, screen: Screen | None = None, note: str = "") -> Outcome:
    """Trains a recipe from scratch into the folder `out`, which must not hold a run yet.

    A failure before the first iteration is done leaves nothing behind.  note: a line to say once all input is known
    to be good.  Raises InputError for what a person can mend.
    """
    rehearse(recipe)
    screen = screen or Screen()
    device = torch.device(settings.device)
    with joined(device) as team, _new_folder(out) if team.first else nullcontext(), enough_memory(settings.device):
        data = team.in_turn(lambda: load_data(recipe.paper, settings, recipe.config, screen))
        team.must_share(data.fingerprint, f"data set under the name {data.name}")
        settings = agreed(
            team, settings, lambda: priced(recipe, settled(recipe, settings, data, screen, team), data, screen, team)
        )
        gan = recipe.build(settings.seed)
        if settings.source:
            names = data.class_names if recipe.config.num_classes else []
            for line in starting.take(gan, Path(settings.source), names):
                screen.say(line)
        state = new_state(gan, device)
        run, description = _run(recipe, settings, out, data, screen, team)
        state.gan.class_names = description.class_names
        state.gan.remember(data)
        state.share(team)
        run.write_picture(state)
        run.save(state)
        if note:
            screen.say(note)
        where = f"{settings.device}, {team.size} processes" if team.size > 1 else settings.device
        screen.say(f"training {recipe.preset} on {data.name} ({len(data):,} images), {where}, into {out}")
        return to_the_end(run, state, team)


def agreed(team: Team, settings: Settings, make: Callable[[], Settings]) -> Settings:
    """What the first process makes of the settings, in all of them; each stays on its own device."""
    return team.told(make).model_copy(update={"device": settings.device})


def settled(recipe: Recipe, settings: Settings, data: Dataset | None, screen: Screen, team: Team) -> Settings:
    """The settings with the rows that fit, where they are to be found."""
    if settings.micro_batch != "auto":
        return settings
    rows = costs.micro_batch(recipe, settings, data, team.size, team.here)
    screen.say(f"micro-batch: {rows} of the {recipe.config.batch // team.size} rows of a process at a time")
    return settings.model_copy(update={"micro_batch": rows})


def priced(recipe: Recipe, settings: Settings, data: Dataset, screen: Screen, team: Team) -> Settings:
    """The settings with pictures, looks and checkpoints as rare as their cost asks for; says the cost of the run."""
    spare, found = costs.sparing(
        settings, costs.cost(shared(recipe, settings, team), settings, data), recipe.config.images
    )
    screen.say(costs.said(found, settings.device))
    if line := costs.rarer(settings, spare, recipe.config.images):
        screen.say(line)
    return spare


def shared(recipe: Recipe, settings: Settings, team: Team) -> Recipe:
    """What one process of a team does of a recipe, in the parts that it takes: for counting what it costs."""
    assert settings.micro_batch != "auto", "to be settled before"
    if team.size == 1 and not settings.micro_batch:
        return recipe
    c = recipe.config
    parts = cut_of(recipe.on_meta(), team, settings.micro_batch, settings.sync_batch_norm).parts
    batch = c.batch // team.size
    part = {"batch": batch, "accumulate": parts, "images": max(c.images // team.size, 1)}
    return Recipe(recipe.paper, recipe.preset, c.model_copy(update=part))


@contextmanager
def _new_folder(out: Path) -> Iterator[None]:
    """An empty folder for a run; gone again if the block fails before a run has anything to go on from."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; pass the name of a new folder")
    made = to_be_made(out)
    with one_line(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        with held(out):
            if any(p.name != LOCK for p in out.iterdir()):
                raise InputError(
                    f"{out} already exists and is not empty; pass another --out, or continue it with --resume {out}"
                )
            try:
                yield
            except BaseException as error:
                trained = any(int(p.name) for p in checkpoint.checkpoints(out / "checkpoints"))
                if not trained and not isinstance(error, NonFinite):
                    remove_contents(out, [])
                raise
    except BaseException:
        remove_empty(made)
        raise


@contextmanager
def enough_memory(device: str) -> Iterator[None]:
    """What allocators say, as one line."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        typed = isinstance(error, torch.OutOfMemoryError | MemoryError)  # the CPU's allocator has no type of its own
        if not typed and "can't allocate memory" not in str(error):
            raise
        raise InputError(
            f"not enough memory on {device}; pass --micro-batch auto or --recompute, lower --batch, "
            "or narrow the networks"
        ) from error


def resume(
    out: Path,
    images: int | None = None,
    changes: dict[str, Any] | None = None,
    device: str | None = None,
    screen: Screen | None = None,
) -> Outcome:
    """Continues a run exactly where its newest checkpoint stands; `images` may extend it.

    changes: what the caller asked for; whatever differs from the run's own recipe is refused, with the differences.
    `data` among them is where the same images lie now.
    """
    screen = screen or Screen()
    with joined(own_device(choose_device(device))) as team:
        if team.first and not out.is_dir():
            model_folder.read(out)  # says what is missing
        with held(out) if team.first else nullcontext():
            return _resume(out, images, dict(changes or {}), device, screen, team)


def _resume(
    out: Path, images: int | None, changes: dict[str, Any], device: str | None, screen: Screen, team: Team
) -> Outcome:
    description = team.told(lambda: model_folder.read(out))
    if "data" not in description.training:
        raise InputError(f"{out} is a model without a training run; resume the folder that ganvas train wrote")
    try:
        settings = Settings(**description.training)
        config = model_folder.config_of(description)
    except ValidationError as error:
        raise InputError(
            f"{out / model_folder.CONFIG} does not describe a run: training.{in_words(error)}; restore the file"
        ) from None
    if team.first:
        model_folder.must_fit(out, model_folder.on_meta(out, description))  # before memory is taken for it
    recorded = {**config.model_dump(), **settings.model_dump(), "preset": description.preset}
    different = [
        f"{k}: the run has {recorded.get(k)!r}, asked for {v!r}"
        for k, v in changes.items()
        if recorded.get(k) != v and k not in ("data", *MEMORY)
    ]
    if different:
        raise InputError("resuming keeps the recipe; " + "; ".join(different) + ". Leave these out, or start a new run")
    if images is not None:
        if images < config.images:
            raise InputError(
                f"--images {images:,} is less than the run's {config.images:,}; a run can only be extended"
            )
        config = configure(type(config), {**config.counting(), "images": images})
    if device is not None or team.size > 1:
        settings = settings.model_copy(update={"device": str(own_device(choose_device(device)))})
    settings = settings.model_copy(update={k: v for k, v in changes.items() if k in ("data", *MEMORY)})
    made = Recipe(description.paper, description.preset or description.paper, config)
    data = team.in_turn(lambda: load_data(made.paper, settings, config, screen))
    if data.fingerprint != description.data.get("fingerprint"):
        raise InputError(
            f"{settings.data} no longer holds what this run was trained on: it has {counted(_facts(data))}, "
            f"the run saw {counted(description.data)}; put them back, name their place with --data, or start a new run"
        )
    settings = agreed(team, settings, lambda: settled(made, settings, data, screen, team))
    state = new_state(made.build(settings.seed), torch.device(choose_device(settings.device)))
    path, problems = team.told(lambda: checkpoint.restore(state, out / "checkpoints"))
    state.share(team)
    run, renewed = _run(made, settings, out, data, screen, team)
    state.gan.class_names = renewed.class_names
    state.gan.remember(data)
    if state.gan.images_seen >= made.config.images:
        raise InputError(f"{out} has already seen its {made.config.images:,} images; pass --images N to extend it")
    passed_over = f"; passed over damaged {', '.join(problems)}" if problems else ""
    screen.say(f"resuming {out} at {state.gan.images_seen:,} images ({path.name}){passed_over}")
    if team.first:
        drop_strays(out)
        model_folder.write_description(out, renewed.model_copy(update={"instances": description.instances}))
    with enough_memory(settings.device):
        return to_the_end(run, state, team)


def to_the_end(run: Run, state: State, team: Team) -> Outcome:
    """The training; whatever ends it, the next word has a line of its own."""
    try:
        return run_training(run, state, team)
    finally:
        run.screen.done()


def _run(
    recipe: Recipe, settings: Settings, out: Path, data: Dataset, screen: Screen, team: Team
) -> tuple[Run, Description]:
    description = Description(
        paper=recipe.paper,
        preset=recipe.preset,
        config=recipe.config.counting(),
        class_names=data.class_names if recipe.config.num_classes else [],
        preprocessing=data.preprocessing,
        data=_facts(data),
        training=settings.model_dump(),
    )

    def write_model(gan: GAN, folder: Path, facts: dict[str, str], score: str) -> None:
        model_folder.write(gan, folder, description, facts, score)

    scoring = team if choose.is_shared(settings.score, data) else ALONE
    if not team.first and scoring.size == 1:
        return Silent(out, data, settings, write_model, None, screen), description
    looking = looked(screen)
    score = choose.scorer(settings.score, data, 10_000, settings.device, recipe.config.num_classes, looking, scoring)
    kind = Run if team.first else Silent
    return kind(out, data, settings, write_model, score, screen, scoring=scoring), description


def _facts(data: Dataset) -> dict[str, Any]:
    """What config.json says of the data."""
    classes = len(data.class_names)
    return {"name": data.name, "count": len(data), "classes": classes, "fingerprint": data.fingerprint}


def counted(facts: dict[str, Any]) -> str:
    """1,260 images in 3 classes (1a2b3c4d)"""
    classes = f" in {facts['classes']} classes" if facts.get("classes") else ""
    return f"{facts.get('count', 0):,} images{classes} (fingerprint {str(facts.get('fingerprint'))[:8]})"


def decoding(screen: Screen) -> Any:
    """A progress callback for decoding."""
    return lambda done, total: screen.show(f"decoding {done:,} of {total:,} images", share=done / total)


def looked(screen: Screen) -> Any:
    """A progress callback for what is learned of the data, or downloaded for them."""
    return lambda what, done: screen.show(f"{what}: {done:,} images" if done else what)


def stage(screen: Screen) -> Any:
    """A progress callback for what else is made of the data."""
    return lambda what, done, total: screen.show(f"{what}: {done:,} of {total:,}", force=done == total)
