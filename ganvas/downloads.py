"""Files from their owners: resumed, bounded, verified, and renamed only when whole.

What a file must be is told by whoever asks: its size and checksums as far as they are known.  Nothing is unpacked here.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ganvas.errors import InputError

TIMEOUT = 30.0  # seconds without a byte
TRIES = 4  # per address; each goes on where the last one stopped
PAUSE = 0.5  # seconds before the second try, doubled for each further one
CHUNK = 1 << 18
Report = Callable[[int, int], None]  # (bytes done, bytes in all or at most)


@dataclass(frozen=True)
class Published:
    """One file as its owner publishes it.  None: not known; then `most_bytes` bounds what is taken for it.

    A checksum may be its first digits, as some owners have it in the file's name.
    """

    name: str
    size_bytes: int | None
    md5: str | None
    sha256: str | None
    most_bytes: int = 1 << 40

    @property
    def most(self) -> int:
        """Bytes beyond which it is another file."""
        return self.most_bytes if self.size_bytes is None else self.size_bytes

    @property
    def checked(self) -> bool:
        """Whether anything but its size tells it from another file."""
        return (self.md5 or self.sha256) is not None


class Gone(Exception):
    """This address does not serve the file; trying it again is of no use."""


def get(file: Published, addresses: Sequence[str], directory: Path, report: Report | None = None) -> Path:
    """One file in `directory`, from the first address that serves it; kept if it is there and whole.

    addresses: of the file itself.  Raises InputError in one line; then what arrived is kept for the next time, where a
    checksum will tell whether both halves are of one file.
    """
    final, part = directory / file.name, directory / f"{file.name}.part"
    if final.is_file() and is_whole(final, file):
        return final
    troubles = []
    for address in addresses:
        if not file.checked:
            part.unlink(missing_ok=True)
        try:
            download(address, part, file, report)
        except Gone as error:
            troubles.append(f"{address}: {error}")
            continue
        os.replace(part, final)
        return final
    raise InputError(
        f"{file.name} could not be fetched ({'; '.join(troubles)}); "
        "check the network, or name a mirror that holds the file, or put the file there yourself"
    )


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Makes the directory; what its disk says is one line."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else error.strerror or str(error)
        raise InputError(
            f"{directory} cannot be written: {why}; nothing was lost, run the same command again"
        ) from error


def download(address: str, part: Path, file: Published, report: Report | None) -> None:
    """Fill `part` until it is whole and verified. Raises Gone when this address cannot do it."""
    trouble = "no answer"
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        fresh = not part.exists()
        try:
            size = resume(address, part, file, report)
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
            if have > file.most:
                part.unlink()
                raise Gone(f"it is larger than the {file.most:,} bytes that it may have")
            if size is not None and have < size:
                trouble = f"the connection ended after {have} of {size} bytes"
            elif is_whole(part, file):
                return
            else:
                part.unlink()
                trouble = "what it serves is not the published file (checksum)"
                if fresh:  # and not a resumed file whose first half came from elsewhere
                    break
    raise Gone(trouble)


def resume(address: str, part: Path, file: Published, report: Report | None) -> int | None:
    """One request: ask for what is missing, append what comes.  -> bytes that the file should have, if known

    A server without ranges starts from the beginning.
    """
    have = part.stat().st_size if part.is_file() else 0
    if have == file.size_bytes:
        return have
    if have > file.most:
        part.unlink()
        have = 0
    request = urllib.request.Request(address, headers={"User-Agent": "ganvas"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        done = have if goes_on else 0
        length = answer.headers.get("Content-Length", "")
        size = file.size_bytes if file.size_bytes is not None else done + int(length) if length.isdecimal() else None
        with part.open("ab" if goes_on else "wb") as out:
            while chunk := answer.read(CHUNK):
                # A server that sends more than the file may have is cut off; the checksum, or the bound, will tell.
                out.write(chunk[: file.most + 1 - done])
                done += len(chunk)
                if report is not None:
                    report(min(done, size or file.most), size or file.most)
                if done > file.most:
                    break
            out.flush()
            with contextlib.suppress(OSError):
                os.fsync(out.fileno())
    return size


def is_whole(path: Path, file: Published) -> bool:
    """Whether size and checksums are those of the file, as far as they are known."""
    size = path.stat().st_size
    if size > file.most or size != (size if file.size_bytes is None else file.size_bytes):
        return False
    sums = {"md5": file.md5, "sha256": file.sha256}
    return all(known is None or digest(path, name).startswith(known) for name, known in sums.items())


def digest(path: Path, name: str = "sha256") -> str:
    """The checksum of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
