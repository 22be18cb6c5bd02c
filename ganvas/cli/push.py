"""ganvas push: a model to the Hugging Face hub."""

from __future__ import annotations

import argparse
from pathlib import Path

from ganvas.cli.arguments import MODEL, tell

HELP = "a model to the Hugging Face hub, with its card and scores"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas push`."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("name", metavar="USER/NAME", help="of the repository, made if it is not there")
    parser.add_argument("--licence", metavar="ID", help="of the weights, as cc-by-4.0 (default: what the folder says)")
    parser.add_argument(
        "--scores", type=Path, metavar="FILE.json", help="of `ganvas evaluate --json` (default: those in the folder)"
    )
    parser.add_argument("--half", action="store_true", help="weights in half precision: half of the bytes")
    parser.add_argument("--private", action="store_true", help="a new repository is not public")


def run(args: argparse.Namespace) -> None:
    """ganvas push"""
    from ganvas import api
    from ganvas.metrics.protocol import read_scores

    scores = read_scores(args.scores)[1] if args.scores is not None else None
    gan = api.load(args.model, "cpu")
    tell(gan.push_to_hub(args.name, licence=args.licence, scores=scores, private=args.private, half=args.half))
