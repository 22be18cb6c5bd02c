"""ganvas export: a generator as one file for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ganvas.cli.arguments import MODEL, say
from ganvas.errors import InputError

HELP = "a generator as an ONNX or torch.export file, compared with the model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas export`."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("--to", choices=["onnx", "torch"], default="onnx", help="default: onnx")
    parser.add_argument("--domain", choices=["a", "b"], help="of a model of pairs: what it makes (default: b)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .onnx, or .pt2 for torch")


def run(args: argparse.Namespace) -> None:
    """ganvas export"""
    from ganvas import api
    from ganvas.files import must_be_writable
    from ganvas.models import folder, zoo
    from ganvas.models.export import TOLERANCE, export

    ending = {"onnx": ".onnx", "torch": ".pt2"}[args.to]
    if args.out.suffix != ending:
        raise InputError(f"--out {args.out} given with --to {args.to}, expected a name that ends in {ending}")
    must_be_writable(args.out)
    gan = api.load(args.model, "cpu")
    if args.domain is not None and gan.seeds_suffice:
        raise InputError(f"--domain {args.domain} given, but this model makes images of seeds; leave it out")
    description = folder.read(zoo.find(args.model))
    about = {"paper": description.paper, "preset": description.preset or ""}
    made = export(gan, args.out, args.to, args.domain or "b", about)
    for name, shape in made.inputs.items():
        print(f"input {name}: {' x '.join(map(str, shape)) or 'a number'}")
    print(f"largest difference of a pixel from the model: {made.difference:.2g} (at most {TOLERANCE:g} passes)")
    say(f"written: {args.out}")
