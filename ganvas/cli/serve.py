"""ganvas serve: the models at hand in the browser, and as a JSON API."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ganvas.cli.arguments import MODEL, positive, say
from ganvas.errors import InputError

HELP = "the models at hand in the browser, and as a JSON API"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas serve`."""
    parser.add_argument(
        "models", nargs="*", metavar="MODEL",
        help=f"each {MODEL} (default: all that ship, and all in --runs)",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen at (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=8000, metavar="N", help="0: any free one (default: 8000)")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="where training runs are (default: runs)"
    )
    parser.add_argument(
        "--data", nargs="+", default=[], metavar="PATH", help="what the page may train on besides digits and the toys"
    )
    parser.add_argument("--read-only", action="store_true", help="no training, no evaluations: models alone")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument(
        "--token",
        metavar="TEXT",
        help="who asks must send it (default: $GANVAS_TOKEN; else none on this machine, elsewhere a new one is made)",
    )
    parser.add_argument(
        "--allow-host", nargs="+", default=[], metavar="NAME", help="other names under which this server is asked"
    )
    parser.add_argument(
        "--images", type=positive, default=None, metavar="N", help="that one request may ask for (default: 64)"
    )


def run(args: argparse.Namespace) -> None:
    """ganvas serve"""
    try:
        from ganvas.serve.server import Serving, serve
    except ImportError as error:
        raise InputError(f"{error.name} is not installed; pip install 'ganvas[serve]'") from None
    serve(
        Serving(
            models=args.models,
            runs=args.runs,
            host=args.host,
            port=args.port,
            device=args.device,
            token=args.token or os.environ.get("GANVAS_TOKEN") or None,
            names=args.allow_host,
            images=args.images,
            data=args.data,
            read_only=args.read_only,
        ),
        say,
    )


def port(text: str) -> int:
    """A port, or 0."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a whole number from 0 to 65535")
    return int(text)
