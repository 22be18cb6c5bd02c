"""Checkpoints in the layout of ADC-GAN's code, a fork of BigGAN-PyTorch: G as there, D with four more heads.

`linear, embed, adc, ac, mi, am` are in every D, whichever loss it was trained with, and no file says which: that has to
be told. Heads that the loss did not use have never learnt and are left out. A G without its D is BigGAN's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import InputError
from ganvas.pretrained import biggan_pytorch
from ganvas.pretrained.foreign import Imported, epsilons, need, one_set

FORMAT = "ADC-GAN's code"
# Their heads, and what ours are called in nets/heads.py.
RENAMED = {"embed": "heads.embed", **{name: f"heads.classify.{name}" for name in ("ac", "mi", "adc", "am")}}
# objective -> the heads that it trains (nets/heads.py says the same, a floor above), and whose training values fit
TRAINED = {"adc": ("adc",), "ac": ("ac",), "tac": ("ac", "mi"), "pd": ("embed",), "am": ("am",)}
PRESETS = {"adc": "adcgan", "ac": "acgan", "tac": "tacgan", "pd": "pdgan", "am": "acgan"}
SN_EPS = {32: 1e-8}  # the CIFAR scripts'; Tiny-ImageNet's is biggan_pytorch's


def read(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """G*.pth, and if given D*.pth and G_ema*.pth, in any order or as their folder; the average is what samples."""
    found = one_set(files, lambda state: any(k.startswith("embed.") for k in state))
    name, G = found.get("G_ema") or found["G"]
    D = found["D"][1] if "D" in found else None
    objective = overrides.get("objective", "adc")
    foreign = convert(G, D, objective, **epsilons(overrides, ("sn_eps", "bn_eps")))
    if D is not None and "objective" not in overrides:
        foreign.notes.append("which loss D was trained with is not in the file: objective=adc was assumed")
    if "G_ema" in found and "G" in found:
        foreign.notes.append(f"G is the average ({name.name}); the live {found['G'][0].name} was left out")
    return foreign


def convert(
    G: Mapping[str, Tensor],
    D: Mapping[str, Tensor] | None = None,
    objective: str = "adc",
    sn_eps: float | None = None,
    bn_eps: float = 1e-5,
) -> Imported:
    """State dicts of G (or its average, G_ema) and of a D that was trained with `objective` -> ours.

    The epsilons default to those of the script for this resolution. Without D: a BigGAN without one.
    """
    if objective not in TRAINED:
        raise InputError(f"objective={objective} given, expected one of {', '.join(TRAINED)}")
    heads = TRAINED[objective]
    if sn_eps is None:
        sn_eps = SN_EPS.get(biggan_pytorch.generator_values(G)["resolution"], 1e-6)
    imported = biggan_pytorch.convert(G, D, sn_eps, bn_eps)
    if imported.D is None:
        return replace(imported, paper="biggan", presets=("biggan",))
    for head in heads:
        need(imported.D, f"{head}.weight", f"a D of {FORMAT}")
    unused = [head for head in RENAMED if head not in heads and f"{head}.weight" in imported.D]
    left_out = [f"D's heads {', '.join(unused)} were left out: every D of {FORMAT} has them, these did not learn"]
    return replace(
        imported,
        paper="adcgan",
        values={**imported.values, "objective": objective, **({"adversarial": "none"} if objective == "am" else {})},
        D=with_heads(imported.D, heads),
        notes=imported.notes + (left_out if unused else []),
        presets=(PRESETS[objective],),
        alike=("objective",) if objective != "am" else (),  # AM-GAN has no preset: AC-GAN's values fit
        told=("adversarial",),  # the epsilons and the objective are in `values` as they were told
        granted={**imported.granted, "bias_init": "torch"},
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
