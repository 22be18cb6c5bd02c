"""Published weights by name (catalogue.toml): where they are, whose they are, what they scored, and their download.

A checksum of None means that nobody here has held the file: whoever fetches it is told so, and what was fetched is
named by its own.  Weights are read later by readers that run nothing in them.  Nothing is fetched at import.
"""

from __future__ import annotations

import shutil
import tarfile
import tomllib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ganvas import downloads
from ganvas.downloads import Published, Report
from ganvas.errors import InputError
from ganvas.files import reason_of, user_cache, write_atomic

TABLE = Path(__file__).with_suffix(".toml")
MIB = 1 << 20


@dataclass(frozen=True)
class File:
    """One file of an entry.  member: the file of an archive that is wanted; it is kept as `name`"""

    name: str
    address: str
    most_mb: int
    sha256: str | None = None
    member: str = ""

    @property
    def fetched(self) -> str:
        """The name under which it is fetched."""
        return self.address.rpartition("/")[2] if self.member else self.name


@dataclass(frozen=True)
class Entry:
    """One published set of weights.  Either files that can be fetched, or a page for people."""

    name: str
    format: str  # of `ganvas import`
    paper: str
    about: str
    licence: str
    published: str  # score and protocol
    files: tuple[File, ...] = ()
    page: str = ""
    recalled: tuple[str, ...] = ()  # what stands in the table from memory

    def lines(self) -> list[str]:
        """What a person should know before using it."""
        sums = [f"{file.fetched} SHA-256 {file.sha256 or 'not known'}" for file in self.files]
        said = [f"{self.name}: {self.about}", f"licence: {self.licence}", f"published: {self.published}"]
        said += [f"from: {file.address} (at most {file.most_mb:,} MB)" for file in self.files] or [f"page: {self.page}"]
        said += sums + ([f"from memory, not looked up: {', '.join(self.recalled)}"] if self.recalled else [])
        return said


@cache
def entries() -> dict[str, Entry]:
    """All entries by name, in the order of the table."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: entry_of(name, table) for name in table if not name.startswith("_")}


def entry_of(name: str, table: dict[str, Any]) -> Entry:
    """The entry of a table of TOML, with what its base says."""
    row = dict(table[name])
    row = {**table.get(row.pop("base", ""), {}), **row}
    files = tuple(File(**file) for file in row.pop("files", ()))
    return Entry(name=name, files=files, recalled=tuple(row.pop("recalled", ())), **row)


def entry(name: str) -> Entry:
    """The entry of a name; raises InputError that lists the known ones."""
    if name not in entries():
        raise InputError(f"no published weights named {name!r}; known: {', '.join(sorted(entries()))}")
    return entries()[name]


def with_sums(found: Entry, given: Sequence[str]) -> Entry:
    """The entry with the checksums that a person trusts, one for each file in order.  Raises InputError."""
    if not given:
        return found
    if len(given) != len(found.files):
        names = ", ".join(file.fetched for file in found.files)
        raise InputError(f"--sha256 given {len(given)} times, expected one for each of {names}")
    sums = [checked(file, text.lower()) for file, text in zip(found.files, given)]
    return replace(found, files=tuple(replace(f, sha256=sha) for f, sha in zip(found.files, sums)))


def checked(file: File, sha256: str) -> str:
    """A checksum that a person gave.  Raises InputError where it is none, or not the known one."""
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise InputError(f"--sha256 {sha256!r} given, expected 64 hexadecimal digits")
    if file.sha256 and sha256 != file.sha256:
        raise InputError(f"--sha256 {sha256} is not the known one of {file.fetched}, {file.sha256}; leave it out")
    return sha256


def fetch(
    found: Entry, folder: Path | None = None, mirror: str | None = None, report: Report | None = None
) -> list[Path]:
    """The entry's files, fetched, checked and, of an archive, the wanted one taken out.

    folder: None is one in the user's cache; files that are there and whole are kept.  mirror: a base address that has
    the same files.  Raises InputError, in one line.
    """
    if not found.files:
        command = f"ganvas import {found.format} FILE --out DIR"
        raise InputError(f"{found.name} cannot be fetched by itself; open {found.page}, then {command}")
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise InputError(f"mirror {mirror!r}, expected an address that starts with http:// or https://")
    folder = folder or place(found)
    for file in found.files:
        published = Published(file.fetched, None, None, file.sha256, file.most_mb * MIB)
        address = f"{mirror.rstrip('/')}/{file.fetched}" if mirror else file.address
        with downloads.writing(folder):
            path = downloads.get(published, [address], folder, report)
        if report is not None:
            report(path.stat().st_size, path.stat().st_size)
        if file.member:
            take_out(path, file.member, folder / file.name, file.most_mb * MIB)
    return [folder / file.name for file in found.files]


def place(found: Entry) -> Path:
    """Where an entry's files are kept."""
    return user_cache() / "weights" / found.name


def notes(found: Entry, folder: Path) -> list[str]:
    """Where weights came from, by their own checksums: for the card, and for whoever wants to pin them."""
    return [
        f"{file.address}, SHA-256 {downloads.digest(folder / file.fetched)}"
        + ("" if file.sha256 else " (of what was fetched; the published one is not known)")
        for file in found.files
    ]


def take_out(archive: Path, member: str, out: Path, most: int) -> None:
    """The file of that name, in whatever folder of a .tar.gz, as `out`.  Raises InputError.

    No path of the archive is used, and no more than `most` bytes are unpacked.
    """

    def write(part: Path) -> None:
        left = most
        for info in tar:
            left -= max(info.size, 0)
            if left < 0:
                raise InputError(f"{archive.name} unpacks to more than {most:,} bytes, which its weights have not")
            if info.isreg() and Path(info.name).name == member and (source := tar.extractfile(info)) is not None:
                with part.open("wb") as file:
                    shutil.copyfileobj(source, file)
                return
        raise InputError(f"{archive.name} holds no {member}; remove {archive} and fetch it again")

    try:
        with tarfile.open(archive, "r:*") as tar:
            write_atomic(out, write)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        why = reason_of(error)[:80]
        raise InputError(f"{archive.name} is damaged ({why}); remove {archive} and fetch it again") from None
