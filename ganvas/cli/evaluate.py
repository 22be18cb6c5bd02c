"""ganvas evaluate: scores of a model or a folder of images, each with its protocol."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ganvas.cli.arguments import MODEL, pathname, positive, say, seed, tell
from ganvas.cli.arguments import data as data_name
from ganvas.errors import InputError

if TYPE_CHECKING:
    from ganvas.engine.log import Screen

HELP = "scores of a model or a folder of images, each with its protocol"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas evaluate`."""
    parser.add_argument("subject", type=pathname, metavar="MODEL|FOLDER", help=f"{MODEL}; or a folder of images")
    parser.add_argument("--data", type=data_name, required=True, help="the reference: digits, ring8, ..., or a path")
    parser.add_argument("--split", metavar="NAME", help="of the reference (default: train; of pairs those held out)")
    parser.add_argument(
        "--held-out", metavar="NAME", help="split for cas and memorisation (default: test, if there is one; or none)"
    )
    parser.add_argument(
        "--metrics",
        help="fid,kid,is,prdc,intra_fid,cas,memorisation; of pairs mse,psnr,ssim,lpips; "
        "of points modes,sliced,wasserstein",
    )
    parser.add_argument("--features", default="own", metavar="NAME", help="inception, own, timm:MODEL (default: own)")
    parser.add_argument(
        "--weights",
        type=pathname,
        action="append",
        metavar="FILE",
        help="of the feature network (lpips: two files)",
    )
    parser.add_argument("--resize", metavar="FILTER", help="tf1_bilinear (the original FID), clean_bicubic, ...")
    parser.add_argument(
        "--no-classes", dest="classes", action="store_false", help="sub-folders of images are no classes"
    )
    parser.add_argument(
        "-n", type=positive, metavar="N", help="samples (default: as many as the reference, at most 50000)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the first sample (default: 0)")
    parser.add_argument("--seeds", type=positive, default=1, metavar="K", help="sample sets: prints mean and spread")
    parser.add_argument(
        "--intervals", type=positive, default=None, metavar="K", help="95 %% intervals from K half samples"
    )
    parser.add_argument("--truncation", type=float, metavar="T", help="of the samples, as ganvas sample has it")
    parser.add_argument(
        "--truncation-form", choices=["resample", "scale", "clamp"], default="resample", help="as ganvas sample has it"
    )
    parser.add_argument(
        "--standing", type=positive, metavar="N", help="batch-norm statistics anew from N batches first"
    )
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument("--json", type=pathname, metavar="FILE", help="scores with their protocols, for ganvas compare")


def run(args: argparse.Namespace) -> None:
    """ganvas evaluate, alone or as one of the processes that torchrun has started"""
    from ganvas.api import choose_device
    from ganvas.engine.parallel import joined, own_device

    device = own_device(choose_device(args.device))
    with joined(device) as team:
        scored(args, device, team)


def scored(args: argparse.Namespace, device: Any, team: Any) -> None:
    """The scores, and where they go; the first process speaks and writes."""
    from ganvas.engine.log import Screen
    from ganvas.files import must_be_writable
    from ganvas.metrics.compare import cautions, describe
    from ganvas.metrics.protocol import write_scores
    from ganvas.scoring.subject import evaluate

    if args.json is not None and team.first:
        must_be_writable(args.json)
    if args.intervals is not None and args.intervals < 20:
        raise InputError(f"--intervals {args.intervals} given, expected 20 half samples or more, as 200")
    screen = Screen()
    subject, scores = evaluate(
        args.subject,
        args.data,
        metrics=args.metrics,
        classes=args.classes,
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
        device=device,
        progress=seen(screen),
        team=team,
    )
    if args.json is not None and team.first:  # before anything is printed: a pipe that is closed loses no scores
        write_scores(args.json, subject, scores)
    screen.done()
    for score in scores:
        tell(describe(score))
    for line in cautions(scores):
        say(line)
    if args.json is not None:
        say(f"scores with their protocols: {args.json}")


def seen(screen: Screen) -> Any:
    """A progress callback for images looked at."""
    return lambda what, done: screen.show(f"{what}: {done:,} images" if done else what)
