"""The command line.  Every wrong input ends in one line and exit status 2; commands import what they need."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ganvas import __version__
from ganvas.errors import InputError


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


class Terminated(KeyboardInterrupt):
    """SIGTERM: cleans up on its way out as Ctrl-C does."""


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises, for as long as the block runs (the training loop, once it is reached, has its own way)."""

    def stop(number: int, _: object) -> None:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.  -> exit status: 0 done, 2 wrong input, 130 or 143 stopped by a signal with the state saved"""
    try:
        args = parser().parse_args(argv)
        if not hasattr(args, "run"):
            parser().print_help()
            return 2
        with terminable():
            return args.run(args) or 0
    except InputError as error:
        say("ganvas: " + " ".join(str(error).splitlines()))
        return 2
    except KeyboardInterrupt as error:
        say("ganvas: interrupted")
        return 143 if isinstance(error, Terminated) else 130
    except BrokenPipeError:
        return 141


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(prog="ganvas", description="Train, sample and check the GANs that everyone has to know.")
    top.add_argument("--version", action="version", version=f"ganvas {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    def command(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        return sub

    p = command("papers", papers, "every system, its presets, resolution, size in parameters, what it needs")
    p.add_argument("--json", action="store_true", help="as JSON, with exact parameter counts")

    p = command("train", train, "train a preset, or continue a run exactly")
    p.add_argument("preset", nargs="?", metavar="PRESET", help="a preset of `ganvas papers`, or a bare name as wgan-gp")
    p.add_argument(
        "--resume", type=Path, metavar="DIR", help="continue this run; only --images and --device may change"
    )
    p.add_argument(
        "--data", help="digits, ring8, grid25, swissroll, or a path: folder, zip, idx, CIFAR, npz (default: digits)"
    )
    p.add_argument("--resolution", type=positive, metavar="R", help="pixels per side (default: the preset's)")
    p.add_argument("--images", type=count, metavar="N", help="real images to show in all, as 600000 or 600k")
    p.add_argument("--batch", type=positive, metavar="N", help="real images per optimiser step")
    p.add_argument(
        "--seed", type=seed, metavar="S", help="of the weights, the order of the data, all noise (default: 0)"
    )
    p.add_argument("--device", metavar="D", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    p.add_argument("--precision", choices=["fp32", "bf16"], help="bf16: autocast (default: fp32)")
    p.add_argument(
        "--fit", choices=["crop", "pad", "stretch"], help="how other aspect ratios become square (default: crop)"
    )
    p.add_argument(
        "--max-unreadable", type=share, metavar="SHARE", help="of the files that may be unreadable (default: 0)"
    )
    p.add_argument("--set", nargs="+", action="extend", metavar="KEY=VALUE", help="any field of the configuration")
    p.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/PRESET-DATA)")
    p.add_argument("--checkpoint-every", type=count, metavar="N", help="images between checkpoints")
    p.add_argument("--sample-every", type=count, metavar="N", help="images between sample grids")
    p.add_argument("--log-every", type=count, metavar="N", help="images between log lines")
    p.add_argument("--evaluate-every", type=count, metavar="N", help="images between looks at score and health")
    p.add_argument("--score", metavar="NAME", help="what chooses best/: sliced, or fid, kid, ... (default: sliced)")
    p.add_argument(
        "--on-collapse", choices=["warn", "stop", "rollback"], help="what follows a collapse (default: warn)"
    )
    p.add_argument("--dry-run", action="store_true", help="print configuration, sizes, estimates, and exit")

    p = command("sample", sample, "images from a model folder")
    p.add_argument("model", type=Path, metavar="MODEL")
    p.add_argument("-n", type=positive, help="how many images, or legs of an interpolation (default: 64, or 8)")
    p.add_argument("--seed", type=seed, default=0, help="of the first image; the others follow by one (default: 0)")
    p.add_argument("--class", dest="classes", nargs="+", metavar="NAME", help="class names or indices, in equal shares")
    p.add_argument("--truncation", type=float, metavar="T", help="latent entries beyond T are drawn again")
    p.add_argument(
        "--truncation-form",
        choices=["resample", "scale", "clamp"],
        default="resample",
        help="resample: entries beyond T drawn again (BigGAN); scale: T times a normal truncated at 2 (the hub); "
        "clamp: entries beyond T moved onto it",
    )
    p.add_argument("--standing", type=positive, metavar="N", help="batch-norm statistics anew from N batches first")
    p.add_argument(
        "--interpolate", type=positive, metavar="STEPS", help="n legs from seed to seed, STEPS pictures each"
    )
    p.add_argument("--device", default="auto", metavar="D")
    p.add_argument("--batch", type=positive, default=64, help="images at a time (default: 64)")
    where = p.add_mutually_exclusive_group()
    where.add_argument(
        "--out", type=Path, metavar="FILE.png", help="one grid (default: samples.png); .gif a film, .npz floats"
    )
    where.add_argument("--each", type=Path, metavar="DIR", help="one PNG for each image")

    p = command("import", import_, "a model folder from the authors' checkpoints")
    p.add_argument("format", metavar="FORMAT", help="biggan-pytorch, biggan-deep-hub or biggan-hub")
    p.add_argument("files", nargs="+", type=Path, metavar="FILE", help="weight files, or the folder that holds them")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model folder to write")
    p.add_argument("--preset", metavar="NAME", help="where training values come from (default: by resolution)")
    p.add_argument("--set", nargs="+", action="extend", metavar="KEY=VALUE", help="what no file holds, as sn_eps=1e-8")
    p.add_argument("--class-names", type=Path, metavar="FILE", help="one name a line")

    p = command("evaluate", evaluate, "scores of a model or a folder of images, each with its protocol")
    p.add_argument("subject", type=Path, metavar="MODEL|FOLDER", help="a model folder, or a folder of images")
    p.add_argument("--data", required=True, help="the reference: digits, ring8, ..., or a path")
    p.add_argument("--split", default="train", metavar="NAME", help="of the reference (default: train)")
    p.add_argument(
        "--held-out", metavar="NAME", help="split for cas and memorisation (default: test, if there is one; or none)"
    )
    p.add_argument("--metrics", help="fid,kid,is,prdc,intra_fid,cas,memorisation; or of pairs mse,psnr,ssim,lpips")
    p.add_argument("--features", default="own", metavar="NAME", help="inception, own, timm:MODEL (default: own)")
    p.add_argument(
        "--weights", type=Path, action="append", metavar="FILE", help="of the feature network (lpips: give it twice)"
    )
    p.add_argument("--resize", metavar="FILTER", help="tf1_bilinear (the original FID), clean_bicubic, ...")
    p.add_argument("-n", type=positive, metavar="N", help="samples (default: as many as the reference, at most 50000)")
    p.add_argument("--seed", type=seed, default=0, help="of the first sample (default: 0)")
    p.add_argument("--seeds", type=positive, default=1, metavar="K", help="sample sets: prints mean and spread")
    p.add_argument("--intervals", type=positive, default=None, metavar="K", help="95 %% intervals from K half samples")
    p.add_argument("--truncation", type=float, metavar="T")
    p.add_argument("--truncation-form", choices=["resample", "scale", "clamp"], default="resample")
    p.add_argument("--standing", type=positive, metavar="N", help="batch-norm statistics anew from N batches first")
    p.add_argument("--device", default="auto", metavar="D")
    p.add_argument("--json", type=Path, metavar="FILE", help="scores with their protocols, for ganvas compare")

    p = command("compare", compare, "a table of scores; unlike protocols never share a column")
    p.add_argument("files", nargs="+", type=Path, metavar="FILE.json", help="written by ganvas evaluate --json")
    p.add_argument("--ignore", nargs="+", default=[], metavar="FIELD", help="protocol fields that may differ")
    p.add_argument("--mean", action="store_true", help="one row: mean and spread over the files (training seeds)")

    p = command("check", check, "what a data set holds, before a week is lost on it")
    p.add_argument("data", metavar="DATA")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the whole report")
    p.add_argument(
        "--sheet", type=Path, metavar="FILE.png", default=Path("contact-sheet.png"), help="the contact sheet"
    )

    p = command("fetch", fetch, "download a known public data set")
    p.add_argument("name", metavar="mnist|fashion-mnist|cifar10|cifar100")
    p.add_argument("directory", type=Path, metavar="DIR")
    p.add_argument("--mirror", metavar="URL", help="another address for the same files; checksums stay")
    return top


def positive(text: str) -> int:
    """A whole number from 1 on."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a whole number from 1 on")
    return value


def seed(text: str) -> int:
    """A whole number from 0 on that fits 63 bits."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a whole number from 0 to 2^63 - 1")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a share from 0 to 1, as 0.01")
    return value


def count(text: str) -> int:
    """A whole number from 1 on; k and M are thousands and millions."""
    scale = {"k": 1_000, "K": 1_000, "M": 1_000_000, "m": 1_000_000}.get(text[-1:], 1)
    digits = text[:-1] if scale > 1 else text
    try:
        value = round(float(digits.replace(",", "").replace("_", "")) * scale)
    except (ValueError, OverflowError):
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a number of images as 600000 or 600k")
    return value


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
    from ganvas import api
    from ganvas.files import must_be_writable
    from ganvas.metrics.compare import describe
    from ganvas.metrics.protocol import write_scores

    if args.json is not None:
        must_be_writable(args.json)
    if args.intervals is not None and args.intervals < 20:
        raise InputError(f"--intervals {args.intervals} given, expected 20 half samples or more, as 200")
    subject, scores = api.evaluate(
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


if __name__ == "__main__":
    sys.exit(main())
