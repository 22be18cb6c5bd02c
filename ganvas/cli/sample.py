"""ganvas sample: images from a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ganvas.cli.arguments import MODEL, pathname, positive, say, seed, tell
from ganvas.cli.arguments import data as data_name
from ganvas.errors import InputError

HELP = "images from a model folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ganvas sample`."""
    parser.add_argument("model", type=pathname, metavar="MODEL", help=MODEL)
    parser.add_argument("-n", type=positive, help="how many images, or legs of an interpolation (default: 64, or 8)")
    parser.add_argument(
        "--seed", type=seed, default=0, help="of the first image; the others follow by one (default: 0)"
    )
    parser.add_argument(
        "--class", dest="classes", nargs="+", metavar="NAME", help="class names or indices, in equal shares"
    )
    parser.add_argument(
        "--truncation", type=float, metavar="T", help="latent entries beyond T are drawn again; StyleGAN2: psi"
    )
    parser.add_argument(
        "--truncation-form",
        choices=["resample", "scale", "clamp"],
        default="resample",
        help="resample: entries beyond T drawn again (BigGAN); scale: T times a normal truncated at 2 (the hub); "
        "clamp: entries beyond T moved onto it",
    )
    parser.add_argument(
        "--standing", type=positive, metavar="N", help="batch-norm statistics anew from N batches first"
    )
    parser.add_argument(
        "--interpolate", type=positive, metavar="STEPS", help="n legs from seed to seed, STEPS pictures each"
    )
    parser.add_argument(
        "--like",
        nargs="+",
        metavar="PICTURE",
        help="of a model of instances: images like these pictures, in equal shares; with --interpolate n rows from one "
        "picture to the next, STEPS pictures each (default: stored instances, drawn by the seeds)",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="with --like: the feature network, where the model holds none"
    )
    parser.add_argument(
        "--code",
        type=pathname,
        nargs="+",
        metavar="FILE",
        help="codes that ganvas project found, instead of seeds; with --class the same codes in that class, with "
        "--interpolate from each to the next",
    )
    parser.add_argument(
        "--scores", action="store_true", help="below each image what D says of its pixels: white real, black fake"
    )
    parser.add_argument(
        "--data", type=data_name, help="with --scores: real images of this data set, and mixes with samples"
    )
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument("--batch", type=positive, default=64, help="images at a time (default: 64)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--out", type=pathname, metavar="FILE.png", help="one grid (default: samples.png); .gif a film, .npz floats"
    )
    where.add_argument("--each", type=pathname, metavar="DIR", help="one PNG for each image")


