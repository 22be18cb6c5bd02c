"""The classic sets from their owners: where they are and what they must be.  How they are fetched: downloads.py.

Sizes and checksums stand here, so what arrives is the published file or nothing. The owners publish MD5; the SHA-256
was computed on files that match it. Nothing is unpacked: `load` reads the files as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganvas import downloads
from ganvas.data.build import Progress
from ganvas.downloads import Published
from ganvas.errors import InputError


@dataclass(frozen=True)
class _Set:
    addresses: tuple[str, ...]  # bases, tried in order
    files: tuple[Published, ...]


SETS = {
    "mnist": _Set(
        # The PyTorch project's copy first: the owner's own server has long turned downloads away.
        ("https://ossci-datasets.s3.amazonaws.com/mnist", "http://yann.lecun.com/exdb/mnist"),
        (
            Published(
                "train-images-idx3-ubyte.gz", 9912422, "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            Published(
                "train-labels-idx1-ubyte.gz", 28881, "d53e105ee54ea40749a09fcbcd1e9432",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            Published(
                "t10k-images-idx3-ubyte.gz", 1648877, "9fb629c4189551a2d022fa330f9573f3",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            Published(
                "t10k-labels-idx1-ubyte.gz", 4542, "ec29112dd5afa0611ce80d1b7f02629c",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    "fashion-mnist": _Set(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",),
        (
            Published(
                "train-images-idx3-ubyte.gz", 26421880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            Published(
                "train-labels-idx1-ubyte.gz", 29515, "25c81989df183df01b3e8a0aad5dffbe",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            Published(
                "t10k-images-idx3-ubyte.gz", 4422102, "bef4ecab320f06d8554ea6380940ec79",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            Published(
                "t10k-labels-idx1-ubyte.gz", 5148, "bb300cfdad3c16e7a12a480ee83cd310",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
    "cifar10": _Set(
        ("https://www.cs.toronto.edu/~kriz",),
        (
            Published(
                "cifar-10-python.tar.gz", 170498071, "c58f30108f718f92721af3b95e74349a",
                "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            ),
        ),
    ),
    "cifar100": _Set(
        ("https://www.cs.toronto.edu/~kriz",),
        (
            Published(
                "cifar-100-python.tar.gz", 169001437, "eb9058c3a382ffc7106e4002c42a8d85",
                "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            ),
        ),
    ),
}  # fmt: skip


def fetch(name: str, directory: Path, *, mirror: str | None = None, progress: Progress | None = None) -> list[Path]:
    """The files of a set, in `directory`; those that are there and whole are kept.

    mirror: a base address to use in place of the owners'. progress: (bytes done, bytes in all).
    Raises InputError in one line.
    """
    if name not in SETS:
        raise InputError(f"{name!r} is not a set that can be fetched; expected one of {', '.join(SETS)}")
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise InputError(f"mirror {mirror!r}, expected an address that starts with http:// or https://")
    chosen = SETS[name]
    bases = (mirror.rstrip("/"),) if mirror is not None else chosen.addresses
    total = sum(file.most for file in chosen.files)
    paths: list[Path] = []
    done = 0
    with downloads.writing(directory):
        for file in chosen.files:
            before = done
            report = None if progress is None else lambda here, _, before=before: progress(before + here, total)
            paths.append(downloads.get(file, [f"{base}/{file.name}" for base in bases], directory, report))
            done += file.most
            if progress is not None:
                progress(done, total)
    return paths
