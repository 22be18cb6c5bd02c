"""ganvas models: the models that ship, ready to sample."""

from __future__ import annotations

import argparse
import json

HELP = "the models that ship with ganvas: sample them by name"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas models`."""
    parser.add_argument("--json", action="store_true", help="as JSON, with where each lies")


def run(args: argparse.Namespace) -> None:
    """ganvas models"""
    from ganvas.models import zoo

    rows = zoo.rows()
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        shape = "x".join(map(str, [*row["shape"][1:], row["shape"][0]]))
        scores = ", ".join(f"{name} {value:.3g}" for name, value in row["scores"].items())
        print(f"{row['name']:<22} {shape:<10} {row['size_bytes'] / 1e3:>7,.0f} kB  {scores}")
        print(f"{'':<22} {row['command']}")
    print("ganvas sample NAME -n 64; ganvas reproduce NAME trains one anew and compares")