def run(args: argparse.Namespace) -> None:
    """ganvas sample"""
    from ganvas import api
    from ganvas.data import grid
    from ganvas.files import must_be_writable
    from ganvas.gan import Picture
    from ganvas.ops.pixels import to_uint8

    out = args.out or Path("samples.png")
    if args.each is None and out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp", ".npz", ".gif"):
        raise InputError(f"--out {out} given, expected a name that ends in .png, .jpg, .webp, .gif or .npz")
    check_scores(args, out)
    check_like(args)
    check_code(args)
    must_be_writable(args.each / "seed.png" if args.each is not None else out)
    gan = api.load(args.model, args.device)
    if args.classes and not gan.config.num_classes:
        raise InputError(f"--class {' '.join(args.classes)} given, but this model is unconditional; leave it out")
    n, columns = args.n or (8 if args.interpolate or args.scores else 64), None
    check_classes(args.classes, gan, n + 1 if args.interpolate else n)
    if args.standing:
        gan.standing_statistics(args.standing, args.batch, 0, args.truncation, args.truncation_form)
    if args.scores:
        grid.save(grid.drawn(scores(args, gan, n)), out)
        tell(out)
        return
    if args.code:
        x, columns = of_codes(args, gan)
    elif args.like and args.interpolate:
        rows, columns = args.n or 1, (len(args.like) - 1) * (args.interpolate - 1) + 1
        classes = [args.classes[i % len(args.classes)] for i in range(len(args.like))] if args.classes else None
        seeds = range(args.seed, args.seed + rows)
        form, file = args.truncation_form, args.weights
        x = gan.between(args.like, seeds, classes, args.interpolate, args.truncation, form, file).cpu()
    elif args.interpolate:
        columns = args.interpolate
        classes = [args.classes[i % len(args.classes)] for i in range(n + 1)] if args.classes else None
        seeds = range(args.seed, args.seed + n + 1)
        x = gan.interpolate(seeds, classes, columns, args.truncation, args.truncation_form).cpu()
    else:
        classes = [args.classes[i * len(args.classes) // n] for i in range(n)] if args.classes else None
        like = {"like": args.like, "weights": args.weights} if args.like else {}
        x = gan.sample(n, args.seed, classes, args.truncation, args.batch, args.truncation_form, **like).cpu()
    if args.each is not None:
        if x.dim() == 2:
            raise InputError("--each is for images, this model makes points; use --out FILE.png or FILE.npz")
        for i, image in enumerate(to_uint8(x).numpy()):
            grid.save(grid.to_pil(image), args.each / f"{'code' if args.code else 'seed'}{args.seed + i:06d}.png")
        out = args.each
    elif out.suffix.lower() == ".gif":
        grid.save_film([grid.drawn(Picture(part)) for part in x.split(1)], out)
    elif out.suffix.lower() == ".npz":
        write_npz(out, x.numpy())
    else:
        grid.save(grid.drawn(Picture(x, columns)), out)
    tell(out)


def check_classes(classes: list[str] | None, gan: Any, n: int) -> None:
    """Raises InputError where a class would get no image; says where a number is one class's name, another's index."""
    if classes and len(classes) > n:
        raise InputError(f"{len(classes)} classes for {n} images: {classes[n]} would get none; pass -n {len(classes)}")
    for name in dict.fromkeys(classes or []):
        index = gan.class_index(name)
        if name.isdecimal() and name in gan.class_names and index != int(name) < gan.config.num_classes:
            say(f"--class {name}: the class named {name} (index {index}), not the one of index {name}: names win")


def check_like(args: argparse.Namespace) -> None:
    """Raises InputError for options that --like does not go with, and for --weights without it."""
    if args.weights is not None and not args.like:
        raise InputError(f"--weights {args.weights} given, but nothing to see with it; add --like PICTURE")
    if args.like and args.scores:
        raise InputError("--like given with --scores, which draws its own conditions; leave one of them out")
    if args.like and args.interpolate and (len(args.like) < 2 or args.interpolate < 2):
        raise InputError(
            "--like with --interpolate goes from one picture to the next; give two or more, and 2 STEPS or more"
        )


def check_code(args: argparse.Namespace) -> None:
    """Raises InputError for options that --code does not go with."""
    if not args.code:
        return
    given = {"-n": args.n, "--truncation": args.truncation, "--like": args.like, "--scores": args.scores or None}
    given["--seed"] = args.seed or None
    if odd := next((option for option, value in given.items() if value is not None), None):
        raise InputError(f"{odd} given with --code, which says what is made; leave one of them out")


def of_codes(args: argparse.Namespace, gan: Any) -> tuple[Any, int | None]:
    """The images of --code, or those between its codes, and how many stand in a row."""
    from ganvas import codes, rows, sampling

    code = codes.load(gan, args.code)
    n = rows.count(code)
    if args.classes:
        if len(args.classes) not in (1, n):
            raise InputError(f"{len(args.classes)} classes for {n} codes; give one class, or one for each code")
        y = sampling.class_indices(gan, args.classes if len(args.classes) == n else args.classes[0], n)
        code = codes.with_class(gan, code, y)
    if not args.interpolate:
        return sampling.images_of(gan, code, args.batch).cpu(), None
    if n < 2:
        raise InputError("one code given, --interpolate goes from each to the next; give two or more")
    return sampling.legs(gan, code, args.interpolate).cpu(), args.interpolate


def check_scores(args: argparse.Namespace, out: Path) -> None:
    """Raises InputError for options that --scores does not go with, and for --data without it."""
    if not args.scores:
        if args.data is not None:
            raise InputError(f"--data {args.data} given, but samples need no data; add --scores, or leave it out")
        return
    given = {"--interpolate": args.interpolate, "--each": args.each, "--truncation": args.truncation}
    if args.data is not None:
        given["--class"] = args.classes
    odd = next((option for option, value in given.items() if value is not None), None)
    if odd is not None or out.suffix.lower() in (".npz", ".gif"):
        raise InputError(f"{odd or out} given with --scores, which draws one picture; leave it out")


def scores(args: argparse.Namespace, gan: Any, n: int) -> Any:
    """The picture of --scores."""
    from ganvas.scoring import pixel_scores

    if args.data is not None:
        return pixel_scores.of_both(gan, pixel_scores.real_images(gan, args.data, n, args.seed), args.seed)
    classes = [args.classes[i * len(args.classes) // n] for i in range(n)] if args.classes else None
    return pixel_scores.of_samples(gan, n, args.seed, classes)


def write_npz(path: Path, x: Any) -> None:
    """Floats in [-1, 1] under the name x."""
    import numpy as np

    from ganvas.files import write_atomic

    write_atomic(path, lambda temporary: np.savez_compressed(temporary, x=x))
