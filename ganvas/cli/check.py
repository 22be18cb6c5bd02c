"""ganvas check: what a data set holds, before a week is lost on it."""

from __future__ import annotations

import argparse

from ganvas.cli.arguments import data as data_name
from ganvas.cli.arguments import pathname, picture_name, say, shown, tell

HELP = "what a data set holds, before a week is lost on it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas check`."""
    parser.add_argument(
        "data", type=data_name, metavar="DATA", help="digits, or a path: folder, zip, tar, idx, CIFAR, npz, pairs"
    )
    parser.add_argument("--pairs", action="store_true", help="as pairs (default: where there are folders A and B)")
    parser.add_argument("--json", type=pathname, metavar="FILE", help="write the whole report")
    parser.add_argument("--sheet", type=pathname, metavar="FILE.png", help="draw a contact sheet there")


def run(args: argparse.Namespace) -> int:
    """ganvas check.  -> exit status: 2 where nothing can be read"""
    from ganvas import data
    from ganvas.files import must_be_writable, write_json

    if args.sheet is not None:
        picture_name(args.sheet, "--sheet")
    for path in (args.sheet, args.json):
        if path is not None:
            must_be_writable(path)
    report: data.Report | data.PairReport
    if args.pairs or data.holds_pairs(args.data):
        report = data.check_pairs(args.data, progress=shown("checking"))
    else:
        report = data.check(args.data, sheet=args.sheet, progress=shown("checking"))
    for line in report.lines():
        tell(line)
    if args.json is not None:
        write_json(args.json, report.to_dict())
        tell(f"report: {args.json}")
    if not report.readable:
        say(f"ganvas: nothing in {report.name} can be read as an image")
        return 2
    return 0
