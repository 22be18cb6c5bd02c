"""Published weights by name: where they are, whose they are, and how well they scored where they were published.

A checksum of None means that nobody here has held the file: such a download is refused unless a person brings the
SHA-256 that they trust. Nothing is fetched at import.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganvas.errors import InputError
from ganvas.files import write_atomic


@dataclass(frozen=True)
class Entry:
    """One published set of weights."""

    url: str
    format: str  # the file of this folder that reads it
    paper: str
    about: str
    licence: str
    published: str  # score and protocol
    config_url: str = ""  # a second file that the format needs beside it
    sha256: str | None = None
    direct: bool = True  # False: the address is a page or a module, to be opened by a person


UNSTATED = "not stated for the weights (code: MIT)"

CATALOGUE: dict[str, Entry] = {
    f"biggan-deep-{size}": Entry(
        url=f"https://s3.amazonaws.com/models.huggingface.co/biggan/biggan-deep-{size}-pytorch_model.bin",
        config_url=f"https://s3.amazonaws.com/models.huggingface.co/biggan/biggan-deep-{size}-config.json",
        format="biggan_deep_hub",
        paper="biggan",
        about=f"BigGAN-deep generator, ImageNet {size}x{size}, converted from the authors' module",
        licence=UNSTATED,
        published=score,
    )
    for size, score in {
        128: "FID 5.7 +- 0.3, IS 124.5 +- 2 without truncation (paper)",
        256: "FID 6.9 +- 0.2, IS 171.4 +- 2 without truncation (paper)",
        512: "FID 7.5, IS 152.8 without truncation (paper)",
    }.items()
}
CATALOGUE |= {
    f"biggan-{size}": Entry(
        url=f"https://tfhub.dev/deepmind/biggan-{size}/2",
        format="biggan_hub",
        paper="biggan",
        about=f"BigGAN generator, ImageNet {size}x{size}, a TensorFlow module: write its variables to .npz first",
        licence="that of the module's page",
        published=score,
        direct=False,
    )
    for size, score in {
        128: "FID 8.7 +- 0.6, IS 98.8 +- 3 without truncation (paper)",
        256: "FID 8.7 +- 0.1, IS 142.3 +- 2 without truncation (paper)",
        512: "FID 8.1, IS 144.2 without truncation (paper)",
    }.items()
}
CATALOGUE["biggan-pytorch-128"] = Entry(
    url="https://drive.google.com/open?id=1nAle7FCVFZdix2--ks0r5JBkFnKw8ctW",
    format="biggan_pytorch",
    paper="biggan",
    about="G, its average and D of BigGAN-PyTorch, ImageNet 128x128, batch 256 x 8, without orthogonal regularisation",
    licence=UNSTATED,
    published="IS 97.35 +- 1.79 (TensorFlow Inception, README); log: IS 93.1, FID 9.91 (torch Inception) at 138k",
    direct=False,
)


def entry(name: str) -> Entry:
    """The entry of a name; raises InputError that lists the known ones."""
    if name not in CATALOGUE:
        raise InputError(f"no published weights named {name!r}; known: {', '.join(sorted(CATALOGUE))}")
    return CATALOGUE[name]


def expected_sha256(name: str, given: str | None = None) -> str:
    """The checksum that a download must have: ours, or the one a person brings where we have none."""
    known = entry(name).sha256
    checksum = (given or known or "").lower()
    if not checksum:
        raise InputError(f"the checksum of {name} was never verified here; give the one you trust with --sha256")
    if len(checksum) != 64 or set(checksum) - set("0123456789abcdef"):
        raise InputError(f"sha256={checksum!r}, expected 64 hexadecimal digits")
    if known and given and checksum != known:
        raise InputError(f"sha256={checksum} is not the known one of {name}, {known}; leave --sha256 out")
    return checksum


def download(
    name: str,
    path: Path,
    sha256: str | None = None,
    retrieve: Callable[[str, Path], object] = urllib.request.urlretrieve,
) -> Path:
    """Fetches an entry's weights to `path` and checks them; a file with another checksum is not kept."""
    found = entry(name)
    if not found.direct:
        raise InputError(f"{name} cannot be fetched by itself; open {found.url} and import the file you get there")
    expected = expected_sha256(name, sha256)

    def write(temporary: Path) -> None:
        try:
            retrieve(found.url, temporary)
        except urllib.error.URLError as error:
            raise InputError(f"{found.url} cannot be fetched: {error.reason}; fetch it by hand and import it") from None
        with temporary.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != expected:
            raise InputError(f"{name} has SHA-256 {actual}, expected {expected}; it was not kept")

    write_atomic(path, write)
    return path
