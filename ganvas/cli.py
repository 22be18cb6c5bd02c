"""The command line.  Every wrong input ends in one line and exit status 2; commands import what they need."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ganvas import __version__, commands
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
        commands.say("ganvas: " + " ".join(str(error).splitlines()))
        return 2
    except KeyboardInterrupt as error:
        commands.say("ganvas: interrupted")
        return 143 if isinstance(error, Terminated) else 130
    except BrokenPipeError:
        return 141


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(prog="ganvas", description="Train, sample and check the GANs that everyone has to know.")
    top.add_argument("--version", action="version", version=f"ganvas {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    def command(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        return sub

    p = command("papers", commands.papers, "every system, its presets, resolution, size in parameters, what it needs")
    p.add_argument("--json", action="store_true", help="as JSON, with exact parameter counts")

    p = command("train", commands.train, "train a preset, or continue a run exactly")
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

    p = command("sample", commands.sample, "images from a model folder")
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

    p = command("import", commands.import_, "a model folder from the authors' checkpoints")
    p.add_argument("format", metavar="FORMAT", help="biggan-pytorch, biggan-deep-hub or biggan-hub")
    p.add_argument("files", nargs="+", type=Path, metavar="FILE", help="weight files, or the folder that holds them")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model folder to write")
    p.add_argument("--preset", metavar="NAME", help="where training values come from (default: by resolution)")
    p.add_argument("--set", nargs="+", action="extend", metavar="KEY=VALUE", help="what no file holds, as sn_eps=1e-8")
    p.add_argument("--class-names", type=Path, metavar="FILE", help="one name a line")

    p = command("evaluate", commands.evaluate, "scores of a model or a folder of images, each with its protocol")
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

    p = command("compare", commands.compare, "a table of scores; unlike protocols never share a column")
    p.add_argument("files", nargs="+", type=Path, metavar="FILE.json", help="written by ganvas evaluate --json")
    p.add_argument("--ignore", nargs="+", default=[], metavar="FIELD", help="protocol fields that may differ")
    p.add_argument("--mean", action="store_true", help="one row: mean and spread over the files (training seeds)")

    p = command("check", commands.check, "what a data set holds, before a week is lost on it")
    p.add_argument("data", metavar="DATA")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the whole report")
    p.add_argument(
        "--sheet", type=Path, metavar="FILE.png", default=Path("contact-sheet.png"), help="the contact sheet"
    )

    p = command("fetch", commands.fetch, "download a known public data set")
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


if __name__ == "__main__":
    sys.exit(main())
