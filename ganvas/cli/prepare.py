"""ganvas prepare: features and neighbours of a data set, for the papers that are conditioned on instances."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from ganvas.cli.arguments import positive, say, share

HELP = "features and neighbours of a data set, for icgan"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas prepare`."""
    parser.add_argument("data", metavar="DATA", help="digits, or a path: folder, zip, tar, idx, CIFAR, npz")
    parser.add_argument(
        "--features",
        metavar="NAME",
        default="own",
        help="own (trained on the data, with its classes), own-selfsup (without), swav, resnet50, resnet50-lt, "
        "inception, timm:MODEL (default: own)",
    )
    parser.add_argument("-k", type=positive, metavar="K", help="neighbours of each image (default: 50, or all others)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of the network: state dict or safetensors")
    parser.add_argument("--resolution", type=positive, metavar="R", help="pixels per side (default: as the images are)")
    parser.add_argument(
        "--fit", choices=["crop", "pad", "stretch"], default="crop", help="how other aspect ratios fit (default: crop)"
    )
    parser.add_argument("--max-unreadable", type=share, metavar="SHARE", default=0.0, help="of the files (default: 0)")
    parser.add_argument(
        "--search", choices=["torch", "faiss"], default="torch", help="how neighbours are found (default: torch)"
    )
    parser.add_argument("--device", metavar="D", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the store's folder (default: in the cache)")


def run(args: argparse.Namespace) -> None:
    """ganvas prepare, alone or as one of the processes that torchrun has started"""
    from ganvas import api
    from ganvas.engine.parallel import joined, own_device

    device = own_device(api.choose_device(args.device))
    with joined(device) as team:
        prepared(args, str(device), team)


def prepared(args: argparse.Namespace, device: str, team: Any) -> None:
    """The store, and what the first process says of it."""
    from ganvas import data
    from ganvas.cli.arguments import shown
    from ganvas.cli.train import whole_name
    from ganvas.data import features, nearest, prepare
    from ganvas.data.instances import peek_instances

    kind = peek_instances(args.data)
    k = args.k or max(1, min(prepare.K, kind.count - 1))
    nearest.checked_k(k, kind.count)
    if args.out is not None:
        prepare.refuse_foreign(args.out)
    if args.search == "faiss":
        nearest.import_faiss()
    decoding = shown("decoding")
    images = team.in_turn(
        lambda: data.load(
            args.data,
            resolution=args.resolution,
            fit=args.fit,
            max_unreadable=args.max_unreadable,
            progress=decoding,
        )
    )
    team.must_share(images.fingerprint, f"data set under the name {images.name}")
    left = Left()
    store = prepare.prepare(
        images,
        args.features,
        lambda: features.network(images, args.features, args.weights, device, left, team),
        k,
        args.out,
        left,
        args.search,
        whole_name(args.data),
        team,
    )
    if team.first:
        report(store, args.data if args.out is None else str(args.out), images)


def report(store: Any, trains_on: str, images: Any) -> None:
    """What was made, and what to do with it."""
    m = store.manifest
    print(f"store:      {store.folder}")
    print(f"images:     {m['data']['count']:,} of {m['data']['name']}, {images.x.shape[2]} pixels a side")
    print(f"features:   {m['extractor']['name']}, {store.dim} numbers, weights {m['extractor']['weights'][:12]}")
    print(f"neighbours: {store.k} each; {len(store.instance_rows):,} chosen instances")
    if images.y is not None:
        print(f"classes:    {agreement(store, images):.1%} of the neighbours share their instance's")
    print(f"size:       {store.size_bytes / 1e6:,.1f} MB")
    say(f"try: ganvas train icgan --data {trains_on}")


def agreement(store: Any, images: Any) -> float:
    """The share of neighbours that have the class of their instance."""
    return float((images.y[store.neighbours] == images.y[:, None]).mean())


class Left:
    """A progress line with the time that is left, by what this run itself has done."""

    def __init__(self) -> None:
        from ganvas.engine.log import Screen

        self.screen, self.what, self.began, self.first = Screen(), "", 0.0, 0

    def __call__(self, what: str, done: int, total: int) -> None:
        from ganvas.engine.log import duration

        now = time.monotonic()
        if what != self.what:
            self.what, self.began, self.first = what, now, done
        left = ""
        if self.first < done < total:
            left = f", {duration((now - self.began) * (total - done) / (done - self.first))} left"
        self.screen.show(f"{what}: {done:,} of {total:,}{left}", force=done == total)
