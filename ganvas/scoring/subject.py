"""`ganvas evaluate`: which samples, which reference, which split; then the scores.

Here: how a model folder, a folder of images, or two folders of pairs become what samples.py and pairs.py take.  An
image walks downhill from here: subject -> samples -> metrics/evaluate -> features and one metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ganvas import data as datasets
from ganvas.data import Images
from ganvas.errors import InputError
from ganvas.features import Extractor
from ganvas.features.extractor import hash_state
from ganvas.files import kind_of
from ganvas.gan import GAN
from ganvas.metrics.evaluate import METRICS
from ganvas.metrics.evaluate import Settings as MetricSettings
from ganvas.metrics.protocol import Score
from ganvas.metrics.reference import Progress
from ganvas.models import folder as model_folder
from ganvas.models import hub, zoo
from ganvas.papers import PAPERS
from ganvas.rng import TruncationForm
from ganvas.scoring import pairs, samples, translations
from ganvas.team import ALONE, Team


def evaluate(
    subject: str | Path,
    data: str,
    *,
    metrics: str | None = None,
    classes: bool = True,
    features: str = "own",
    weights: Sequence[Path] = (),
    resize: str | None = None,
    split: str | None = None,
    held_out: str | None = None,
    n: int | None = None,
    seed: int = 0,
    sets: int = 1,
    intervals: int = 0,
    truncation: float | None = None,
    truncation_form: TruncationForm = "resample",
    standing: int = 0,
    device: torch.device | None = None,
    progress: Progress | None = None,
    team: Team = ALONE,
) -> tuple[str, list[Score]]:
    """Scores of a model folder, or of any folder of images, against a data set.  -> name of the subject, scores

    The reference is decoded as the model's training images were (a folder's as large as its images).  A model of pairs
    translates their sources, both ways.  metrics: None is fid, kid, is and prdc, or what the data allow of them; mse,
    psnr, ssim and lpips compare images of the same name.  split: None is train, for a model of pairs those held out.
    n: samples, as many as the reference has if not given, at most 50,000.  sets: disjoint sample sets, of which mean
    and spread are given.  held_out: a split that the model has not seen, for cas and memorisation; None is the test
    split where the reference is the train split, "none" is none.  intervals: random halves for 95 % intervals; 0: none.
    classes: False ignores the names of sub-folders.  Every score carries its protocol.  team: the processes that make
    and look at the images together; each gets the scores that one process would.
    """
    path = team.in_turn(lambda: zoo.find(subject))
    if kind_of(path) is None:
        raise InputError(f"no such file or folder: {str(subject)!r}; give a model folder, or a folder of images")
    names = samples.names_of(metrics) if metrics is not None else None
    device = device or torch.device("cpu")
    is_model = kind_of(path / model_folder.CONFIG) == "file"
    if is_model and PAPERS[model_folder.read(path).paper].reads == "pairs":
        return _subject(path), _translations(path, data, names, split, weights, device, progress, team)
    split = split or "train"
    if names is not None and pairs.are_paired(names):
        if is_model:
            raise InputError(f"{path} is a model; {', '.join(names)} compare a folder of images with its targets")
        return _subject(path), pairs.score_pairs(path, data, names, split, weights, progress, team)
    if len(weights) > 1:
        raise InputError(f"--weights was given {len(weights)} times; only lpips takes two files")
    if weights and features.startswith("own"):
        raise InputError(
            f"--weights {weights[0]} given with features {features}, which are trained here; add --features inception"
        )
    how: dict[str, Any] = {"split": split, "classes": classes}
    gan, images = None, None
    if is_model:
        gan = _model(path, device, team)
        training = model_folder.read(path).training
        how |= {"resolution": gan.config.resolution or None, "channels": gan.config.channels or None}
        how |= {"fit": training.get("fit", "crop"), "max_unreadable": training.get("max_unreadable", 0.0)}
        how["classes"] = classes and training.get("classes", True)
        how["channels"] = how["channels"] if gan.config.resolution else None
    else:
        images = _samples_of(path, classes, team)
        if truncation is not None or standing:
            raise InputError(f"{path} is a folder of images; --truncation and --standing are for models")
        how |= {"resolution": images.x.shape[2], "channels": images.x.shape[1]}
    reference = _loaded(data, team, **how)
    if reference.is_points != (gan is not None and gan.config.resolution == 0):
        raise InputError(
            f"{path} {'holds images' if gan is None or gan.config.resolution else 'makes points'}, "
            f"{data} {'are points' if reference.is_points else 'holds images'}; give it alike data"
        )
    labelled = bool(gan.config.num_classes) if gan is not None else images is not None and images.y is not None
    names = samples.checked(names, reference, labelled)
    wants_held_out = any(METRICS[name].held_out for name in names or () if name in METRICS)
    against = samples.Reference(
        reference,
        _held_out(data, held_out, reference, how, team) if wants_held_out or held_out is not None else None,
        MetricSettings(intervals=intervals),
        progress,
        team=team,
    )
    network: Extractor | None = None
    if not reference.is_points:
        learned = reference if not features.startswith("own") else _train_split(data, reference, how, team)
        weight = weights[0] if weights else None
        network = samples.feature_network(features, learned, weight, resize, str(device), progress, team)
    name = _subject(path)
    if gan is None:
        assert images is not None
        assert network is not None
        return name, samples.score_folder(images, against, names, network, n, seed, sets)
    ema = model_folder.read_facts(path).get("ema")
    which = samples.Samples(
        n or min(len(reference), 50_000), seed, truncation, truncation_form, standing, ema == "True" if ema else None
    )
    return name, samples.score_gan(gan, against, names, network, which, sets)


def _translations(
    path: Path,
    data: str,
    names: list[str] | None,
    split: str | None,
    weights: Sequence[Path],
    device: torch.device,
    progress: Progress | None,
    team: Team,
) -> list[Score]:
    """Scores of a model folder of pairs."""
    names = names or list(translations.DEFAULT)
    if not pairs.are_paired(names):
        raise InputError(
            f"{path} translates images, and {', '.join(names)} compare whole sets; run ganvas translate, and evaluate "
            "the folder that it wrote"
        )
    ema, fit = model_folder.read_facts(path).get("ema"), model_folder.read(path).training.get("fit", "stretch")
    return translations.score_model(
        _model(path, device, team),
        data,
        names,
        fit=fit,
        split=split,
        lpips=pairs.network(weights) if "lpips" in names else None,
        ema=ema == "True" if ema else None,
        progress=progress,
        team=team,
    )


def _model(path: Path, device: torch.device, team: Team) -> GAN:
    """The GAN of a model folder, the same in every process."""
    gan = model_folder.load(path, device)
    if team.size > 1:
        team.must_share(hash_state(gan.model_state()), f"model in {path}")
    return gan


def _loaded(data: str | Path, team: Team, **how: Any) -> Images:
    """A data set, the same in every process; each machine decodes it once."""
    images = team.in_turn(lambda: datasets.load(data, **how))
    team.must_share(images.fingerprint, f"data set under the name {images.name}")
    return images


def _subject(path: Path) -> str:
    """What a table calls the folder: its name, of a run's best/ the run's name too, of the hub's user/name."""
    whole = path.resolve()
    return hub.called(whole) or (f"{whole.parent.name}/best" if whole.name == "best" else whole.name)


