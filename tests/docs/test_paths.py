"""What the pages point to is there: files and folders in backticks, links, presets in commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganvas.cli import COMMANDS
from ganvas.presets import families, presets

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ROOMS = tuple(p.name for p in (ROOT / "ganvas").iterdir() if p.is_dir())
ANYWHERE = ("ganvas", "tests", "docs", "benchmarks")
ADDED = {"r1gan.py", "r1gan.toml", "test_r1gan.py"}  # by docs/add-a-paper.md
THEIRS = {"models/dcgan.py"}  # files of the authors' code whose folders are called like rooms of ours

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def named(text: str) -> set[str]:
    """Paths in backticks that begin in a room of the package or at the root."""
    found = {word for quoted in re.findall(r"`([^`\n]+)`", text) for word in quoted.split()}
    paths = {word for word in found if re.fullmatch(r"[\w-]+(/[\w.-]+)*/?(\.\w+)?", word) and "/" in word}
    return {
        path for path in paths if path.split("/")[0] in (*ROOMS, *ANYWHERE) and Path(path).name not in ADDED
    } - THEIRS


@every_page
def test_paths_are_there(page: Path) -> None:
    lost = [path for path in named(page.read_text()) if not any((ROOT / top / path).exists() for top in ("", "ganvas"))]
    assert not lost


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


@every_page
def test_commands_and_their_presets_exist(page: Path) -> None:
    for command, first in re.findall(r"^\$? ?ganvas ([\w-]+)(?: +([\w.-]+))?", page.read_text(), re.MULTILINE):
        assert command in COMMANDS, command
        if command == "train" and not first.startswith("-") and not first.endswith(".toml") and first != "r1gan":
            assert first in presets() or first in families(), first
