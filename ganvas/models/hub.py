"""Sharing: a GAN as a model folder that others can load, and model folders on the Hugging Face hub.

`save_pretrained` writes the same folder as a training does, with a card that hubs read.  huggingface_hub (the extra
`hub`) is imported where the network is used.  Of a repository the files in FILES are fetched and nothing else: none of
them can execute code.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganvas import __version__
from ganvas.data import grid
from ganvas.errors import InputError
from ganvas.files import kind_of, must_be_writable, reason_of
from ganvas.gan import GAN
from ganvas.metrics.protocol import Score
from ganvas.models import folder as model_folder
from ganvas.models.folder import Description, Origin
from ganvas.papers import PAPERS

FILES = (
    model_folder.CONFIG,
    model_folder.WEIGHTS,
    model_folder.INSTANCES,
    model_folder.CARD,
    model_folder.PICTURE,
    model_folder.SCORES,
)
NAME = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@([\w./-]{1,100}))?")
PATIENCE = 20.0  # seconds for the hub's first word
ROUNDED = "rounded"  # in the header of weights that were saved in half precision: what they were rounded to
OWN = "runs"  # a folder of ours: what is called so is never looked for on a hub


def save_pretrained(
    gan: GAN,
    folder: str | Path,
    *,
    licence: str | None = None,
    scores: Sequence[Score] | None = None,
    place: str = ".",
    half: bool = False,
) -> Path:
    """Writes the GAN as a model folder: config.json, safetensors, a card with licence and scores, a picture.  -> it

    folder: new, empty, or a model folder that is written anew.  licence: as "cc-by-4.0"; None: what the folder it was
    loaded from says.  scores: records of `ganvas.evaluate(...)`; None: those of that folder.  place: what the card
    calls the model.  half: weights as float16 where that overflows nothing, half of the bytes; what is loaded computes
    in float32 as ever.  Raises InputError, in one line.
    """
    out = Path(folder).expanduser()
    must_be_free(out)
    must_be_writable(out / model_folder.CONFIG)
    origin: Origin | None = gan.origin
    description = described(gan, origin)
    if licence is not None:
        description = description.model_copy(update={"licence": licence.strip()})
    facts = origin.facts if origin else {"images_seen": str(gan.images_seen)}
    facts = {**facts, ROUNDED: "float16"} if half else facts
    kept = list(scores) if scores is not None else origin.scores if origin else []
    for name in (model_folder.SCORES,) * (not kept) + (model_folder.INSTANCES,) * (gan.stored is None):
        (out / name).unlink(missing_ok=True)  # of the model that was there before
    model_folder.write(gan, out, description, facts, standing(facts), kept, place, half)
    picture = origin.folder / model_folder.PICTURE if origin else None
    if picture is None or kind_of(picture) != "file":
        grid.save(grid.drawn(gan.sheet(gan.blank(1, gan.device))), out / model_folder.PICTURE)
    elif picture.resolve() != (out / model_folder.PICTURE).resolve():
        shutil.copyfile(picture, out / model_folder.PICTURE)
    return out


def must_be_free(folder: Path) -> None:
    """Raises InputError for a folder that holds something else than a model: a run above all."""
    if kind_of(folder) != "folder":
        return
    odd = sorted(path.name for path in folder.iterdir() if path.name not in FILES)
    if odd:
        raise InputError(f"{folder} holds {odd[0]}, which is no part of a model folder; pass a new folder")


def described(gan: GAN, origin: Origin | None) -> Description:
    """What config.json says of the GAN: what it said where the GAN was loaded, or what the GAN itself knows."""
    paper = next(name for name, kind in PAPERS.items() if type(gan) is kind)
    if origin is not None and model_folder.config_of(origin.description) == gan.config:
        return origin.description.model_copy(update={"class_names": gan.class_names, "ganvas": __version__})
    c = gan.config
    return Description(
        paper=paper,
        config=c.counting(),
        class_names=gan.class_names,
        preprocessing={"resolution": c.resolution, "channels": c.channels},
    )


def standing(facts: dict[str, str]) -> str:
    """The card's line on how the model stands."""
    rounded = f"; weights rounded to {facts[ROUNDED]}" if facts.get(ROUNDED) else ""
    if facts.get("imported"):
        return f"Weights as published, not trained here{rounded}"
    seen, best = facts.get("images_seen", "0"), facts.get("best", "none")
    after = f"After {int(seen):,} images" if seen.isdecimal() else "Images seen are not known"
    return after + (f"; best so far: {best}" if best != "none" else "") + rounded