def _samples_of(path: Path, classes: bool, team: Team) -> Images:
    """A folder of samples, all of one size: a resize would be part of what is measured.  Raises InputError."""
    native = datasets.peek(path, classes=classes).native
    if native is None or native[0] != native[1]:
        size = f"{native[1]}x{native[0]}" if native else "several sizes"
        raise InputError(f"{path} holds images of {size}; expected square ones of one size, as samples are")
    return _loaded(path, team, classes=classes)


def _splits(data: str, reference: Images) -> list[str]:
    """The splits of a data set, but for the one that is the reference."""
    kind = datasets.peek(data, split=str(reference.preprocessing["split"]), classes=reference.y is not None)
    return [name for name in kind.splits if name != reference.preprocessing["split"]]


def _held_out(data: str, asked: str | None, reference: Images, how: dict[str, Any], team: Team) -> Images | None:
    """The split that was asked for; else, beside the train split, the one that is there for testing."""
    if asked == "none" or reference.is_points:
        return None
    others = _splits(data, reference)
    if asked is None:
        trained = reference.preprocessing["split"] == "train"
        asked = next((name for name in ("test", "val") if name in others and trained), None)
        return _loaded(data, team, **{**how, "split": asked}) if asked else None
    found = _loaded(data, team, **{**how, "split": asked})
    if found.preprocessing["split"] == reference.preprocessing["split"]:
        raise InputError(f"--held-out {asked} is the reference itself; expected one of {', '.join([*others, 'none'])}")
    return found


def _train_split(data: str, reference: Images, how: dict[str, Any], team: Team) -> Images:
    """What `own` is trained on, whichever split is the reference: one network for all splits of a data set."""
    return _loaded(data, team, **{**how, "split": "train"}) if "train" in _splits(data, reference) else reference
