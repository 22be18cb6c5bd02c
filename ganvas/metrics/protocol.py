"""The record beside every number: how it was made, so that only like is put beside like.

`Protocol` says how, `Score` is a number with its protocol, `metric_name` keeps the name FID for the FID network alone,
and `differences` names what keeps two numbers from being compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ganvas.errors import InputError, in_words
from ganvas.files import kind_of, write_text

if TYPE_CHECKING:
    from ganvas.features.extractor import Extractor

FORMAT = "ganvas-scores-1"
PACKAGES = ("ganvas", "torch", "numpy", "pillow")

# with the FID network as its authors used it, with any other
NAMES = {
    "fid": ("FID", "FD"),
    "kid": ("KID", "KD"),
    "is": ("IS", "IS"),
    "intra_fid": ("intra-FID", "intra-FD"),
}


class Protocol(BaseModel):
    """How a number was made.  None: does not apply, or is not known (a folder of images has no EMA)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str = ""  # name of the data set
    split: str = ""  # of the data set
    decoding: str = ""  # what its images were made into: "3x64x64, crop, lanczos"
    reference_hash: str = ""  # of the set of its images, see `features.files.Fingerprint`
    reference_count: int = 0  # images
    sample_count: int = 0  # images
    resize: str = ""  # a key of `features.resize.RESIZES`
    resize_filter: str = ""
    antialias: bool = False
    size: int = 0  # pixels per side that the network sees; 0: the images' own
    features: str = ""  # feature network
    features_hash: str = ""  # SHA-256 of its weights
    settings: dict[str, Any] = {}  # of the metric: splits, subsets, k, seed
    seeds: tuple[int, ...] = ()  # of the sample sets
    ema: bool | None = None  # samples of the averaged generator
    truncation: float | None = None
    truncation_form: str | None = None  # a form of `latents`: two models truncated at 0.5 may still be unlike
    batch_norm: str | None = None  # "running", "standing-16": the statistics that the generator normalised by
    sampling: dict[str, Any] = {}  # what else the paper does to make a sample: "latent_steps": 10
    versions: dict[str, str] = {}  # of packages; reported, no reason to refuse

    def with_extractor(self, extractor: Extractor) -> Protocol:
        """This record, with what the feature network says of itself."""
        from ganvas.features.resize import RESIZES  # torch: a table of scores needs none

        resize = RESIZES[extractor.resize]
        return self.model_copy(
            update={
                "resize": extractor.resize,
                "resize_filter": resize.filter,
                "antialias": resize.antialias,
                "size": extractor.size,
                "features": extractor.name,
                "features_hash": extractor.weights_hash,
            }
        )


class Score(BaseModel):
    """A number, its spread (what of: see the metric), an interval if one was asked for, and how it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    name: str
    value: float
    spread: float | None = None
    interval: tuple[float, float] | None = None  # 95 %
    protocol: Protocol = Protocol()


def metric_name(metric: str, extractor: Extractor) -> str:
    """What a score is called: `FID` only from the FID network with its own weights and resize, `FD-own` from `own`."""
    published = bool(getattr(extractor, "official", False)) and extractor.name == "inception"
    name, other = NAMES.get(metric, (metric, metric))
    if published:
        return {"tf1_bilinear": name, "clean_bicubic": f"clean-{name}"}.get(
            extractor.resize, f"{other}-inception-{extractor.resize}"
        )
    return f"{other}-{extractor.name}"


def lower_is_better(name: str) -> bool:
    """Which way a score improves; names as `Score.name` has them."""
    rising = ("IS", "precision", "recall", "density", "coverage", "CAS", "NN-ratio", "modes", "high-quality")
    return not name.startswith((*rising, "PSNR", "SSIM"))


def versions() -> dict[str, str]:
    """The packages' versions, and Python's."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that was not installed
            found[package] = "unknown"
    return found


def differences(a: Protocol, b: Protocol) -> list[str]:
    """Names of the fields that keep two numbers apart, settings one by one.

    Versions are not among them, nor how an interval was drawn: the number is the same with and without one.
    """
    fields = [name for name in Protocol.model_fields if name not in ("versions", "settings")]
    found = [name for name in fields if getattr(a, name) != getattr(b, name)]
    keys = sorted(key for key in a.settings.keys() | b.settings.keys() if not key.startswith("intervals"))
    return found + [f"settings.{key}" for key in keys if a.settings.get(key) != b.settings.get(key)]


def version_differences(a: Protocol, b: Protocol) -> list[str]:
    """Packages of which the two were made with different versions: a warning, not a refusal."""
    keys = sorted(a.versions.keys() | b.versions.keys())
    return [key for key in keys if a.versions.get(key) != b.versions.get(key)]


def field(protocol: Protocol, name: str) -> Any:
    """The value behind a name that `differences` gave."""
    if name.startswith("settings."):
        return protocol.settings.get(name.removeprefix("settings."))
    return getattr(protocol, name)


def write_scores(path: Path, subject: str, scores: list[Score]) -> None:
    """A file for `read_scores`; subject names the model or folder that was scored."""
    content = {"format": FORMAT, "subject": subject, "scores": [score.model_dump(mode="json") for score in scores]}
    text = json.dumps(content, indent=2)
    write_text(path, text + "\n")


def read_scores(path: Path) -> tuple[str, list[Score]]:
    """Subject and scores of a file; raises InputError that says what is wrong with it."""
    kind_of(path)  # says what is wrong with a name too long, a pipe, a link in a circle
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give a file that `evaluate --json` wrote"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is no JSON; give a file that `evaluate --json` wrote") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is not of format {FORMAT}; give a file that `evaluate --json` wrote")
    try:
        return str(content["subject"]), [Score.model_validate(score) for score in content["scores"]]
    except ValidationError as error:
        raise InputError(f"{path} holds no valid scores: {in_words(error)}; evaluate again") from None
    except (KeyError, TypeError):
        raise InputError(f"{path} holds no valid scores: subject and scores expected; evaluate again") from None
