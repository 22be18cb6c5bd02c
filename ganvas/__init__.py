"""ganvas: WGAN, WGAN-GP and the GANs after them, each as its paper has it.

import ganvas
gan = ganvas.load("runs/wgan-gp-digits-digits")
images = gan.sample(n=16, seed=0)          # float [16, C, H, W] in [-1, 1]
ganvas.to_pil(images[0]).show()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["InputError", "load", "papers", "to_pil", "to_uint8", "train"]

if TYPE_CHECKING:
    from ganvas.api import load, papers, train
    from ganvas.errors import InputError
    from ganvas.pictures import to_pil, to_uint8

_HOMES = {
    "load": "ganvas.api",
    "papers": "ganvas.api",
    "train": "ganvas.api",
    "InputError": "ganvas.errors",
    "to_pil": "ganvas.pictures",
    "to_uint8": "ganvas.pictures",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that `import ganvas` is quick and touches no device."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ganvas' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
