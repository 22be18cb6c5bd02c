"""ganvas: WGAN, WGAN-GP and the GANs after them, each as its paper has it.

import ganvas
gan = ganvas.load("runs/wgan-gp-digits-digits")
images = gan.sample(n=16, seed=0)          # float [16, C, H, W] in [-1, 1]
ganvas.to_pil(images[0]).show()
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganvas import sharing

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "check",
    "evaluate",
    "from_pretrained",
    "load",
    "papers",
    "push_to_hub",
    "resume",
    "save_pretrained",
    "to_pil",
    "to_uint8",
    "train",
]

if TYPE_CHECKING:
    from ganvas.api import from_pretrained, load
    from ganvas.errors import InputError
    from ganvas.front import check, evaluate, resume, train
    from ganvas.models.hub import push_to_hub, save_pretrained
    from ganvas.pictures import to_pil, to_uint8
    from ganvas.recipes import papers

_HOMES = {
    "InputError": "ganvas.errors",
    "check": "ganvas.front",
    "evaluate": "ganvas.front",
    "from_pretrained": "ganvas.api",
    "load": "ganvas.api",
    "push_to_hub": "ganvas.models.hub",
    "resume": "ganvas.front",
    "save_pretrained": "ganvas.models.hub",
    "to_pil": "ganvas.pictures",
    "to_uint8": "ganvas.pictures",
    "train": "ganvas.front",
}


class _Papers(ModuleType):
    """`ganvas.papers` is a package, and `ganvas.papers()` a row for every preset: both names are the natural ones."""

    def __call__(self) -> list[dict[str, Any]]:
        from importlib import import_module

        rows: list[dict[str, Any]] = import_module("ganvas.recipes").papers()
        return rows


class _Ganvas(ModuleType):
    """This package; the import machinery hands it its sub-packages by setting attributes."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "papers" and type(value) is ModuleType:
            value.__class__ = _Papers
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Ganvas


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that `import ganvas` is quick and touches no device."""
    from importlib import import_module

    if name == "papers":
        return import_module("ganvas.papers")
    if name not in _HOMES:
        raise AttributeError(f"module 'ganvas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


sharing.opened_by(__getattr__)
