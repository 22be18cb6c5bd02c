"""ganvas models: the models that ship, ready to sample, and published weights that can be imported."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from ganvas.cli.arguments import tell

HELP = "the models that ship with ganvas, and published weights to import"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas models`."""
    parser.add_argument("--json", action="store_true", help="as JSON, with where each lies")
    parser.add_argument(
        "--catalogue", action="store_true", help="others' published weights, for `ganvas import --from-catalogue NAME`"
    )


def run(args: argparse.Namespace) -> None:
    """ganvas models"""
    if args.catalogue:
        return catalogue(args.json)
    from ganvas.models import zoo

    rows = zoo.rows()
    if args.json:
        print(json.dumps(rows, indent=2))
        return None
    for row in rows:
        shape = "x".join(map(str, [*row["shape"][1:], row["shape"][0]]))
        scores = ", ".join(f"{name} {value:.3g}" for name, value in row["scores"].items())
        print(f"{row['name']:<22} {shape:<10} {row['size_bytes'] / 1e3:>7,.0f} kB  {scores}")
        print(f"{'':<22} {row['command']}")
    print("ganvas sample NAME -n 64; ganvas reproduce NAME trains one anew and compares")
    print("ganvas models --catalogue lists others' published weights that can be imported")
    return None


def catalogue(as_json: bool) -> None:
    """Published weights: what, licence, score, where from."""
    from ganvas.models.catalogue import entries

    if as_json:
        print(json.dumps([asdict(found) for found in entries().values()], indent=2))
        return
    for found in entries().values():
        for line in found.lines():
            tell(line if line.startswith(f"{found.name}: ") else f"    {line}")
    tell("ganvas import --from-catalogue NAME --out DIR")
