"""U-Net GAN's ablation at a small size: BigGAN's D, the U-Net D, with CutMix, with consistency besides.

    python benchmarks/unet_ablation.py --data TINY_IMAGENET_20 --seeds 0 1 --out OUT

Every run has the same generator, images, optimiser and seed; what differs is one line of `VARIANTS`.  A stopped script
goes on with the same command.  Each model's average is scored by FD-own on two disjoint sample sets against the train
split.  Printed: the score of each run, mean and standard deviation over training seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import ablation

from ganvas.metrics.protocol import Score

# rows of the paper's table; "batch" is its rule: a coin decides whether a batch is mixed, ever more often
VARIANTS: dict[str, dict[str, Any]] = {
    "BigGAN's D": {"discriminator": "plain"},
    "U-Net D": {"cutmix": "none"},
    "U-Net D, CutMix": {"cutmix": "batch", "consistency": 0.0},
    "U-Net D, CutMix, consistency": {"cutmix": "batch"},
}
# what kept D in balance on digits; tuned for none of the rows
SMALL: dict[str, Any] = {
    "G_ch": 16, "D_ch": 16, "dim_z": 64, "D_steps": 1, "G_lr": 1e-4, "D_lr": 4e-4, "init": "ortho",
    "ema": 0.995, "ema_start": 100, "batch": 32, "conditional": False,
}  # fmt: skip
SAMPLES, SETS = 2500, 2


def main() -> None:
    parser = argparse.ArgumentParser(description="BigGAN's D, U-Net D, CutMix, consistency, by FD-own.")
    parser.add_argument("--data", required=True)
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--images", type=int, default=20_000, help="per run")
    parser.add_argument("--warmup-epochs", type=int, default=1, help="over which mixing becomes as likely as not")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    found: dict[str, list[Score]] = {}
    for seed in args.seeds:
        for variant, values in VARIANTS.items():
            warmup = {"warmup_epochs": args.warmup_epochs} if values.get("cutmix") == "batch" else {}
            wanted = {**SMALL, **values, **warmup, "images": args.images}
            recipe = ablation.recipe("unetgan-cifar10", args.data, wanted, args.resolution)
            where = ablation.folder(args.out, variant, seed)
            ablation.train(recipe, args.data, where, seed, "scores.json", args.device)
            score = ablation.score(where, where / "scores.json", args.data, SAMPLES, SETS, args.device)
            found.setdefault(variant, []).append(score)
            print(f"seed {seed}: {variant}: {score.value:.2f} ± {score.spread:.2f}", flush=True)
    print(f"\n{next(iter(found.values()))[0].name}, ± over {SETS} sets of {SAMPLES:,}; training seeds {args.seeds}")
    print(ablation.table(found))


if __name__ == "__main__":
    main()
