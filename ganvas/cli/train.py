"""ganvas train: train a preset, or continue a run exactly."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganvas.cli.arguments import count, data, key_values, pathname, pixels, positive, say, seed, share, tell
from ganvas.errors import InputError

HELP = "train a preset, or continue a run exactly"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas train`."""
    parser.add_argument(
        "preset",
        nargs="?",
        metavar="PRESET",
        help="a preset of `ganvas papers`, a bare name as wgan-gp, or your own FILE.toml",
    )
    parser.add_argument(
        "--resume",
        type=pathname,
        metavar="DIR",
        help="continue this run; only --images, --device and the place of its --data may change",
    )
    parser.add_argument(
        "--data",
        type=data,
        help="digits, ring8, grid25, swissroll, mog1d, photo-grey, photo-edges, or a path: folder, zip, idx, CIFAR, "
        "npz, pairs (default: what the preset is for, or digits)",
    )
    parser.add_argument(
        "--resolution", type=pixels, metavar="R", help="pixels per side, or WIDTHxHEIGHT (default: the preset's)"
    )
    parser.add_argument("--images", type=count, metavar="N", help="real images to show in all, as 600000 or 600k")
    parser.add_argument("--batch", type=positive, metavar="N", help="real images per optimiser step")
    parser.add_argument(
        "--seed", type=seed, metavar="S", help="of the weights, the order of the data, all noise (default: 0)"
    )
    parser.add_argument("--device", metavar="D", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="bf16: autocast (default: fp32)")
    parser.add_argument(
        "--fit",
        choices=["crop", "pad", "stretch"],
        help="how other aspect ratios are made to fit (default: crop; of pairs stretch)",
    )
    parser.add_argument(
        "--max-unreadable", type=share, metavar="SHARE", help="of the files that may be unreadable (default: 0)"
    )
    parser.add_argument(
        "--no-classes", dest="classes", action="store_false", default=None, help="sub-folders are no classes"
    )
    parser.add_argument("--set", nargs="+", action="extend", metavar="KEY=VALUE", help="any field of the configuration")
    parser.add_argument("--out", type=pathname, metavar="DIR", help="the run's folder (default: runs/PRESET-DATA)")
    parser.add_argument("--checkpoint-every", type=count, metavar="N", help="images between checkpoints")
    parser.add_argument("--sample-every", type=count, metavar="N", help="images between sample grids")
    parser.add_argument("--log-every", type=count, metavar="N", help="images between log lines")
    parser.add_argument("--evaluate-every", type=count, metavar="N", help="images between looks at score and health")
    parser.add_argument(
        "--score",
        metavar="NAME",
        help="what chooses best/: sliced, fid, kid, ...; of pairs ssim, psnr, mse (default: sliced, of pairs ssim)",
    )
    parser.add_argument(
        "--on-collapse", choices=["warn", "stop", "rollback"], help="what follows a collapse (default: warn)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print configuration, sizes, estimates, and exit")


def run(args: argparse.Namespace) -> int:
    """ganvas train"""
    from ganvas import api
    from ganvas.data.folder import passed_by
    from ganvas.engine.run import Settings

    overrides = key_values(args.set)
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
    kind = api.peek(args.preset, name, args.classes is not False)
    if kind.foreign:
        say(f"{name}: {passed_by(kind.foreign)} files are passed by; convert them to JPEG or PNG to train on them")
    recipe = api.recipe(args.preset, kind, args.resolution, overrides)
    given = {k: getattr(args, k) for k in Settings.model_fields if getattr(args, k, None) is not None}
    device = api.choose_device(args.device or "auto")
    settings = Settings(**{**kind.settings, **given, "data": whole_name(name), "device": str(device)})
    if args.dry_run:
        dry_run(recipe, settings, device, kind.count)
        if note:
            say(note)
        return 0
    with chosen_folder(args.out, Path("runs") / f"{recipe.preset}-{Path(name).stem}") as out:
        outcome = api.train(recipe, settings, out, note=note)
    return report(out, outcome)


@contextmanager
def chosen_folder(given: Path | None, default: Path) -> Iterator[Path]:
    """The folder that was asked for, or a new one by the default name, gone again where nothing was written."""
    from ganvas.files import numbered, one_line, remove_empty, to_be_made

    if given is not None:
        yield given
        return
    made = to_be_made(default.parent)
    with one_line(default):
        out = numbered(default)
    try:
        yield out
    finally:
        remove_empty([out, *made])


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
    if isinstance(asked.get("resolution"), tuple):
        asked["resolution"], asked["width"] = asked["resolution"]
    if args.data is not None:
        asked["data"] = whole_name(args.data)
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
    tell(f"sample grid:  {out / 'samples.png'}")
    tell(f"film:         {out / 'film.gif'}")
    tell(f"model folder: {out}")
    say(f"try: {use(out)}")
    return 0


def use(out: Path) -> str:
    """A command that uses the model in the folder."""
    from ganvas.models import folder
    from ganvas.papers import PAPERS

    if PAPERS[folder.read(out).paper].seeds_suffice:
        return f"ganvas sample {out} -n 64 --seed 1 --out grid.png"
    return f"ganvas translate {out} IMAGES --to b --out out"


def dry_run(recipe: Any, settings: Any, device: Any, num_images: int) -> None:
    """Configuration, sizes, estimates."""
    from ganvas import api
    from ganvas.engine.log import duration

    counts, cost = api.dry_run(recipe, device)
    tell(f"preset {recipe.preset} of paper {recipe.paper}; nothing is trained or written")
    for title, values in (("configuration", recipe.config.counting()), ("run", settings.model_dump())):
        tell(f"\n{title}")
        for key, value in values.items():
            tell(f"  {key} = {value}")
    tell("\nparameters")
    for player, number in counts.items():
        tell(f"  {player} {number:,}")
    c = recipe.config
    tell(f"\nestimate on {device} (a factor of two either way is normal)")
    tell(
        f"  work    {cost.flops_per_image / 1e9:.3g} GFLOP per real image, about {cost.images_per_second:.3g} images/s"
    )
    tell(f"  time    {duration(cost.seconds)} for {c.images:,} images ({c.images / max(num_images, 1):,.1f} epochs)")
    tell(f"  memory  {cost.memory_bytes / 2**20:,.0f} MiB for weights, optimisers and activations")


def whole_name(data: str) -> str:
    """The name of an embedded data set, or the absolute path, so that a run resumes from anywhere."""
    from ganvas.data import EMBEDDED, MADE

    return data if data in (*EMBEDDED, *MADE) else str(Path(data).expanduser().resolve())
