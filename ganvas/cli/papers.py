"""ganvas papers: every system, its presets, resolution, size in parameters, what it needs."""

from __future__ import annotations

import argparse
import json

from ganvas.cli.arguments import tell

HELP = "every system, its presets, resolution, size in parameters, what it needs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas papers`."""
    parser.add_argument("--json", action="store_true", help="as JSON, with exact parameter counts")


def run(args: argparse.Namespace) -> None:
    """ganvas papers"""
    from ganvas import tabled

    rows = tabled.papers()
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE)
    for name in ("preset", "size", "G", "D", "batch", "images", "made for", "what it is"):
        table.add_column(name, overflow="fold", justify="right" if name in ("G", "D", "batch", "images") else "left")
    for row in rows:
        size = f"{row['resolution']}x{row['resolution']}x{row['channels']}" if row["resolution"] else "points"
        counts = [f"{row['parameters'].get(player, 0):,}" for player in ("G", "D")]
        table.add_row(
            row["preset"], size, *counts, str(row["batch"]), millions(row["images"]), row["data"], row["about"]
        )
    console = Console()
    console.width = max(console.width, 150)
    console.print(table)
    tell(
        "A bare name (wgan, wgan-gp) picks the preset that fits the data. All run on a CPU; the large ones want a GPU."
    )


def millions(images: int) -> str:
    """75,000,000 -> 75M"""
    return f"{images / 1e6:g}M" if images >= 1e6 else f"{images / 1e3:g}k"
