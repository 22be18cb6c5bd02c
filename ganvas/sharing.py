"""What a GAN says of sharing itself: to a folder, to the hub, and back.

What these names do stands floors above (models/hub.py, api.py).  Nothing here looks up: the package's front door, which
stands above all, hands itself in when the package is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from ganvas.errors import InputError

_public: Callable[[str], Any] | None = None


def opened_by(public: Callable[[str], Any]) -> None:
    """public: name -> what the package calls so, imported when it is first asked for."""
    global _public
    _public = public


def named(name: str) -> Any:
    """What the package calls so."""
    assert _public is not None, "ganvas/__init__.py hands it in"
    return _public(name)


class Shared:
    """The methods of every GAN that go through the package's front door."""

    def save_pretrained(self, folder: str | Path, **how: Any) -> Path:
        """Writes a model folder: config.json, safetensors, a card, a picture.  how: see `ganvas.save_pretrained`"""
        out: Path = named("save_pretrained")(self, folder, **how)
        return out

    def push_to_hub(self, name: str, **how: Any) -> str:
        """Writes a model folder to the hub as "user/name".  -> its address.  how: see `ganvas.push_to_hub`"""
        address: str = named("push_to_hub")(self, name, **how)
        return address

    @classmethod
    def from_pretrained(cls, model: str | Path, device: str | None = None) -> Self:
        """As `ganvas.load`; raises InputError for a model of another paper than this class, where it is one's own."""
        gan = named("load")(model, device)
        if not isinstance(gan, cls):
            raise InputError(f"{model} is a {type(gan).__name__}, not a {cls.__name__}; load it with ganvas.load")
        return gan
