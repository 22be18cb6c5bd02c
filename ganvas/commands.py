"""What each command does with its arguments, which cli.py defines.  Imports stand where they are used."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganvas.errors import InputError


def settings_of(pairs: Sequence[str] | None) -> dict[str, Any]:
    """key=value pairs; values are JSON where they parse as it (numbers, true, false), else strings."""
    values: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InputError(f"--set {pair!r} given, expected KEY=VALUE as G_lr=1e-4")
        try:
            values[key] = json.loads(text)
        except json.JSONDecodeError:
            values[key] = {"True": True, "False": False}.get(text, text)
    return values


def papers(args: argparse.Namespace) -> None:
    """ganvas papers"""
    from ganvas import api

    rows = api.papers()
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
    print(
        "A bare name (wgan, wgan-gp) picks the preset that fits the data. All run on a CPU; the large ones want a GPU."
    )


def millions(images: int) -> str:
    """75,000,000 -> 75M"""
    return f"{images / 1e6:g}M" if images >= 1e6 else f"{images / 1e3:g}k"


def train(args: argparse.Namespace) -> int:
    """ganvas train"""
    from ganvas import api, data
    from ganvas.engine.run import Settings

    overrides = settings_of(args.set)
    for key in ("images", "batch"):
        if getattr(args, key) is not None:
            overrides[key] = getattr(args, key)
    if args.resume is not None:
        return report(args.resume, resume(args, overrides))
    if args.preset is None:
        raise InputError(
            "no preset given; `ganvas papers` lists them, `ganvas train wgan-gp` picks one that fits the data"
        )
    name = args.data or api.default_data(args.preset)
    note = f"no --data given: using the embedded {name}" if args.data is None else ""
    kind = data.peek(name)
    recipe = api.recipe(args.preset, kind, args.resolution, overrides)
    given = {k: getattr(args, k) for k in Settings.model_fields if getattr(args, k, None) is not None}
    device = api.choose_device(args.device or "auto")
    path = name if kind.kind in ("digits", "toy") else str(Path(name).expanduser().resolve())
    settings = Settings(**{**given, "data": path, "device": str(device)})
    if args.dry_run:
        dry_run(recipe, settings, device, kind.count)
        if note:
            say(note)
        return 0
    out = args.out or free(Path("runs") / f"{recipe.preset}-{Path(name).stem}")
    return report(out, api.train(recipe, settings, out, note=note))


def resume(args: argparse.Namespace, overrides: dict[str, Any]) -> Any:
    """ganvas train --resume"""
    from ganvas import api
    from ganvas.engine.run import Settings

    if args.out is not None or args.dry_run:
        option = "--dry-run" if args.dry_run else "--out"
        raise InputError(f"{option} given with --resume, which goes on in the run's own folder; leave one of them out")
    images = overrides.pop("images", None)
    names = {"preset", "resolution", *Settings.model_fields} - {"data", "device"}
    asked = {k: getattr(args, k) for k in sorted(names) if getattr(args, k) is not None}
    if args.data is not None:
        embedded = args.data in ("digits", "ring8", "grid25", "swissroll")
        asked["data"] = args.data if embedded else str(Path(args.data).expanduser().resolve())
    return api.resume(args.resume, images, {**asked, **overrides}, args.device)


def report(out: Path, outcome: Any) -> int:
    """The last lines of a run.  -> exit status"""
    from ganvas.engine.log import duration

    if outcome.stopped is not None:
        say(f"stopped at {outcome.images_seen:,} images, state saved; continue with: ganvas train --resume {out}")
        return 128 + outcome.stopped
    if outcome.collapsed:
        say(f"stopped at {outcome.images_seen:,} images by a collapse; {out} holds the state before it")
        return 1
    say(f"done: {outcome.images_seen:,} images in {duration(outcome.seconds)}")
    print(f"sample grid:  {out / 'samples.png'}")
    print(f"film:         {out / 'film.gif'}")
    print(f"model folder: {out}")
    say(f"try: ganvas sample {out} -n 64 --seed 1 --out grid.png")
    return 0


def dry_run(recipe: Any, settings: Any, device: Any, num_images: int) -> None:
    """Configuration, sizes, estimates."""
    from ganvas import api
    from ganvas.engine.log import duration

    counts, cost = api.dry_run(recipe, device)
    print(f"preset {recipe.preset} of paper {recipe.paper}; nothing is trained or written")
    for title, values in (("configuration", recipe.config.model_dump()), ("run", settings.model_dump())):
        print(f"\n{title}")
        for key, value in values.items():
            print(f"  {key} = {value}")
    print("\nparameters")
    for player, number in counts.items():
        print(f"  {player} {number:,}")
    c = recipe.config
    print(f"\nestimate on {device} (a factor of two either way is normal)")
    print(
        f"  work    {cost.flops_per_image / 1e9:.3g} GFLOP per real image, about {cost.images_per_second:.3g} images/s"
    )
    print(f"  time    {duration(cost.seconds)} for {c.images:,} images ({c.images / max(num_images, 1):,.1f} epochs)")
    print(f"  memory  {cost.memory_bytes / 2**20:,.0f} MiB for weights, optimisers and activations")


def free(path: Path) -> Path:
    """The path, or the path with the first number behind it that is not taken."""
    candidates = [path, *(path.with_name(f"{path.name}-{i}") for i in range(2, 10_000))]
    return next(p for p in candidates if not p.exists())


def sample(args: argparse.Namespace) -> None:
    """ganvas sample"""
    from ganvas import api
    from ganvas.data import grid
    from ganvas.files import must_be_writable
    from ganvas.ops.pixels import to_uint8

    out = args.out or Path("samples.png")
    if args.each is None and out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp", ".npz", ".gif"):
        raise InputError(f"--out {out} given, expected a name that ends in .png, .jpg, .webp, .gif or .npz")
    must_be_writable(args.each / "seed.png" if args.each is not None else out)
    gan = api.load(args.model, args.device)
    if args.classes and not gan.config.num_classes:
        raise InputError(f"--class {' '.join(args.classes)} given, but this model is unconditional; leave it out")
    n, columns = args.n or (8 if args.interpolate else 64), None
    if args.standing:
        gan.standing_statistics(args.standing, args.batch, 0, args.truncation, args.truncation_form)
    if args.interpolate:
        columns = args.interpolate
        classes = [args.classes[i % len(args.classes)] for i in range(n + 1)] if args.classes else None
        seeds = range(args.seed, args.seed + n + 1)
        x = gan.interpolate(seeds, classes, columns, args.truncation, args.truncation_form).cpu()
    else:
        classes = [args.classes[i * len(args.classes) // n] for i in range(n)] if args.classes else None
        x = gan.sample(n, args.seed, classes, args.truncation, args.batch, args.truncation_form).cpu()
    if out.suffix.lower() == ".gif" and args.each is None:
        frames = [grid.picture(part.numpy() if x.dim() == 2 else to_uint8(part).numpy()) for part in x.split(1)]
        grid.save_film(frames, out)
    elif out.suffix.lower() == ".npz" and args.each is None:
        write_npz(out, x.numpy())
    elif args.each is not None:
        if x.dim() == 2:
            raise InputError("--each is for images, this model makes points; use --out FILE.png or FILE.npz")
        for i, image in enumerate(to_uint8(x).numpy()):
            grid.save(grid.to_pil(image), args.each / f"seed{args.seed + i:06d}.png")
        out = args.each
    else:
        grid.save(grid.picture(x.numpy() if x.dim() == 2 else to_uint8(x).numpy(), columns), out)
    print(out)


def import_(args: argparse.Namespace) -> None:
    """ganvas import"""
    from ganvas import importing

    names = importing.read_class_names(args.class_names) if args.class_names else None
    gan = importing.import_model(args.format, args.files, args.out, args.preset, settings_of(args.set), names)
    say(f"{gan.title}, {gan.config.resolution} pixels, {gan.config.num_classes} classes")
    print(args.out)


def write_npz(path: Path, x: Any) -> None:
    """Floats in [-1, 1] under the name x."""
    import numpy as np

    from ganvas.files import write_atomic

    write_atomic(path, lambda temporary: np.savez_compressed(temporary, x=x))


def evaluate(args: argparse.Namespace) -> None:
    """ganvas evaluate"""
    from ganvas import evaluation
    from ganvas.files import must_be_writable
    from ganvas.metrics.compare import describe
    from ganvas.metrics.protocol import write_scores

    if args.json is not None:
        must_be_writable(args.json)
    if args.intervals is not None and args.intervals < 20:
        raise InputError(f"--intervals {args.intervals} given, expected 20 half samples or more, as 200")
    subject, scores = evaluation.evaluate(
        args.subject,
        args.data,
        metrics=args.metrics,
        features=args.features,
        weights=args.weights or (),
        resize=args.resize,
        split=args.split,
        held_out=args.held_out,
        n=args.n,
        seed=args.seed,
        sets=args.seeds,
        intervals=args.intervals or 0,
        truncation=args.truncation,
        truncation_form=args.truncation_form,
        standing=args.standing or 0,
        device=args.device,
        progress=seen(),
    )
    for score in scores:
        print(describe(score))
    if args.json is not None:
        write_scores(args.json, subject, scores)
        say(f"scores with their protocols: {args.json}")


def compare(args: argparse.Namespace) -> None:
    """ganvas compare"""
    from ganvas.metrics.compare import cell, mean_over_files
    from ganvas.metrics.compare import compare as tabulate

    if args.mean:
        for line in mean_over_files(args.files, args.ignore):
            print(line)
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
        print(note)


def seen() -> Any:
    """A progress callback for images looked at."""
    from ganvas.engine.log import Screen

    screen = Screen()
    return lambda what, done: screen.show(f"{what}: {done:,} images")


def check(args: argparse.Namespace) -> None:
    """ganvas check"""
    from ganvas import data
    from ganvas.files import must_be_writable, write_json

    for path in (args.sheet, args.json):
        if path is not None:
            must_be_writable(path)
    report = data.check(args.data, sheet=args.sheet, progress=shown("checking"))
    for line in report.lines():
        print(line)
    if args.json is not None:
        write_json(args.json, report.to_dict())
        print(f"report: {args.json}")


def fetch(args: argparse.Namespace) -> None:
    """ganvas fetch"""
    from ganvas import data

    for path in data.fetch(args.name, args.directory, mirror=args.mirror, progress=shown("bytes")):
        print(path)


def shown(what: str) -> Any:
    """A progress callback that prints a renewed line."""
    from ganvas.engine.log import Screen

    screen = Screen()
    return lambda done, total: screen.show(f"{what}: {done:,} of {total:,}", force=done == total)


def say(line: str) -> None:
    """A line for people, on stderr."""
    print(line, file=sys.stderr, flush=True)
