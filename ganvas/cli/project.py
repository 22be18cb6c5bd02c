"""ganvas project: pictures back to codes of a model."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ganvas.cli.arguments import MODEL, pathname, positive, seed, tell
from ganvas.errors import InputError

HELP = "the codes whose images are nearest to pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas project`."""
    parser.add_argument("model", type=pathname, metavar="MODEL", help=MODEL)
    parser.add_argument("inputs", nargs="+", metavar="PICTURE", help="images, folders of images, or patterns")
    parser.add_argument(
        "--out", type=pathname, required=True, metavar="DIR", help="for each picture a code file, its image, and a line"
    )
    parser.add_argument(
        "--class", dest="classes", nargs="+", metavar="NAME", help="of all, or one for each (default: the nearest)"
    )
    parser.add_argument("--restarts", type=positive, default=4, metavar="N", help="descents a picture (default: 4)")
    parser.add_argument("--steps", type=positive, default=300, metavar="N", help="of a descent (default: 300)")
    parser.add_argument("--candidates", type=positive, default=512, metavar="N", help="random codes (default: 512)")
    parser.add_argument(
        "--prior", type=float, default=0.1, metavar="W", help="price of codes unlike random ones (default: 0.1)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the random codes (default: 0)")
    parser.add_argument("--fit", choices=["crop", "pad", "stretch"], default="crop", help="of other shapes")
    parser.add_argument("--features", choices=["none", "lpips"], default="none", help="beside pixels (default: none)")
    parser.add_argument("--weights", type=pathname, action="append", metavar="FILE", help="LPIPS: backbone, then lin")
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that are there already")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument("--batch", type=positive, default=64, help="codes at a time (default: 64)")


def run(args: argparse.Namespace) -> None:
    """ganvas project"""
    from ganvas import api, codes, projection, rows
    from ganvas.cli.translate import inputs, more
    from ganvas.data import grid
    from ganvas.files import must_be_writable, write_json
    from ganvas.gan import Picture
    from ganvas.ops.pixels import to_uint8

    found = inputs(args.inputs)
    outputs = [args.out / f"{name}.safetensors" for name in found]
    there = [path for path in outputs if path.exists()]
    if there and not args.overwrite:
        raise InputError(f"{there[0]} is there already{more(there)}; pass --overwrite, or another --out")
    must_be_writable(outputs[0])
    if not 0 <= args.prior < float("inf"):
        raise InputError(f"--prior {args.prior:g} given, expected a price of 0 or more")
    how = {name: getattr(args, name) for name in ("restarts", "steps", "candidates", "prior", "batch")}
    gan = api.load(args.model, args.device)
    x = projection.targets(gan, list(found.values()), args.fit)
    made = gan.project(
        x,
        classes_of(args.classes, len(found)),
        seed=args.seed,
        likeness=likeness(args, gan.device),
        progress=progress(len(found)),
        **how,
    )
    lines = {}
    for i, (name, path) in enumerate(zip(found, outputs)):
        codes.save(rows.take(made.code, slice(i, i + 1)), path, gan.title)
        grid.save(grid.to_pil(to_uint8(made.x[i]).cpu().numpy()), path.with_suffix(".png"))
        lines[name] = {"error": round(float(made.error[i]), 6), **class_of(made, gan, i)}
    both = Picture(rows_of_two(made), 2 * min(len(found), 8))
    grid.save(grid.drawn(both), args.out / "projections.png")
    write_json(args.out / "projections.json", lines)
    tell(args.out)


def rows_of_two(made: Any) -> Any:
    """Each picture, and the image of its code beside it.  -> [2 N, C, H, W]"""
    import torch

    return torch.stack([made.target, made.x], 1).flatten(0, 1).cpu()


def class_of(made: Any, gan: Any, i: int) -> dict[str, str]:
    """The i-th class by its name, or its index where there are no names."""
    if made.y is None:
        return {}
    k = int(made.y[i])
    return {"class": gan.class_names[k] if k < len(gan.class_names) else str(k)}


def classes_of(given: list[str] | None, n: int) -> Any:
    """One class for all, one for each, or None."""
    if given is not None and len(given) not in (1, n):
        raise InputError(f"{len(given)} classes for {n} pictures; give one class, or one for each picture")
    return given[0] if given is not None and len(given) == 1 else given


def likeness(args: argparse.Namespace, device: Any) -> Any:
    """How unlike images are besides their pixels.  Raises InputError."""
    if args.features == "none":
        if args.weights:
            raise InputError("--weights given, but pixels need none; add --features lpips, or leave them out")
        return None
    from ganvas.features.lpips import lpips

    files = args.weights or []
    if len(files) > 2:
        raise InputError(f"{len(files)} times --weights given, LPIPS has two files: its backbone, then its lin")
    return lpips(None, *files).to(device)


def progress(n: int) -> Any:
    """A line with the time left, from the share that is done."""
    from ganvas.engine.log import Screen, duration

    screen, started = Screen(), time.monotonic()

    def show(done: int, total: int) -> None:
        left = (time.monotonic() - started) * (total - done) / max(done, 1)
        at = min(done // 100 + 1, n)
        screen.show(f"projecting: picture {at} of {n}, {done / total:.0%}, {duration(left)} left", force=done == total)

    return show
