"""ganvas check: what a data set holds, before a week is lost on it."""

from __future__ import annotations

import argparse
from pathlib import Path

from ganvas.cli.arguments import shown

HELP = "what a data set holds, before a week is lost on it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas check`."""
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--pairs", action="store_true", help="as pairs (default: where there are folders A and B)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.png", default=Path("contact-sheet.png"), help="the contact sheet"
    )


def run(args: argparse.Namespace) -> None:
    """ganvas check"""
    from ganvas import data
    from ganvas.files import must_be_writable, write_json

    for path in (args.sheet, args.json):
        if path is not None:
            must_be_writable(path)
    report: data.Report | data.PairReport
    if args.pairs or data.holds_pairs(args.data):
        report = data.check_pairs(args.data, progress=shown("checking"))
    else:
        report = data.check(args.data, sheet=args.sheet, progress=shown("checking"))
    for line in report.lines():
        print(line)
    if args.json is not None:
        write_json(args.json, report.to_dict())
        print(f"report: {args.json}")
