"""ganvas translate: images of one domain as images of the other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ganvas.cli.arguments import MODEL, pathname, positive, say, shown, tell
from ganvas.errors import InputError

HELP = "images of one domain as images of the other, by a model of pairs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas translate`."""
    parser.add_argument("model", type=pathname, metavar="MODEL", help=MODEL)
    parser.add_argument("inputs", nargs="+", metavar="IN", help="images, folders of images, or patterns as 'in/*.jpg'")
    parser.add_argument("--to", choices=["a", "b"], default="b", help="the domain of the outputs (default: b)")
    parser.add_argument("--out", type=pathname, required=True, metavar="DIR", help="one PNG an input, of the same name")
    parser.add_argument(
        "--tile",
        type=positive,
        default=0,
        metavar="PIXELS",
        help="work in tiles, for images that memory would not hold; the result is the same",
    )
    parser.add_argument(
        "--resize", action="store_true", help="to the size of the training images first (default: their own size)"
    )
    parser.add_argument("--html", action="store_true", help="a page of inputs and outputs side by side, index.html")
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that are there already")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, mps (default: auto)")


def run(args: argparse.Namespace) -> None:
    """ganvas translate"""
    from ganvas import api, pages, translation
    from ganvas.data import grid
    from ganvas.files import must_be_writable, write_text

    found = inputs(args.inputs)
    outputs = {args.out / f"{name}.png": path for name, path in found.items()}
    page = args.out / "index.html"
    there = [path for path in (*outputs, *([page] if args.html else [])) if path.exists()]
    if there and not args.overwrite:
        raise InputError(f"{there[0]} is there already{more(there)}; pass --overwrite, or another --out")
    if taken := [path for path in outputs if path.resolve() == outputs[path].resolve()]:
        raise InputError(f"{taken[0]} is an input itself; pass another --out")
    must_be_writable(next(iter(outputs)))
    gan = api.load(args.model, args.device)
    size = gan.config.shape[1:] if args.resize else None
    channels = translation.generator(gan, args.to).channels_in
    progress = shown("translating")
    rows: list[tuple[str, Any, Any]] = []
    failed: dict[str, str] = {}
    for i, (out, path) in enumerate(outputs.items()):
        try:
            picture = translation.picture(path, channels, size)
            made = translation.translate(gan, picture, args.to, args.tile, shown(f"{path.name}, tile"))
        except InputError as error:
            failed[str(path)] = str(error)
            continue
        grid.save(made, out)
        if args.html:
            rows.append((str(out.relative_to(args.out).with_suffix("")), picture, made))
        progress(i + 1, len(outputs))
    for reason in failed.values():
        say(f"left out: {reason}")
    if len(failed) == len(outputs):
        raise InputError("none of the inputs could be translated")
    if args.html:
        title = f"{args.model.resolve().name}: {'a to b' if args.to == 'b' else 'b to a'}"
        write_text(page, pages.side_by_side(title, ("input", "output"), rows))
        tell(page)
    tell(args.out)


def inputs(given: list[str]) -> dict[str, Path]:
    """Files, folders and patterns -> the name of each output, without its ending, and the input.  Raises InputError."""
    from ganvas.data.decode import SUFFIXES

    found: dict[str, Path] = {}
    for text in given:
        path = Path(text).expanduser()
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
            named = [(str(p.relative_to(path).with_suffix("")), p) for p in files]
        else:
            named = [(p.stem, p) for p in ([path] if path.exists() else matching(path)) if p.is_file()]
        if not named:
            what = "holds no images" if path.is_dir() else "is no file, and no file fits it as a pattern"
            raise InputError(f"{text} {what}; give images, a folder of them, or a pattern as 'in/*.jpg'")
        for name, file in named:
            if found.setdefault(name, file) != file:
                raise InputError(f"{found[name]} and {file} would both become {name}.png; translate them apart")
    return found


def matching(pattern: Path) -> list[Path]:
    """The paths that fit a pattern, sorted."""
    from glob import glob

    return [Path(path) for path in sorted(glob(str(pattern), recursive=True))]


def more(paths: list[Path]) -> str:
    """Words for the others of a list."""
    return f", and {len(paths) - 1} more" if len(paths) > 1 else ""