def push_to_hub(
    gan: GAN,
    name: str,
    *,
    licence: str | None = None,
    scores: Sequence[Score] | None = None,
    private: bool = False,
    half: bool = False,
    token: str | None = None,
    message: str = "Upload a model of ganvas",
) -> str:
    """Writes the GAN to the hub as "user/name", which is made if it is not there.  -> its address

    As `save_pretrained`; a licence must be known.  token: None is what `hf auth login` or HF_TOKEN say.  Raises
    InputError, in one line.
    """
    found = NAME.fullmatch(name)
    if found is None or found[2]:
        raise InputError(f"{name!r} given, expected USER/NAME of the hub")
    if not (licence or (gan.origin and gan.origin.description.licence)):
        raise InputError(
            f"no licence is known of this model; give the one that others may use {name} under, as cc-by-4.0"
        )
    library = imported(f"to push {name}")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "model"
        folder = save_pretrained(gan, out, licence=licence, scores=scores, place=name, half=half)
        with in_one_line(name, "written to"):
            hub = library.HfApi(endpoint=address(), token=token, library_name="ganvas", library_version=__version__)
            page = hub.create_repo(name, private=private, exist_ok=True)
            hub.upload_folder(
                repo_id=name, folder_path=folder, allow_patterns=list(FILES), commit_message=message,
                delete_patterns=[model_folder.INSTANCES, model_folder.SCORES],
            )  # fmt: skip
    return str(page)


def is_name(model: str) -> bool:
    """Whether a MODEL may be one of the hub: USER/NAME or USER/NAME@REVISION, and no folder USER is here."""
    found = NAME.fullmatch(model)
    user = model.partition("/")[0]
    return found is not None and user != OWN and not Path(user).exists()


def fetch(name: str) -> Path:
    """The model folder of USER/NAME or USER/NAME@REVISION, fetched into the hub's cache, or found there.

    config.json comes first: weights are fetched only where it describes a model of ours.  Raises InputError.
    """
    repo, _, revision = name.partition("@")
    library = imported(f"{name} is not a folder here; to look for it on the hub")
    told: dict[str, Any] = {"library_name": "ganvas", "library_version": __version__, "endpoint": address()}
    with in_one_line(name, "fetched from"):
        told["local_files_only"] = not answers(library, repo, revision or "main")
        config = Path(library.hf_hub_download(repo, model_folder.CONFIG, revision=revision or "main", **told))
    try:
        model_folder.read(config.parent)
    except InputError as error:
        raise InputError(f"{name} of the hub is no model of ganvas: {error}") from None
    with in_one_line(name, "fetched from"):
        return Path(library.snapshot_download(repo, revision=config.parent.name, allow_patterns=list(FILES), **told))


def answers(library: Any, repo: str, revision: str) -> bool:
    """Whether the hub can be reached, asked once: the library's downloads would try for half a minute.

    Raises what the library raises where the hub says no.
    """
    try:
        library.HfApi(endpoint=address()).model_info(repo, revision=revision, timeout=PATIENCE)
    except (library.errors.HfHubHTTPError, library.errors.HFValidationError):
        raise
    except Exception:  # of sockets, proxies, certificates: each library below has its own
        return False
    return True


def address() -> str | None:
    """Where the hub is: HF_ENDPOINT, or the library's own."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def called(folder: Path) -> str | None:
    """USER/NAME of a folder in the hub's cache; None for any other."""
    whole = folder.absolute()
    owner = re.fullmatch(r"models--([\w.-]+?)--([\w.-]+)", whole.parent.parent.name)
    return f"{owner[1]}/{owner[2]}" if owner and whole.parent.name == "snapshots" else None


def imported(why: str) -> Any:
    """huggingface_hub.  Raises InputError where it is not installed."""
    try:
        import huggingface_hub
    except ImportError:
        raise InputError(f"{why}, huggingface_hub is needed; pip install 'ganvas[hub]'") from None
    if not sys.stderr.isatty():
        huggingface_hub.utils.disable_progress_bars()
    return huggingface_hub


@contextmanager
def in_one_line(name: str, done: str) -> Iterator[None]:
    """What the hub's library raises, as one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise InputError(f"{name} is open to whom its owner allows it; ask on its page, then set HF_TOKEN") from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"{name} is neither a folder here nor a model on the hub; check the name (a private one needs HF_TOKEN)"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{name}: the hub has no such revision; leave out what follows @, or check it") from None
    except errors.LocalEntryNotFoundError:
        raise InputError(
            f"{name} is not a folder here, not in the hub's cache, and the hub cannot be reached; check the network"
        ) from None
    except errors.EntryNotFoundError:
        raise InputError(f"{name} of the hub has no {model_folder.CONFIG}: it is no model of ganvas") from None
    except errors.HFValidationError as error:
        raise InputError(f"{name!r} is no name of the hub: {reason_of(error)}") from None
    except errors.OfflineModeIsEnabled:
        raise InputError(f"{name} could not be {done} the hub: HF_HUB_OFFLINE is set; unset it") from None
    except errors.HfHubHTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise InputError(
                f"{name} could not be {done} the hub: it does not allow it; run `hf auth login`, or set HF_TOKEN"
            ) from None
        said = f"it answers {status}" if status else reason_of(error)
        raise InputError(f"{name} could not be {done} the hub: {said}; try again later") from None
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} could not be {done} the hub: {reason_of(error)}") from None
