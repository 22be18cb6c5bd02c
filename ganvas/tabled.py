"""The table of presets as it ships, papers/presets/table.json: `ganvas papers` answers from it without torch.

Counting parameters builds every network.  That is done once, by `python -m tests.papers.test_presets`, and a test holds
the table to what is counted.  Where the presets are others than those it was made from, it is counted anew.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

from ganvas.files import write_text

PRESETS = Path(__file__).parent / "papers" / "presets"
TABLE = PRESETS / "table.json"


def papers() -> list[dict[str, Any]]:
    """A row per preset, as `recipes.papers` counts them."""
    rows = shipped()
    if rows is None:
        from ganvas import recipes

        return recipes.papers()
    return rows


def shipped() -> list[dict[str, Any]] | None:
    """The rows of the table; None where it is missing, or was made from other presets."""
    try:
        table = json.loads(TABLE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    rows: list[dict[str, Any]] = table["rows"]
    return rows if table["of"] == fingerprint() else None


def names() -> list[str]:
    """Presets and bare names, sorted."""
    found: set[str] = set()
    for path in PRESETS.glob("*.toml"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        found |= {name for name in table if name not in ("fits", "small") and not name.startswith("_")}
        found |= set(table.get("fits", {}))
    return sorted(found)


def fingerprint() -> str:
    """SHA-256 of the presets' files, names and texts."""
    found = hashlib.sha256()
    for path in sorted(PRESETS.glob("*.toml")):
        text = path.read_text(encoding="utf-8")  # not bytes: a checkout may end its lines in its own way
        found.update(json.dumps([path.name, text]).encode())
    return found.hexdigest()


def write(rows: list[dict[str, Any]]) -> None:
    """The table of these rows, one to a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    write_text(TABLE, f'{{"of": "{fingerprint()}", "rows": [\n{lines}\n]}}\n')
