"""ganvas train: train a preset, or continue a run exactly."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ganvas.cli.arguments import count, data, key_values, pathname, pixels, positive, say, seed, share, span, tell
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
        help="continue this run; only --images, --device, memory settings and the place of its --data may change",
    )
    parser.add_argument(
        "--data",
        type=data,
        help="digits, ring8, grid25, swissroll, mog1d, photo-grey, photo-edges, or a path: folder, zip, tar, idx, "
        "CIFAR, npz, pairs (default: what the preset is for, or digits)",
    )
    parser.add_argument(
        "--resolution", type=pixels, metavar="R", help="pixels per side, or WIDTHxHEIGHT (default: the preset's)"
    )
    parser.add_argument(
        "--from", dest="source", type=pathname, metavar="MODEL", help="go on from this model's weights (fine-tuning)"
    )
    parser.add_argument(
        "--freeze-D", dest="freeze_D", type=positive, metavar="N", help="leave D's first N blocks as they are"
    )
    parser.add_argument(
        "--budget", type=span, metavar="TIME", help="45m, 8h, 2d: choose width, batch and length that fit it"
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
    parser.add_argument(
        "--or-resume", action="store_true", help="go on with the run in --out if it holds one: for jobs started anew"
    )
    parser.add_argument(
        "--micro-batch", type=rows, metavar="N", help="rows that a process takes at a time, or auto: what memory holds"
    )
    parser.add_argument(
        "--recompute", action="store_true", default=None, help="compute activations twice instead of keeping them"
    )
    parser.add_argument(
        "--sync-batch-norm", action="store_true", default=None, help="of several processes: over the rows of all"
    )
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


def rows(text: str) -> int | str:
    """A count from 1 on, or auto."""
    return text if text == "auto" else positive(text)


def run(args: argparse.Namespace) -> int:
    """ganvas train, alone or as one of the processes that torchrun has started"""
    from ganvas import api
    from ganvas.engine import parallel

    device = parallel.own_device(api.choose_device(args.device or "auto"))
    with parallel.joined(device) as team:
        return started(args, device, team)


def started(args: argparse.Namespace, device: Any, team: Any) -> int:
    """A run from its beginning, or from where it stands.  -> exit status"""
    from ganvas import api
    from ganvas.data.folder import passed_by
    from ganvas.engine.run import Settings
    from ganvas.front import chosen_folder

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
    given = {k: getattr(args, k) for k in Settings.model_fields if getattr(args, k, None) is not None}
    if args.source is not None:
        from ganvas.models import zoo

        args.source = team.in_turn(lambda: zoo.find(args.source))
        given["source"] = str(args.source.resolve())
    settings = Settings(**{**kind.settings, **given, "data": whole_name(name), "device": str(device)})
    if args.source is not None:
        from ganvas.models import starting

        overrides = starting.overrides_of(args.source, args.preset, overrides, kind.num_classes)
    if goes_on(args, team):
        return again(args, kind, overrides, team)
    recipe, settings = team.told(lambda: fitted(args, kind, overrides, settings))
    settings = settings.model_copy(update={"device": str(device)})
    if args.dry_run:
        dry_run(recipe, settings, kind.count)
        if note:
            say(note)
        return 0
    with chosen_folder(args.out, Path("runs") / f"{recipe.preset}-{Path(name).stem}") as out:
        outcome = api.train(recipe, settings, out, note=note)
    return report(out, outcome)


def goes_on(args: argparse.Namespace, team: Any) -> bool:
    """Is there a run in --out to go on with, and is that asked for?  Raises InputError where nobody would find it."""
    from ganvas.engine import parallel
    from ganvas.engine.checkpoint import checkpoints

    if args.dry_run or not (args.or_resume or parallel.restarts_allowed()):
        return False
    if args.out is None:
        option = "--or-resume" if args.or_resume else "torchrun --max-restarts"
        raise InputError(f"{option} given without --out; name the folder in which a second start finds the run")
    found = team.told(lambda: bool(checkpoints(args.out / "checkpoints")))
    return found and (args.or_resume or parallel.restarts() > 0)


def again(args: argparse.Namespace, kind: Any, overrides: dict[str, Any], team: Any) -> int:
    """The same command, started anew: goes on with the run in --out, or says that it is over.  -> exit status"""
    from ganvas import api
    from ganvas.engine.checkpoint import checkpoints
    from ganvas.models import folder

    out = args.out
    length = team.told(lambda: folder.read(out).config["images"])
    if team.told(lambda: int(checkpoints(out / "checkpoints")[-1].name)) >= max(length, overrides.get("images", 0)):
        say(f"{out} has seen its {length:,} images already")
        return 0
    if args.budget is not None:
        args.preset = args.budget = None  # what was chosen then is in the folder
    else:
        args.preset = api.recipe(args.preset, kind, args.resolution, overrides).preset
    args.resume, args.out, args.source = out, None, None
    return report(out, resume(args, overrides))


def fitted(args: argparse.Namespace, kind: Any, overrides: dict[str, Any], settings: Any) -> tuple[Any, Any]:
    """Recipe and settings as asked for; within --budget, or where a bare name would take a CPU longer than an hour,
    those that fit, with a word on what was chosen.
    """
    from ganvas import api, budget
    from ganvas.engine.log import duration
    from ganvas.presets import families

    seconds, bare = args.budget, args.preset in families()
    if seconds is None:
        recipe = api.recipe(args.preset, kind, args.resolution, overrides)
        if not bare or settings.device != "cpu" or (long := budget.takes_long(recipe, settings)) < budget.HOUR:
            return recipe, settings
        seconds = budget.WITHIN_THE_HOUR
        say(
            f"{recipe.preset} would take about {duration(long)} here; `ganvas train {recipe.preset}` trains it all the "
            "same, --budget 8h what 8 hours allow; now what is done within the hour:"
        )
    chosen = budget.choose(args.preset, kind, args.resolution, overrides, settings, seconds)
    for line in chosen.lines:
        say(line)
    for line in ("as a preset of your own, mine.toml:", *(f"    {line}" for line in chosen.toml.splitlines())):
        say(line)
    return chosen.recipe, chosen.settings


def resume(args: argparse.Namespace, overrides: dict[str, Any]) -> Any:
    """ganvas train --resume"""
    from ganvas import api
    from ganvas.engine.run import Settings

    if args.out is not None or args.dry_run:
        option = "--dry-run" if args.dry_run else "--out"
        raise InputError(f"{option} given with --resume, which goes on in the run's own folder; leave one of them out")
    if args.budget is not None:
        raise InputError("--budget given with --resume, whose recipe is made; pass --images N to extend it instead")
    if args.source is not None:
        raise InputError("--from given with --resume, which goes on from its own checkpoint; leave one of them out")
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


def dry_run(recipe: Any, settings: Any, num_images: int) -> None:
    """Configuration, sizes, estimates."""
    from ganvas import api
    from ganvas.costs import said
    from ganvas.engine.log import duration

    counts, paper, cost = api.dry_run(recipe, settings)
    tell(f"preset {recipe.preset} of paper {recipe.paper}; nothing is trained or written")
    for title, values in (("configuration", recipe.config.counting()), ("run", settings.model_dump())):
        tell(f"\n{title}")
        for key, value in values.items():
            tell(f"  {key} = {value}")
    tell("\nparameters")
    for player, number in counts.items():
        tell(f"  {player} {number:,}")
    c = recipe.config
    tell(f"\nwork {paper.flops_per_image / 1e9:.3g} GFLOP per real image")
    tell(
        f"time {duration(cost.seconds)} for {c.images:,} images ({c.images / max(num_images, 1):,.1f} epochs), by part:"
    )
    for name, clock in cost.clocks.items():
        tell(f"  {name} {duration(clock.wall)}")
    tell(said(cost, settings.device))


def whole_name(data: str) -> str:
    """The name of an embedded data set, or the absolute path, so that a run resumes from anywhere."""
    from ganvas.data import EMBEDDED, MADE

    return data if data in (*EMBEDDED, *MADE) else str(Path(data).expanduser().resolve())
