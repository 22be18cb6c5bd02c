"""The model folder: config.json, model.safetensors, README.md, samples.png.  It samples anywhere without the data.

Here: what the folder holds, how it is written and read, and how a GAN is built from it.  Not here: what its card says
(card.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ganvas import __version__
from ganvas.config import Config, configure
from ganvas.devices import without_memory
from ganvas.errors import InputError, in_words
from ganvas.features.extractor import hash_state as hash_of
from ganvas.files import kind_of, read_json, reason_of, save_tensors, write_atomic, write_json, write_text
from ganvas.gan import GAN
from ganvas.instances import Stored
from ganvas.metrics.protocol import Score, read_scores, write_scores
from ganvas.models import card
from ganvas.papers import PAPERS

CONFIG, WEIGHTS, CARD, PICTURE = "config.json", "model.safetensors", "README.md", card.PICTURE
SCORES = "scores.json"  # of `ganvas evaluate --json`, where somebody put them
INSTANCES = "instances.safetensors"  # of models of instances: those stored, and their network where it travels
HASH = "sha256"  # of the tensors, in the header of the weights: whole with them or absent
UNFINISHED = "if the run was stopped before its first checkpoint, train it again"
FORMAT = 2  # 1 held every field of the Config; 2 holds those that count.  Both are read.


class Description(BaseModel):
    """config.json: enough to rebuild the networks and to say where they come from."""

    model_config = ConfigDict(extra="ignore")

    format: int = FORMAT
    ganvas: str = __version__
    paper: str  # a key of PAPERS
    preset: str | None = None
    config: dict[str, Any]  # the fields of the paper's Config that count
    class_names: list[str] = Field(default_factory=list)
    preprocessing: dict[str, Any] = Field(default_factory=dict)  # how the training images were made
    data: dict[str, Any] = Field(default_factory=dict)  # name, fingerprint, number of images
    training: dict[str, Any] = Field(default_factory=dict)  # seed, precision, device, versions, cadence
    notes: list[str] = Field(default_factory=list)  # what an importer had to say
    instances: dict[str, Any] = Field(default_factory=dict)  # stored ones: how many, their network, its fit
    licence: str = ""  # of the weights, as their owner has it; empty: nobody said


@dataclass(frozen=True)
class Origin:
    """What a model folder said besides weights: its description, the facts of the weights' header, its scores."""

    description: Description
    facts: dict[str, str]
    scores: list[Score]
    folder: Path


def write_description(folder: Path, description: Description) -> None:
    """config.json, atomically."""
    write_json(folder / CONFIG, description.model_dump())


def write_weights(folder: Path, players: dict[str, Tensor], facts: dict[str, str]) -> None:
    """model.safetensors with string facts (images seen, averaged or not) in its header, atomically."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in players.items()}
    write_atomic(folder / WEIGHTS, lambda path: save_tensors(tensors, path, {**facts, HASH: hash_of(tensors)}))


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """float32 as float16 where that overflows nothing: to 2^-11 of each number, or 2^-25.  The rest as it is."""

    def half(value: Tensor) -> Tensor:
        small = value.to(torch.float16)
        return small if value.dtype == torch.float32 and bool(torch.isfinite(small).all()) else value

    return {name: half(value) for name, value in state.items()}


def read(folder: Path) -> Description:
    """config.json of a model folder; raises InputError if it is not one."""
    if kind_of(folder) != "folder":
        raise InputError(
            f"{folder} is not a folder; expected a model folder, as ganvas train writes it, or a name of ganvas models"
        )
    if kind_of(folder / CONFIG) != "file":
        raise InputError(f"{folder} holds no {CONFIG}; expected a model folder, as ganvas train writes it")
    try:
        description = Description.model_validate(read_json(folder / CONFIG))
    except ValidationError as error:
        raise InputError(
            f"{folder / CONFIG} does not describe a model: {in_words(error)}; restore the file, or train anew"
        ) from None
    if description.format > FORMAT:
        raise InputError(
            f"{folder} has format {description.format}, this ganvas reads up to {FORMAT}; install a newer ganvas"
        )
    if description.paper not in PAPERS:
        raise InputError(
            f"{folder} is a model of {description.paper!r}, which this ganvas lacks; it has {', '.join(PAPERS)}"
        )
    return description


def config_of(description: Description) -> Config:
    """The paper's Config.  Raises InputError."""
    return configure(PAPERS[description.paper].config_type, description.config, given=())


def load(folder: Path, device: torch.device) -> GAN:
    """The GAN of a model folder, in evaluation mode on the device.  Raises InputError where it is damaged."""
    description = read(folder)
    gan = on_meta(folder, description)
    must_fit(folder, gan)
    gan = gan.to_empty(device="cpu")
    gan.class_names = description.class_names
    gan.load_model_state(read_weights(folder))
    gan.origin = Origin(description, read_facts(folder), scores_in(folder), folder)
    if description.instances:
        gan.stored = read_instances(folder, description.instances)
    return gan.to(device).eval().requires_grad_(False)


def scores_in(folder: Path) -> list[Score]:
    """The scores that lie in the folder, each with its protocol; none where there are none, or damaged ones."""
    try:
        return read_scores(folder / SCORES)[1] if kind_of(folder / SCORES) == "file" else []
    except InputError:
        return []


