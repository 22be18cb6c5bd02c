"""Does the cyclic-synthesised loss help?  CycleGAN, CSGAN, and CSGAN whose target is not held fixed, on pairs.

    python benchmarks/facades.py --data FACADES --seeds 0 1 2 --out OUT
    python benchmarks/facades.py --data photo-edges --preset csgan-demo --images 2000 --seeds 0 --out OUT

Runs of one seed have the same networks, first weights, pairs in the same order, steps and optimisers; what differs is
one line of `VARIANTS`.  A stopped script goes on with the same command; one process for one OUT.  Scores are those of
the last weights on the held-out pairs (of Facades the test split), towards b and towards a, printed by run and as means
and standard deviations over seeds.  Beside them: the mean image of the training data as if it were every output, which
SSIM and PSNR like and nobody else does, and by it the diversity of the outputs, their standard deviation over images as
a share of the data's: near 0 where a model makes one image of everything.  LPIPS only with --weights BACKBONE LIN.
OUT/to-b.png and OUT/to-a.png: rows of input, the outputs of the variants (first seed), truth.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganvas import api
from ganvas.cli.arguments import key_values
from ganvas.data import Pairs, Wanted, grid
from ganvas.data.pair_set import PairSet, load_pair_set
from ganvas.engine.run import Settings
from ganvas.files import read_json, write_json
from ganvas.gan import GAN
from ganvas.metrics.paired import psnr, ssim
from ganvas.recipes import Recipe
from ganvas.scoring.pairs import network
from ganvas.scoring.translations import score_model, translated

VARIANTS: dict[str, dict[str, Any]] = {
    "CycleGAN": {"cs": 0.0},
    "CSGAN": {},
    "CSGAN, not detached": {"detach": False},
}
SCORES = ("ssim", "psnr")
SHOWN = 8  # rows of a picture


def chosen(args: argparse.Namespace, variant: str) -> Recipe:
    """The recipe of a variant."""
    values = {**key_values(args.set), **({"images": args.images} if args.images else {}), **VARIANTS[variant]}
    return api.recipe(args.preset, api.peek(args.preset, args.data), None, values)


def train(args: argparse.Namespace, variant: str, seed: int) -> Path:
    """One run to its end, going on where it was stopped.  A run that is stopped is not scored: the script ends."""
    where = args.out / f"{variant.replace(', ', '-').replace(' ', '-')}-{seed}"
    if (where / "done.json").is_file():
        return where
    if where.exists():
        outcome = api.resume(where, None, {}, args.device)
    else:
        recipe = chosen(args, variant)
        every = max(1, recipe.config.images // 2)
        settings = Settings(
            data=args.data, fit="stretch", score="ssim", seed=seed, device=args.device,
            checkpoint_every=every, sample_every=every,
        )  # fmt: skip
        outcome = api.train(recipe, settings, where)
    if outcome.stopped is not None:
        raise SystemExit(f"stopped in {where}; the same command goes on")
    write_json(where / "done.json", {"seconds": outcome.seconds})
    return where


def scored(args: argparse.Namespace, run: Path, held: Pairs) -> dict[str, float]:
    """The scores of a run and the diversity of its outputs, by name; "-to-a" behind those towards a."""
    kept = run / "pairs.json"
    if not kept.is_file():
        gan = api.load(run, args.device)
        lpips = network(args.weights) if args.weights else None
        names = [*SCORES, *(["lpips"] if lpips else [])]
        found = {s.name: s.value for s in score_model(gan, args.data, names, lpips=lpips)}
        for to, end in (("b", ""), ("a", "-to-a")):
            found["diversity" + end] = diversity(outputs(gan, held, to), held.b if to == "b" else held.a)
        write_json(kept, found)
    return read_json(kept)


def outputs(gan: GAN, held: Pairs, to: str) -> np.ndarray:
    """Of every held-out pair, uint8 [M, C, H, W]."""
    return torch.cat([made for made, _ in translated(gan, held, to)]).numpy()


def diversity(made: np.ndarray, truth: np.ndarray) -> float:
    """Standard deviation over images, mean over pixels, as a share of the data's."""
    return float(made.std(0, dtype=np.float64).mean() / truth.std(0, dtype=np.float64).mean())


