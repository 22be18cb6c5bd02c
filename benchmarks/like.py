"""Are samples like a picture of its class, without being a copy?  A classifier of real images is the judge.

    python benchmarks/like.py --write-digits digits-split.npz          # the digits in a train and a test split
    python benchmarks/like.py MODEL DATA [--pictures 200] [--each 5] [--seed 0] [--truncation T]
                              [--sheet like.png] [--of OTHER]

Pictures are spread evenly over the test split of DATA, which the model has not seen; `each` samples are made like each
of them, with seeds `seed`, `seed` + 1, ...  The judge is a small convolutional network (features/own.py) trained on the
train split with its labels; its accuracy on the whole test split is printed, and with it the share of the pictures that
it names rightly.  The share that counts: of all samples, those that it puts into the picture's true class.

Distances are root mean square differences in grey levels of 255, as medians: from samples to their picture, to the
nearest training image, and to another sample like the same picture; beside them, from the pictures themselves to the
nearest training image, which is how near honest images lie.  Copies: samples nearer to a training image than a tenth of
that.  The sheet has a row for each of some pictures: the picture, its three nearest training images by the model's own
features, six samples.  --of: the pictures come from the test split of another data set, resized as the model's own;
they are judged where its classes have the same names.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ganvas
from ganvas import data
from ganvas.data import Images, grid
from ganvas.features.own import Settings, scale, train_classifier
from ganvas.files import write_atomic
from ganvas.gan import GAN
from ganvas.metrics.distances import nearest
from ganvas.ops.pixels import to_float, to_uint8

ROWS, NEAR, MADE = 8, 3, 6  # of the sheet: pictures, training images beside each, samples


def write_digits(path: Path) -> None:
    """The digits as .npz: every fifth is for testing."""
    images = data.load("digits")
    test = np.arange(len(images)) % 5 == 4
    x, y = np.array(images.x)[:, 0], images.y
    assert y is not None
    arrays = {"x_train": x[~test], "y_train": y[~test], "x_test": x[test], "y_test": y[test]}
    write_atomic(path, lambda part: np.savez_compressed(part.open("wb"), **arrays))


def spread(images: Images, n: int) -> np.ndarray:
    """n rows, evenly over the set as it is after one shuffle."""
    return np.sort(np.random.RandomState(0).permutation(len(images))[:n])


def samples(gan: GAN, x: Tensor, each: int, seed: int, truncation: float | None) -> Tensor:
    """`each` samples like each picture, the same seeds for all.  uint8 [N, C, R, R] -> uint8 [N each, C, R, R]"""
    made = [gan.sample(each, seed=seed, like=picture, truncation=truncation) for picture in to_float(x)]
    return to_uint8(torch.cat(made)).cpu()


def rms(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square differences, row by row, in grey levels.  uint8 [N, C, R, R] -> [N]"""
    return (a.double() - b.double()).square().flatten(1).mean(1).sqrt()


def to_nearest(x: Tensor, training: Tensor) -> Tensor:
    """Of each picture, to the nearest training image.  -> [N]"""
    flat = [t.float().flatten(1) for t in (x, training)]
    return nearest(*flat)[0][:, 0] / flat[0].shape[1] ** 0.5


def named(net: Any, x: Tensor) -> Tensor:
    """The judge's classes.  uint8 [N, C, R, R] -> [N]"""
    with torch.inference_mode():
        return torch.cat([net(scale(part))[1].argmax(1) for part in x.split(512)])


