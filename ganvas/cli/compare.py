"""ganvas compare: a table of scores; unlike protocols never share a column."""

from __future__ import annotations

import argparse

from ganvas.cli.arguments import pathname, tell

HELP = "a table of scores; unlike protocols never share a column"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas compare`."""
    parser.add_argument("files", nargs="+", type=pathname, metavar="FILE.json", help="of ganvas evaluate --json")
    parser.add_argument("--ignore", nargs="+", default=[], metavar="FIELD", help="protocol fields that may differ")
    parser.add_argument("--mean", action="store_true", help="one row: mean and spread over the files (training seeds)")


def run(args: argparse.Namespace) -> None:
    """ganvas compare"""
    from ganvas.metrics.compare import cell, mean_over_files
    from ganvas.metrics.compare import compare as tabulate

    if args.mean:
        for line in mean_over_files(args.files, args.ignore):
            tell(line)
        return
    table = tabulate(args.files, args.ignore)
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=SIMPLE)
    titles = [column.title for column in table.columns]
    texts = [[cell(column.cells[i]) for column in table.columns] for i in range(len(table.rows))]
    wide = len(titles) > len(table.rows)  # then the files stand side by side, and metrics below each other
    for title in ("", *(table.rows if wide else titles)):
        shown.add_column(title, justify="right" if title else "left", overflow="fold")
    for name, row in zip(titles, zip(*texts)) if wide else zip(table.rows, texts):
        shown.add_row(name, *row)
    console = Console()
    console.width = max(console.width, 120)
    console.print(shown)
    for note in (*table.notes, *(f"note: {warning}" for warning in table.warnings)):
        tell(note)
