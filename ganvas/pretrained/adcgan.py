"""Checkpoints in the layout of ADC-GAN's code, a fork of BigGAN-PyTorch: G as there, D with four more heads.

`linear, embed, adc, ac, mi, am` are in every D, whichever loss it was trained with, and no file says which: that has to
be told. Heads that the loss did not use have never learnt and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from ganvas.errors import InputError
from ganvas.pretrained import biggan_pytorch
from ganvas.pretrained.foreign import Imported, need

FORMAT = "ADC-GAN's code"
# Their heads, and what ours are called in nets/heads.py.
RENAMED = {"embed": "heads.embed", **{name: f"heads.classify.{name}" for name in ("ac", "mi", "adc", "am")}}


def convert(
    G: Mapping[str, Tensor],
    D: Mapping[str, Tensor] | None = None,
    heads: Sequence[str] = ("adc",),
    sn_eps: float = 1e-8,
    bn_eps: float = 1e-5,
) -> Imported:
    """State dicts of G (or its average, G_ema) and of a D of which `heads` were trained -> ours.

    adc: ADC-GAN; ac: AC-GAN; ac, mi: TAC-GAN; embed: projection; am: AM-GAN. The epsilons default to the CIFAR
    scripts'; Tiny-ImageNet's has sn_eps 1e-6. `values["heads"]` is there only if D is.
    """
    unknown = [head for head in heads if head not in RENAMED]
    if unknown:
        raise InputError(f"a head called {unknown[0]!r}, expected some of {', '.join(RENAMED)}")
    imported = replace(biggan_pytorch.convert(G, D, sn_eps, bn_eps), paper="adcgan")
    if imported.D is None:
        return imported
    for head in heads:
        need(imported.D, f"{head}.weight", f"a D of {FORMAT}")
    unused = [head for head in RENAMED if head not in heads and f"{head}.weight" in imported.D]
    left_out = [f"D's heads {', '.join(unused)} were left out: every D of {FORMAT} has them, these did not learn"]
    return replace(
        imported,
        values={**imported.values, "heads": list(heads)},
        D=with_heads(imported.D, heads),
        notes=imported.notes + (left_out if unused else []),
    )


def with_heads(D: Mapping[str, Tensor], heads: Sequence[str]) -> dict[str, Tensor]:
    """The trunk as it is, and under our names the score and these heads, no others."""
    kept = {"linear": "heads.linear", **{head: RENAMED[head] for head in heads}}
    renamed: dict[str, Tensor] = {}
    for key, value in D.items():
        owner, _, rest = key.partition(".")
        if owner in kept:
            renamed[f"{kept[owner]}.{rest}"] = value
        elif owner not in RENAMED:
            renamed[key] = value
    return renamed
