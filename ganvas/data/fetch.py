"""Downloads of the classic sets from their owners, resumed, verified, and renamed only when whole.

Sizes and checksums stand here, so what arrives is the published file or nothing. The owners publish MD5; the SHA-256
was computed on files that match it. Nothing is unpacked: `load` reads the files as they are.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganvas.data.build import Progress
from ganvas.errors import InputError

TIMEOUT = 30.0  # seconds without a byte
TRIES = 4  # per address; each goes on where the last one stopped
PAUSE = 0.5  # seconds before the second try, doubled for each further one
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Published:
    """One file as its owner publishes it."""

    name: str
    size_bytes: int
    md5: str
    sha256: str


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


class _Gone(Exception):
    """This address does not serve the file; trying it again is of no use."""


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
    addresses = (mirror.rstrip("/"),) if mirror is not None else chosen.addresses
    total = sum(file.size_bytes for file in chosen.files)
    paths: list[Path] = []
    done = 0
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file in chosen.files:
            before = done
            report = None if progress is None else lambda here, before=before: progress(before + here, total)
            paths.append(_one(file, addresses, directory, report))
            done += file.size_bytes
            if progress is not None:
                progress(done, total)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else error.strerror or str(error)
        raise InputError(
            f"{directory} cannot be written: {why}; nothing was lost, run the same command again"
        ) from error
    return paths


def _one(file: Published, addresses: tuple[str, ...], directory: Path, report: Callable[[int], None] | None) -> Path:
    """One file, from the first address that serves it."""
    final, part = directory / file.name, directory / f"{file.name}.part"
    if final.is_file() and _is_whole(final, file):
        return final
    troubles = []
    for base in addresses:
        address = f"{base}/{file.name}"
        try:
            _download(address, part, file, report)
        except _Gone as error:
            troubles.append(f"{address}: {error}")
            continue
        os.replace(part, final)
        return final
    raise InputError(
        f"{file.name} could not be fetched ({'; '.join(troubles)}); "
        "check the network, or name a mirror that holds the file, or put the file there yourself"
    )


def _download(address: str, part: Path, file: Published, report: Callable[[int], None] | None) -> None:
    """Fill `part` until it is whole and verified. Raises _Gone when this address cannot do it."""
    trouble = "no answer"
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        fresh = not part.exists()
        try:
            _resume(address, part, file, report)
        except urllib.error.HTTPError as error:
            trouble = f"the server says {error.code} {error.reason}"
            if error.code == 416:  # it has fewer bytes than we: what lies here is not its file
                part.unlink(missing_ok=True)
            elif error.code not in (408, 425, 429) and error.code < 500:
                break
        except urllib.error.URLError as error:
            trouble = str(getattr(error.reason, "strerror", None) or error.reason)
        except (TimeoutError, ConnectionError, http.client.HTTPException, ssl.SSLError) as error:
            trouble = str(error) or type(error).__name__
        else:
            have = part.stat().st_size
            if have < file.size_bytes:
                trouble = f"the connection ended after {have} of {file.size_bytes} bytes"
            elif _is_whole(part, file):
                return
            else:
                part.unlink()
                trouble = "what it serves is not the published file (checksum)"
                if fresh:  # and not a resumed file whose first half came from elsewhere
                    break
    raise _Gone(trouble)


def _resume(address: str, part: Path, file: Published, report: Callable[[int], None] | None) -> None:
    """One request: ask for what is missing, append what comes. A server without ranges starts from the beginning."""
    have = part.stat().st_size if part.is_file() else 0
    if have == file.size_bytes:
        return
    if have > file.size_bytes:
        part.unlink()
        have = 0
    request = urllib.request.Request(address, headers={"User-Agent": "ganvas"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        with part.open("ab" if goes_on else "wb") as out:
            done = have if goes_on else 0
            while chunk := answer.read(_CHUNK):
                # A server that sends more than the published size is cut off; the checksum will tell.
                out.write(chunk[: file.size_bytes + 1 - done])
                done += len(chunk)
                if report is not None:
                    report(min(done, file.size_bytes))
                if done > file.size_bytes:
                    break
            out.flush()
            with contextlib.suppress(OSError):
                os.fsync(out.fileno())


def _is_whole(path: Path, file: Published) -> bool:
    """Size and both checksums."""
    if path.stat().st_size != file.size_bytes:
        return False
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            md5.update(chunk)
            sha256.update(chunk)
    return md5.hexdigest() == file.md5 and sha256.hexdigest() == file.sha256
