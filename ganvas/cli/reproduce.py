"""ganvas reproduce: trains a model that ships anew and compares the two."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ganvas.cli.arguments import say

if TYPE_CHECKING:
    from ganvas.metrics.protocol import Score

HELP = "train a model that ships anew, with the command that made it, and compare scores and weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas reproduce`."""
    parser.add_argument("name", help="of a model that ships; ganvas models lists them")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/NAME-again)")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:N (default: cpu, as it was made)")


def run(args: argparse.Namespace) -> None:
    """ganvas reproduce"""
    from ganvas.models import zoo
    from ganvas.reproducing import reproduce

    folder = zoo.shipped(args.name)
    out = args.out or Path("runs") / f"{args.name}-again"
    say(f"shipped: {zoo.made(folder).command}")
    found = reproduce(args.name, out, args.device)
    print(f"{'score':<20} {'shipped':>18} {'anew':>18}")
    for before, now in zip(found.shipped, found.anew, strict=True):
        print(f"{before.name:<20} {_number(before):>18} {_number(now):>18}")
    print(f"weights: {found.equal:,} of {found.tensors:,} tensors equal those that ship, to half precision")


def _number(score: Score) -> str:
    """3.21 ± 0.10"""
    return f"{score.value:.2f}" + ("" if score.spread is None else f" ± {score.spread:.2f}")
