"""What scripts, the command line and servers call: presets, `load`, `train`.  Here papers, engine and data meet."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from ganvas import data as datasets
from ganvas import folder as model_folder
from ganvas import latents, pairing, scoring
from ganvas.data import Images, Kind
from ganvas.engine import checkpoint
from ganvas.engine.estimate import Estimate, estimate
from ganvas.engine.log import Screen
from ganvas.engine.run import NonFinite, Run, Settings
from ganvas.engine.train import Outcome, new_state
from ganvas.engine.train import train as run_training
from ganvas.errors import InputError
from ganvas.features import Extractor
from ganvas.files import drop_strays, one_line
from ganvas.folder import Description
from ganvas.gan import GAN, Batch, Config, Preset, configure
from ganvas.latents import TruncationForm
from ganvas.metrics.evaluate import METRICS
from ganvas.metrics.evaluate import Settings as MetricSettings
from ganvas.metrics.protocol import Score
from ganvas.metrics.reference import Progress
from ganvas.papers import PAPERS


@dataclass(frozen=True)
class Recipe:
    """A paper, a preset and the Config that they and the data give."""

    paper: str
    preset: str
    config: Config

    def build(self, seed: int) -> GAN:
        """The GAN with weights initialised from the seed; the global random state stays as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return PAPERS[self.paper](self.config)

    def on_meta(self) -> GAN:
        """The GAN without memory: for counting."""
        with torch.device("meta"):
            return PAPERS[self.paper](self.config)


def presets() -> dict[str, tuple[str, Preset]]:
    """Every preset by name, with the paper it belongs to."""
    return {name: (paper, preset) for paper, kind in PAPERS.items() for name, preset in kind.PRESETS.items()}


def parameter_counts(gan: GAN) -> dict[str, int]:
    """Learned numbers of each player."""
    return {name: sum(p.numel() for p in player.parameters()) for name, player in gan.players().items()}


def papers() -> list[dict[str, Any]]:
    """A row per preset: paper, resolution, exact parameter counts, data, published score."""
    rows = []
    for name, (paper, preset) in presets().items():
        recipe = Recipe(paper, name, configure(PAPERS[paper].config_type, _with_classes(paper, preset)))
        counts = parameter_counts(recipe.on_meta())
        c = recipe.config
        row = {"preset": name, "paper": paper, "title": PAPERS[paper].title, "resolution": c.resolution}
        row |= {"channels": c.channels, "num_classes": c.num_classes, "batch": c.batch, "images": c.images}
        row |= {"parameters": counts, "about": preset.about, "data": preset.data, "published": preset.published}
        rows.append(row)
    return rows


def _with_classes(paper: str, preset: Preset) -> dict[str, Any]:
    """The preset's values with the classes of the data it is meant for."""
    conditional = preset.values.get("conditional", PAPERS[paper].config_type.model_fields["conditional"].default)
    return {"num_classes": preset.num_classes if conditional else 0, **preset.values}


def default_data(name: str) -> str:
    """What `train` uses where no data are given: the toys for a toy preset, the digits for everything else."""
    preset = presets().get(name)
    return "ring8" if preset and preset[1].values.get("resolution") == 0 else "digits"