def judged(gan: GAN, train: Images, test: Images, n: int, each: int, seed: int, truncation: float | None) -> None:
    """Prints what the module's head says."""
    assert train.y is not None, "a judge needs classes"
    assert test.y is not None
    x, y, held = torch.from_numpy(np.array(train.x)), torch.from_numpy(train.y), torch.from_numpy(np.array(test.x))
    at = torch.from_numpy(spread(test, n))
    truth = torch.from_numpy(test.y)
    pictures, wanted = held[at], truth[at]
    net = train_classifier(x, y, int(y.max()) + 1, Settings())
    made = samples(gan, pictures, each, seed, truncation)
    right = (named(net, made).unflatten(0, (-1, each)) == wanted[:, None]).double()
    print(f"judge: {float((named(net, held) == truth).double().mean()):.1%} of the {len(held):,} test images right")
    print(f"  of these {len(at)} pictures {float((named(net, pictures) == wanted).double().mean()):.1%}")
    error = float(right.mean(1).std()) / len(at) ** 0.5
    print(f"samples in their picture's class: {float(right.mean()):.1%} of {len(made)} (standard error {error:.1%})")
    for k in range(int(y.max()) + 1):
        name = train.class_names[k] if train.class_names else str(k)
        print(f"  {name}: {float(right[wanted == k].mean()):.0%}", end="")
    honest, near = to_nearest(pictures, x), to_nearest(made, x)
    pairs = made.unflatten(0, (-1, each))
    median = {
        "to their picture": rms(made, pictures.repeat_interleave(each, 0)),
        "to the nearest training image": near,
        "to another like the same picture": rms(pairs[:, 0], pairs[:, 1]) if each > 1 else torch.zeros(1),
        "of the pictures themselves to the nearest training image": honest,
    }
    print("\nmedian distance in grey levels")
    for what, distances in median.items():
        print(f"  {what}: {float(distances.median()):.1f}")
    print(f"  copies: {float((near < 0.1 * honest.median()).double().mean()):.2%} of samples")


def sheet(gan: GAN, train: Images, pictures: Images, seed: int, truncation: float | None, path: Path) -> None:
    """The picture of the module's head."""
    x = torch.from_numpy(np.array(pictures.x[spread(pictures, ROWS)]))
    of_train = torch.cat([gan.encode(list(to_float(torch.from_numpy(np.array(part))))) for part in parts(train)])
    rows = []
    for picture, h in zip(x, gan.encode(list(to_float(x)))):
        near = (of_train @ h).topk(NEAR).indices.cpu().numpy()
        rows += [
            picture[None],
            torch.from_numpy(np.array(train.x[near])),
            samples(gan, picture[None], MADE, seed, truncation),
        ]
    made = grid.grid(torch.cat(rows).numpy(), 1 + NEAR + MADE)
    grid.save(made, path)
    print(path)


def parts(images: Images, size: int = 500) -> list[np.ndarray]:
    return [images.x[start : start + size] for start in range(0, len(images), size)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Class, distances and variety of samples like unseen pictures.")
    parser.add_argument("model", nargs="?", type=Path, metavar="MODEL")
    parser.add_argument("data", nargs="?", metavar="DATA")
    parser.add_argument("--write-digits", type=Path, metavar="FILE.npz", help="the digits in two splits, and exit")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--each", type=int, default=5, help="samples a picture (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of a picture's first sample (default: 0)")
    parser.add_argument("--truncation", type=float, metavar="T", help="of the samples (default: none)")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png")
    parser.add_argument("--of", metavar="OTHER", help="the data set that the pictures are from (default: DATA)")
    args = parser.parse_args()
    if args.write_digits:
        write_digits(args.write_digits)
        return
    if args.model is None or args.data is None:
        parser.error("MODEL and DATA, or --write-digits FILE")
    gan = ganvas.load(args.model)
    how = {"resolution": gan.config.resolution, "channels": gan.config.channels}
    train, test = (data.load(args.data, split=split, **how) for split in ("train", "test"))
    pictures = test if args.of is None else data.load(args.of, split="test", **how)
    if pictures.class_names == train.class_names:
        judged(gan, train, pictures, args.pictures, args.each, args.seed, args.truncation)
    if args.sheet:
        sheet(gan, train, pictures, args.seed, args.truncation, args.sheet)


if __name__ == "__main__":
    main()
