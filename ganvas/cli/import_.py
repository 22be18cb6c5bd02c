"""ganvas import: a model folder from the authors' checkpoints."""

from __future__ import annotations

import argparse

from ganvas.cli.arguments import key_values, pathname, say, tell

HELP = "a model folder from the authors' checkpoints"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas import`."""
    parser.add_argument(
        "format",
        metavar="FORMAT",
        help="biggan-pytorch, biggan-deep-hub, biggan-hub, adcgan, unetgan, cyclegan, icgan or stylegan2",
    )
    parser.add_argument(
        "files", nargs="+", type=pathname, metavar="FILE", help="weight files, or the folder that holds them"
    )
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
    gan = importing.import_model(args.format, args.files, args.out, args.preset, key_values(args.set), names)
    for note in folder.read(args.out).notes:
        say(note)
    say(f"{gan.title}, {gan.config.resolution} pixels, {gan.config.num_classes} classes")
    tell(args.out)
