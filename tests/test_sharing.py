"""A GAN shares itself through the package's front door, and nothing below that door looks up to it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ganvas
from ganvas import sharing
from tests import tiny

PACKAGE = Path(ganvas.__file__).parent


def test_the_methods_are_what_the_front_door_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert sharing.named("load") is ganvas.load
    asked = []
    monkeypatch.setattr(sharing, "_public", lambda name: lambda *given, **how: asked.append((name, given, how)) or name)
    gan = tiny.build("wgan")
    assert gan.save_pretrained(tmp_path, licence="mit") == "save_pretrained"
    assert gan.push_to_hub("ann/m", private=True) == "push_to_hub"
    with pytest.raises(ganvas.InputError, match="m is a str, not a WGAN"):
        type(gan).from_pretrained("m", "cpu")
    assert asked == [
        ("save_pretrained", (gan, tmp_path), {"licence": "mit"}),
        ("push_to_hub", (gan, "ann/m"), {"private": True}),
        ("load", ("m", "cpu"), {}),
    ]


def test_no_module_imports_the_front_door() -> None:
    """The import contract sees modules of the package, not the package itself."""
    files = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__main__.py"]
    assert len(files) > 100
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert "ganvas" not in [alias.name for alias in node.names if alias.asname is None], path
            elif isinstance(node, ast.ImportFrom) and node.module == "ganvas":
                assert not {alias.name for alias in node.names} & set(ganvas.__all__), path