def of_the_mean(data: PairSet) -> dict[str, float]:
    """The scores of one image for everything: the mean of what is trained on."""
    found = {"diversity": 0.0, "diversity-to-a": 0.0}
    sides = (("", data.pairs.b, data.held_out.b), ("-to-a", data.pairs.a, data.held_out.a))
    for end, seen, truth in sides:
        mean = np.rint(seen.mean(0, dtype=np.float64)).astype(np.uint8)
        pair = torch.from_numpy(np.broadcast_to(mean, truth.shape).copy()), torch.from_numpy(np.array(truth))
        found |= {f"SSIM{end}": float(ssim(*pair).mean()), f"PSNR{end}": float(psnr(*pair).mean())}
    return found


def picture(path: Path, sources: np.ndarray, columns: list[np.ndarray], truths: np.ndarray) -> None:
    """Rows of input, an output of each variant, truth.  uint8 [M, C, H, W] each"""
    rows = np.linspace(0, len(truths) - 1, min(SHOWN, len(truths))).astype(int)
    cells = [x[rows] for x in (sources, *columns, truths)]
    cells = [np.repeat(x, 3, 1) if x.shape[1] == 1 else x for x in cells]
    together = np.stack(cells, 1).reshape(-1, *cells[0].shape[1:])
    image = grid.grid(together, len(cells))
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def line(name: str, runs: list[dict[str, float]], keys: list[str]) -> str:
    """A row of the table: mean and standard deviation over seeds of every score."""
    cells = []
    for key in keys:
        values = [run[key] for run in runs]
        spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.3f}{spread}")
    return f"{name:<24}" + "".join(f"{cell:>18}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description="CycleGAN, CSGAN and CSGAN without detach on the same pairs.")
    parser.add_argument("--data", required=True, help="pairs, as ganvas train reads them")
    parser.add_argument("--preset", default="csgan-facades-64")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, help="per run (default: the preset's)")
    parser.add_argument("--set", nargs="+", action="extend", metavar="KEY=VALUE", help="for every variant")
    parser.add_argument("--weights", type=Path, nargs=2, metavar=("BACKBONE", "LIN"), help="of LPIPS")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    config = chosen(args, "CSGAN").config
    data = load_pair_set(args.data, Wanted(config.shape, "stretch", options=config.reading()))
    table: dict[str, list[dict[str, float]]] = {}
    shown: dict[str, list[np.ndarray]] = {"a": [], "b": []}
    for seed in args.seeds:
        for variant in VARIANTS:
            run = train(args, variant, seed)
            table.setdefault(variant, []).append(scored(args, run, data.held_out))
            print(f"seed {seed}: {variant}: {table[variant][-1]}", flush=True)
            if seed == args.seeds[0]:
                gan = api.load(run, args.device)
                for to, columns in shown.items():
                    columns.append(outputs(gan, data.held_out, to))
    keys = list(table["CSGAN"][0])
    print(f"\n{config.images:,} images a run, {len(data.held_out)} held-out pairs, training seeds {args.seeds}")
    print(" " * 24 + "".join(f"{key:>18}" for key in keys))
    for name, runs in table.items():
        print(line(name, runs, keys))
    mean = of_the_mean(data)
    print(line("the mean image", [mean], [key for key in keys if key in mean]))
    if not args.weights:
        print("LPIPS: not measured, no weights given")
    held = data.held_out
    for to, sources, truths in (("b", held.a, held.b), ("a", held.b, held.a)):
        picture(args.out / f"to-{to}.png", sources, shown[to], truths)
        print(f"input, {', '.join(VARIANTS)}, truth: {args.out / f'to-{to}.png'}")


if __name__ == "__main__":
    main()