def recipe(name: str, kind: Kind, resolution: int | None = None, overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe of a preset, or of the preset of a paper that fits the data, for data of this kind.

    Resolution, channels and classes come from the data unless they are overridden.  Raises InputError.
    """
    table = presets()
    is_toy = kind.kind == "toy"
    native = max(kind.native) if kind.native else 0
    overrides = dict(overrides or {})
    if isinstance(asked := overrides.get("resolution"), int):
        resolution = asked
    if name not in table:
        name = _pick(name, resolution or native, is_toy)
    paper, preset = table[name]
    values: dict[str, Any] = dict(preset.values)
    values["channels"] = kind.channels
    if is_toy:
        values["resolution"] = 0
    elif values.get("resolution") == 0:
        raise InputError(
            f"{name} learns points in the plane, {kind.name} holds images; pass --data ring8, or another preset"
        )
    elif resolution:
        values["resolution"] = resolution
    if is_toy and resolution:
        raise InputError(f"{kind.name} holds points in the plane, which have no resolution; leave it out")
    values |= overrides
    conditional = values.get("conditional", PAPERS[paper].config_type.model_fields["conditional"].default)
    values.setdefault("num_classes", kind.num_classes if conditional else 0)
    return Recipe(paper, name, configure(PAPERS[paper].config_type, values))


def rehearse(recipe: Recipe) -> None:
    """Every loss once, without memory: settings that no network can have, or whose networks do not fit together,
    end here in one line instead of in the first iteration.  Raises InputError.
    """
    c = recipe.config
    n = min(4, c.batch // c.accumulate)
    try:
        gan = recipe.on_meta()
        x = torch.empty((n, c.channels, c.resolution, c.resolution) if c.resolution else (n, c.channels), device="meta")
        real = Batch(x, torch.zeros(n, dtype=torch.int64, device="meta") if c.num_classes else None)
        for phase in gan.phases():
            phase.loss(real, gan.draw(real, latents.generator("rehearsal")))
    except (InputError, NotImplementedError):  # the latter: an operation that needs memory, which says nothing
        raise
    except (RuntimeError, ValueError, IndexError, ZeroDivisionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{recipe.preset} has no networks that fit these settings ({reason}); check --set") from error


def _pick(name: str, resolution: int, is_toy: bool) -> str:
    for kind in PAPERS.values():
        if name in kind.FAMILIES:
            return kind.FAMILIES[name](resolution, is_toy)
    families = ", ".join(family for kind in PAPERS.values() for family in kind.FAMILIES)
    near = difflib.get_close_matches(name, presets(), n=4, cutoff=0.3)
    meant = f"; did you mean {', '.join(near)}" if near else ""
    raise InputError(f"unknown preset {name!r}{meant}; `ganvas papers` lists all, a bare name is one of {families}")


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is a CUDA GPU where there is one, Apple's where that is, else the CPU."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
        if device.type == "meta":
            raise RuntimeError("it computes nothing")
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used here ({first}); expected auto, cpu, cuda or cuda:N") from None
    return device


def load(model: str | Path, device: str = "auto") -> GAN:
    """The GAN of a model folder, in evaluation mode on the device, its players as attributes.

    Sample it with `gan.sample(n=16, seed=0)`.  Needs no training data; nothing in the folder can execute code.
    Raises InputError for a folder that is missing, damaged or not a model.
    """
    path = Path(model).expanduser()
    description = model_folder.read(path)
    if description.paper not in PAPERS:
        raise InputError(
            f"{path} is a model of {description.paper!r}, which this ganvas lacks; it has {', '.join(PAPERS)}"
        )
    gan = Recipe(
        description.paper,
        description.preset or description.paper,
        configure(PAPERS[description.paper].config_type, description.config),
    ).on_meta()
    gan = gan.to_empty(device="cpu")  # every number comes from the file: initialising would be wasted
    gan.class_names = description.class_names
    try:
        gan.load_state_dict(model_folder.read_weights(path))
    except RuntimeError as error:
        raise InputError(
            f"{path}: weights and config.json do not belong together ({str(error).splitlines()[-1].strip()})"
        ) from None
    return gan.to(choose_device(device)).eval().requires_grad_(False)


def dry_run(recipe: Recipe, device: torch.device) -> tuple[dict[str, int], Estimate]:
    """Parameter counts, and what the run would cost on the device."""
    rehearse(recipe)
    gan = recipe.on_meta()
    return parameter_counts(gan), estimate(gan, device, recipe.config.images)


def load_images(settings: Settings, config: Config, progress: Any = None) -> Images:
    """The training images that a recipe needs, decoded."""
    is_toy = config.resolution == 0
    return datasets.load(
        settings.data,
        resolution=None if is_toy else config.resolution,
        channels=None if is_toy else config.channels,
        fit=settings.fit,
        max_unreadable=settings.max_unreadable,
        progress=progress,
    )


def train(recipe: Recipe, settings: Settings, out: Path, screen: Screen | None = None, note: str = "") -> Outcome:
    """Trains a recipe from scratch into the folder `out`, which must not hold a run yet.

    A failure before the first iteration is done leaves nothing behind.  note: a line to say once all input is known
    to be good.  Raises InputError for what a person can mend.
    """
    rehearse(recipe)
    screen = screen or Screen()
    with _new_folder(out), enough_memory(settings.device):
        images = load_images(settings, recipe.config, decoding(screen))
        state = new_state(recipe.build(settings.seed), torch.device(settings.device))
        run = _run(recipe, settings, out, images, screen)
        state.gan.class_names = run.description.class_names
        run.write_picture(state)
        run.save(state)
        if note:
            screen.say(note)
        screen.say(f"training {recipe.preset} on {images.name} ({len(images):,} images), {settings.device}, into {out}")
        return run_training(run, state)


@contextmanager
def _new_folder(out: Path) -> Iterator[None]:
    """An empty folder for a run; gone again if the block fails before a run has anything to go on from."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; pass the name of a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(
            f"{out} already exists and is not empty; pass another --out, or continue it with --resume {out}"
        )
    made = [p for p in (out, *out.parents) if not p.exists()]
    try:
        with one_line(out):
            out.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        trained = any(int(p.name) for p in checkpoint.checkpoints(out / "checkpoints"))
        if not trained and not isinstance(error, NonFinite):
            for entry in out.iterdir() if out.is_dir() else ():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            for p in made:
                if p.is_dir() and not any(p.iterdir()):
                    p.rmdir()
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
            f"not enough memory on {device}; lower --batch, split it with --set accumulate=2, or narrow the networks"
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
    """
    description = model_folder.read(out)
    if "data" not in description.training:
        raise InputError(f"{out} is a model without a training run; resume the folder that ganvas train wrote")
    try:
        settings = Settings(**description.training)
        values = configure(PAPERS[description.paper].config_type, description.config).model_dump()
    except (ValidationError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"{out / model_folder.CONFIG} does not describe a run ({first}); restore the file") from None
    recorded = {**values, **settings.model_dump(), "preset": description.preset}
    different = [
        f"{k}: the run has {recorded.get(k)!r}, asked for {v!r}"
        for k, v in (changes or {}).items()
        if recorded.get(k) != v
    ]
    if different:
        raise InputError("resuming keeps the recipe; " + "; ".join(different) + ". Leave these out, or start a new run")
    if images is not None:
        if images < values["images"]:
            raise InputError(
                f"--images {images:,} is less than the run's {values['images']:,}; a run can only be extended"
            )
        values["images"] = images
    if device is not None:
        settings = settings.model_copy(update={"device": str(choose_device(device))})
    made = Recipe(
        description.paper,
        description.preset or description.paper,
        configure(PAPERS[description.paper].config_type, values),
    )
    screen = screen or Screen()
    data = load_images(settings, made.config, decoding(screen))
    if data.fingerprint != description.data.get("fingerprint"):
        raise InputError(
            f"{settings.data} no longer holds the images this run was trained on; put them back, or start a new run"
        )
    state = new_state(made.build(settings.seed), torch.device(choose_device(settings.device)))
    path, problems = checkpoint.restore(state, out / "checkpoints")
    run = _run(made, settings, out, data, screen)
    state.gan.class_names = run.description.class_names
    if state.gan.images_seen >= made.config.images:
        raise InputError(f"{out} has already seen its {made.config.images:,} images; pass --images N to extend it")
    passed_over = f"; passed over damaged {', '.join(problems)}" if problems else ""
    screen.say(f"resuming {out} at {state.gan.images_seen:,} images ({path.name}){passed_over}")
    drop_strays(out)
    model_folder.write_description(out, run.description)
    with enough_memory(settings.device):
        return run_training(run, state)


def _run(recipe: Recipe, settings: Settings, out: Path, images: Images, screen: Screen) -> Run:
    description = Description(
        paper=recipe.paper,
        preset=recipe.preset,
        config=recipe.config.model_dump(),
        class_names=images.class_names if recipe.config.num_classes else [],
        preprocessing=images.preprocessing,
        data={"name": images.name, "count": len(images), "fingerprint": images.fingerprint},
        training=settings.model_dump(),
    )
    return Run(
        out,
        description,
        PAPERS[recipe.paper].title,
        images,
        settings,
        scoring.scorer(settings.score, images, 10_000, settings.device, recipe.config.num_classes),
        screen,
    )


def evaluate(
    subject: str | Path,
    data: str,
    *,
    metrics: str | None = None,
    features: str = "own",
    weights: Sequence[Path] = (),
    resize: str | None = None,
    split: str = "train",
    held_out: str | None = None,
    n: int | None = None,
    seed: int = 0,
    sets: int = 1,
    intervals: int = 0,
    truncation: float | None = None,
    truncation_form: TruncationForm = "resample",
    standing: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[str, list[Score]]:
    """Scores of a model folder, or of any folder of images, against a data set.  -> name of the subject, scores

    The reference is decoded as the model's training images were (a folder's as large as its images).  metrics: None is
    fid, kid, is and prdc, or what the data allow of them; mse, psnr, ssim and lpips compare images of the same name.
    n: samples, as many as the reference has if not given, at most 50,000.  sets: disjoint sample sets, of which mean
    and spread are given.  held_out: a split that the model has not seen, for cas and memorisation; None is the test
    split where the reference is the train split, "none" is none.  intervals: random halves for 95 % intervals; 0: none.
    Every score carries its protocol.
    """
    path = Path(subject).expanduser()
    names = scoring.names_of(metrics) if metrics is not None else None
    if names is not None and pairing.are_paired(names):
        if (path / model_folder.CONFIG).is_file():
            raise InputError(f"{path} is a model; {', '.join(names)} compare a folder of images with its targets")
        return path.resolve().name, pairing.score_pairs(path, data, names, split, weights, progress)
    if len(weights) > 1:
        raise InputError(f"--weights was given {len(weights)} times; only lpips takes two files")
    how: dict[str, Any] = {"split": split}
    gan, images = None, None
    if (path / model_folder.CONFIG).is_file():
        gan = load(path, device)
        training = model_folder.read(path).training
        how |= {"resolution": gan.config.resolution or None, "channels": gan.config.channels or None}
        how |= {"fit": training.get("fit", "crop"), "max_unreadable": training.get("max_unreadable", 0.0)}
        how["channels"] = how["channels"] if gan.config.resolution else None
    else:
        images = _samples_of(path)
        if truncation is not None or standing:
            raise InputError(f"{path} is a folder of images; --truncation and --standing are for models")
        how |= {"resolution": images.x.shape[2], "channels": images.x.shape[1]}
    reference = datasets.load(data, **how)
    if reference.is_toy != (gan is not None and gan.config.resolution == 0):
        raise InputError(
            f"{path} {'holds images' if gan is None or gan.config.resolution else 'makes points'}, "
            f"{data} {'are points' if reference.is_toy else 'holds images'}; give it alike data"
        )
    labelled = bool(gan.config.num_classes) if gan is not None else images is not None and images.y is not None
    names = scoring.checked(names, reference, labelled)
    wants_held_out = any(METRICS[name].held_out for name in names or () if name in METRICS)
    against = scoring.Reference(
        reference,
        _held_out(data, held_out, reference, how) if wants_held_out or held_out is not None else None,
        MetricSettings(intervals=intervals),
        progress,
    )
    network: Extractor | None = None
    if not reference.is_toy:
        learned = reference if features != "own" else _train_split(data, reference, how)
        weight = weights[0] if weights else None
        network = scoring.feature_network(features, learned, weight, resize, str(choose_device(device)))
    name = path.resolve().name
    if gan is None:
        assert images is not None
        assert network is not None
        return name, scoring.score_folder(images, against, names, network, n, seed, sets)
    ema = model_folder.read_facts(path).get("ema")
    samples = scoring.Samples(
        n or min(len(reference), 50_000), seed, truncation, truncation_form, standing, ema == "True" if ema else None
    )
    return name, scoring.score_gan(gan, against, names, network, samples, sets)


def _samples_of(path: Path) -> Images:
    """A folder of samples, all of one size: a resize would be part of what is measured.  Raises InputError."""
    native = datasets.peek(path).native
    if native is None or native[0] != native[1]:
        size = f"{native[1]}x{native[0]}" if native else "several sizes"
        raise InputError(f"{path} holds images of {size}; expected square ones of one size, as samples are")
    return datasets.load(path)


def _splits(data: str, reference: Images) -> list[str]:
    """The splits of a data set, but for the one that is the reference."""
    kind = datasets.peek(data, split=str(reference.preprocessing["split"]))
    return [name for name in kind.splits if name != reference.preprocessing["split"]]


def _held_out(data: str, asked: str | None, reference: Images, how: dict[str, Any]) -> Images | None:
    """The split that was asked for; else, beside the train split, the one that is there for testing."""
    if asked == "none" or reference.is_toy:
        return None
    others = _splits(data, reference)
    if asked is None:
        trained = reference.preprocessing["split"] == "train"
        asked = next((name for name in ("test", "val") if name in others and trained), None)
        return datasets.load(data, **{**how, "split": asked}) if asked else None
    found = datasets.load(data, **{**how, "split": asked})
    if found.preprocessing["split"] == reference.preprocessing["split"]:
        raise InputError(f"--held-out {asked} is the reference itself; expected one of {', '.join([*others, 'none'])}")
    return found


def _train_split(data: str, reference: Images, how: dict[str, Any]) -> Images:
    """What `own` is trained on, whichever split is the reference: one network for all splits of a data set."""
    return datasets.load(data, **{**how, "split": "train"}) if "train" in _splits(data, reference) else reference


def decoding(screen: Screen) -> Any:
    """A progress callback for decoding."""
    return lambda done, total: screen.show(f"decoding {done:,} of {total:,} images")
