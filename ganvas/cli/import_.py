"""ganvas import: a model folder from the authors' checkpoints, given or fetched."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ganvas.cli.arguments import key_values, pathname, say, shown, tell
from ganvas.errors import InputError

HELP = "a model folder from the authors' checkpoints"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas import`."""
    parser.add_argument(
        "format",
        nargs="?",
        metavar="FORMAT",
        help="biggan-pytorch, biggan-deep-hub, biggan-hub, adcgan, unetgan, cyclegan, icgan or stylegan2",
    )
    parser.add_argument(
        "files", nargs="*", type=pathname, metavar="FILE", help="weight files, or the folder that holds them"
    )
    parser.add_argument(
        "--from-catalogue", metavar="NAME", help="fetch these published weights; `ganvas models --catalogue` lists them"
    )
    parser.add_argument("--accept-licence", action="store_true", help="of weights that are fetched, having read it")
    parser.add_argument(
        "--sha256", nargs="+", default=[], metavar="HEX", help="that you trust, one for each file that is fetched"
    )
    parser.add_argument("--mirror", metavar="URL", help="another address for the same files; checksums stay")
    parser.add_argument("--out", type=pathname, required=True, metavar="DIR", help="the model folder to write")
    parser.add_argument("--preset", metavar="NAME", help="where training values come from (default: by resolution)")
    parser.add_argument(
        "--set", nargs="+", action="extend", metavar="KEY=VALUE", help="what no file holds, as sn_eps=1e-8"
    )
    parser.add_argument("--class-names", type=pathname, metavar="FILE", help="one name a line")


def run(args: argparse.Namespace) -> None:
    """ganvas import"""
    from ganvas.models import folder, importing

    names = importing.read_class_names(args.class_names) if args.class_names else None
    format, files, more = fetched(args) if args.from_catalogue else given(args)
    values = key_values(args.set)
    gan = importing.import_model(format, files, args.out, args.preset, values, names, **more)
    for note in folder.read(args.out).notes:
        say(note)
    say(f"{gan.title}, {gan.config.resolution} pixels, {gan.config.num_classes} classes")
    tell(args.out)


def given(args: argparse.Namespace) -> tuple[str, list[Path], dict[str, Any]]:
    """Format and files as they were typed.  Raises InputError"""
    options = {"--accept-licence": args.accept_licence, "--sha256": args.sha256, "--mirror": args.mirror}
    if odd := next((option for option, value in options.items() if value), None):
        raise InputError(f"{odd} given without --from-catalogue, which it is for; leave it out")
    if args.format is None or not args.files:
        raise InputError("FORMAT and FILE expected, or --from-catalogue NAME; see ganvas import --help")
    return args.format, args.files, {}


def fetched(args: argparse.Namespace) -> tuple[str, list[Path], dict[str, Any]]:
    """Format and files of the catalogue, once the licence is accepted.  Raises InputError"""
    from ganvas.models import catalogue, importing

    if args.format is not None:
        raise InputError(f"{args.format} given with --from-catalogue, which knows format and files; leave it out")
    found = catalogue.with_sums(catalogue.entry(args.from_catalogue), args.sha256)
    for line in found.lines():
        say(line)
    importing.must_be_new(args.out)
    if found.files and not args.accept_licence:
        ask(found.licence)
    files = catalogue.fetch(found, mirror=args.mirror, report=shown("bytes"))
    told = catalogue.notes(found, catalogue.place(found))
    return found.format, files, {"licence": found.licence, "told": told}


def ask(licence: str) -> None:
    """Returns where the person accepts the licence.  Raises InputError elsewhere, and where nobody can be asked."""
    if not sys.stdin.isatty():
        raise InputError("the licence above must be accepted: add --accept-licence once you have read it")
    print(f"Use the weights under this licence ({licence})? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError("the licence was not accepted; nothing was fetched")
