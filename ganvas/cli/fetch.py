"""ganvas fetch: download a known public data set."""

from __future__ import annotations

import argparse

from ganvas.cli.arguments import pathname, shown, tell

HELP = "download a known public data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas fetch`."""
    parser.add_argument("name", metavar="NAME", help="mnist, fashion-mnist, cifar10 or cifar100")
    parser.add_argument("directory", type=pathname, metavar="DIR", help="where the files go")
    parser.add_argument("--mirror", metavar="URL", help="another address for the same files; checksums stay")


def run(args: argparse.Namespace) -> None:
    """ganvas fetch"""
    from ganvas import data

    for path in data.fetch(args.name, args.directory, mirror=args.mirror, progress=shown("bytes")):
        tell(path)