def on_meta(folder: Path, description: Description) -> GAN:
    """The GAN of config.json without memory: every number comes from the file.  Raises InputError."""
    config = config_of(description)
    if description.class_names and len(description.class_names) != config.num_classes:
        raise InputError(
            f"{folder / CONFIG}: {len(description.class_names)} class_names for {config.num_classes} classes; "
            "expected a name for each, or none"
        )
    try:
        with without_memory():
            return PAPERS[description.paper](config)
    except (RuntimeError, ValueError, ArithmeticError, LookupError, TypeError, MemoryError) as error:
        raise InputError(
            f"{folder / CONFIG}: there are no networks of these sizes ({reason_of(error)}); restore the file"
        ) from None


def must_fit(folder: Path, gan: GAN) -> None:
    """Raises InputError where model.safetensors holds other tensors than the GAN has: before memory is taken for it."""
    expected = {name: list(value.shape) for name, value in gan.model_state().items()}
    with opened(folder / WEIGHTS) as file:
        found = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        kinds = {name: file.get_slice(name).get_dtype() for name in found}
    if found == expected:
        floats = [name for name, value in gan.model_state().items() if value.is_floating_point()]
        odd = next((name for name in floats if not kinds[name].startswith(("F", "BF"))), None)
        if odd is not None:
            raise InputError(
                f"{folder / WEIGHTS}: {odd} is of type {kinds[odd]}, expected floats; copy the folder again"
            )
        return
    name = next(n for n in (*expected, *found) if expected.get(n) != found.get(n))
    has, wants = (f"{shape}" if (shape := side.get(name)) is not None else "none" for side in (found, expected))
    raise InputError(
        f"{folder}: weights and config.json do not belong together: {name} is {has} in {WEIGHTS}, {wants} by {CONFIG}"
    )


@contextmanager
def opened(path: Path, missing: str = UNFINISHED) -> Iterator[Any]:
    """A file of tensors, its header read.  Raises InputError where it is missing, unreadable or damaged."""
    if kind_of(path) != "file":
        raise InputError(f"{path} is missing; {missing}")
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason_of(error)}") from None
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); copy the folder again, or use its best/ folder") from None


def write_instances(folder: Path, kept: Stored) -> dict[str, Any]:
    """instances.safetensors, atomically.  -> what config.json says of it"""
    tensors = {"h": kept.h, **({} if kept.y is None else {"y": kept.y})}
    tensors |= {f"network.{name}": value for name, value in kept.weights.items()}
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomic(folder / INSTANCES, lambda path: save_tensors(whole, path))
    return {"count": len(kept), "network": kept.network, "fit": kept.fit}


def read_instances(folder: Path, said: dict[str, Any]) -> Stored:
    """instances.safetensors of a model folder; raises InputError if it is missing or damaged."""
    with opened(folder / INSTANCES, "copy the folder again") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    if "h" not in tensors or len(tensors["h"]) != said.get("count"):
        raise InputError(f"{folder / INSTANCES} and {CONFIG} do not belong together; copy the folder again")
    return Stored(tensors["h"], tensors.get("y"), said.get("network", {}), weights, said.get("fit", "crop"))


def write(
    gan: GAN,
    folder: Path,
    description: Description,
    facts: dict[str, str],
    score: str,
    scores: Sequence[Score] = (),
    place: str = ".",
    half: bool = False,
) -> None:
    """The whole folder but for its picture.  facts: for the header of the weights; score: a line for the card.

    scores: with their protocols, into scores.json and the card.  place: what the card calls the model in commands.
    half: weights as `halved` has them
    """
    state = gan.model_state()
    write_weights(folder, halved(state) if half else state, facts)
    if gan.stored is not None:
        description = description.model_copy(update={"instances": write_instances(folder, gan.stored)})
    write_description(folder, description)
    if scores:
        write_scores(folder / SCORES, description.preset or description.paper, list(scores))
    write_card(gan, folder, description, score, scores, place)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """model.safetensors of a model folder; raises InputError if it is missing or damaged."""
    with opened(folder / WEIGHTS) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        recorded = (file.metadata() or {}).get(HASH)
    again = "copy the folder again, or use its best/ folder"
    if recorded is not None and recorded != hash_of(tensors):
        raise InputError(f"{folder / WEIGHTS} is damaged: its numbers are not those that were written; {again}")
    odd = next((name for name, value in tensors.items() if not torch.isfinite(value).all()), None)
    if odd is not None:
        raise InputError(f"{folder / WEIGHTS}: {odd} holds numbers that are not finite, which make no images; {again}")
    return tensors


def read_facts(folder: Path) -> dict[str, str]:
    """The facts that stand in the header of model.safetensors."""
    with opened(folder / WEIGHTS) as file:
        return {key: value for key, value in (file.metadata() or {}).items() if key != HASH}


def write_card(
    gan: GAN,
    folder: Path,
    description: Description,
    score: str,
    scores: Sequence[Score] = (),
    place: str = ".",
) -> None:
    """README.md: what the model is, how to sample it, where it comes from."""
    write_text(folder / CARD, card.text(gan, description, score, scores, place))
