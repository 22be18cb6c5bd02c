"""LOGAN's ablation at a small size: baseline, gradient, natural gradient, and that with the step detached.

    python benchmarks/logan_ablation.py --preset logan-digits --data digits --seeds 0 1 2 --out OUT
    python benchmarks/logan_ablation.py --preset logan-32-small --data FASHION_MNIST --images 20000 --samples 2000 \
        --steps 0 1 --out OUT

Every run has the same network, images, optimiser and seed; what differs is one line of `VARIANTS`.  A stopped script
goes on with the same command; one process for one OUT.  Each model is scored by FD-own on three disjoint sample sets,
each as large as the data set but at most `--samples`, with as many latent steps before every sample as `--steps` names
(the baseline's model too, which never saw one: a control).  Printed: the score of each run, the mean and standard
deviation over training seeds.  OUT/curves.png shows D's scores over images seen.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import ablation
from PIL import Image, ImageDraw

from ganvas import api
from ganvas.metrics.protocol import Score

VARIANTS: dict[str, dict[str, Any]] = {
    "baseline": {"rule": "none"},
    "NGD": {},
    "NGD, detached": {"detach": "both"},
    "GD": {"rule": "gradient"},
}
COLOURS = {"baseline": "#777777", "GD": "#1f77b4", "NGD": "#d62728", "NGD, detached": "#2ca02c"}
SETS = 3
SMOOTH = 4  # lines of the log in a point of a curve


def score(preset: str, data: str, out: Path, variant: str, seed: int, steps: int, most: int, device: str) -> Score:
    """FD-own of the run's model with so many latent steps at sampling."""
    where = ablation.folder(out, variant, seed)
    kept = where / f"scores-{steps}.json"
    model = where if kept.is_file() else stepping(preset, data, where, variant, steps)
    return ablation.score(model, kept, data, min(most, api.peek(preset, data).count), SETS, device)


def stepping(preset: str, data: str, run: Path, variant: str, steps: int) -> Path:
    """A model folder with the run's weights and so many steps at sampling; the baseline's are the natural rule's.

    Those of the baseline are a control: does a step at sampling help a model that was never trained with one?
    """
    if not steps:
        return run
    copy = run / f"with-{steps}-steps"
    copy.mkdir(exist_ok=True)
    shutil.copyfile(run / "model.safetensors", copy / "model.safetensors")
    described = json.loads((run / "config.json").read_text())
    like = ablation.recipe(
        preset, data, {**VARIANTS["NGD" if variant == "baseline" else variant], "sampling_steps": steps}
    ).config
    described["config"] = {**like.counting(), "images": described["config"]["images"]}
    (copy / "config.json").write_text(json.dumps(described))
    return copy


def curve(run: Path, key: str) -> list[tuple[float, float]]:
    """(images seen, value) of a logged number, each the mean of `SMOOTH` lines of the log."""
    lines = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]
    found = [(line["images"], line[key]) for line in lines if line.get(key) is not None]
    parts = [found[i : i + SMOOTH] for i in range(0, len(found), SMOOTH)]
    return [(part[-1][0], statistics.mean(value for _, value in part)) for part in parts]


def plot(path: Path, panels: dict[str, dict[str, list[list[tuple[float, float]]]]]) -> None:
    """A PNG with a panel per logged number and a line per run, two panels in a row.  title -> variant -> curves"""
    width, height, margin = 420, 240, 44
    image = Image.new("RGB", (width * 2, height * -(-len(panels) // 2) + 24), "white")
    draw = ImageDraw.Draw(image)
    for i, (title, variants) in enumerate(panels.items()):
        column, top = i % 2, i // 2 * height
        points = [p for curves in variants.values() for line in curves for p in line]
        right, low, high = max(x for x, _ in points), min(y for _, y in points), max(y for _, y in points)
        left, span = column * width + margin, max(high - low, 1e-9)
        box = (left, top + 24, (column + 1) * width - 12, top + height - 24)
        draw.rectangle(box, outline="#999999")
        draw.text((left, top + 6), title, fill="black")
        for value, y in ((high, box[1]), (low, box[3] - 10)):
            draw.text((column * width + 4, y), f"{value:.2g}", fill="black")
        draw.text((box[2] - 80, box[3] + 4), f"{right:,.0f} images", fill="black")
        for name, curves in variants.items():
            for line in curves:
                where = [
                    (box[0] + x / right * (box[2] - box[0]), box[3] - (y - low) / span * (box[3] - box[1]))
                    for x, y in line
                ]
                draw.line(where, fill=COLOURS[name], width=1)
    for i, name in enumerate(VARIANTS):
        draw.text((margin + 110 * i, image.height - 18), name, fill=COLOURS[name])
    image.quantize(32).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Baseline, GD, NGD and NGD detached, by FD-own.")
    parser.add_argument("--preset", default="logan-digits")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="per run (default: the preset's)")
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[0, 1, 10], help="latent steps at sampling; training has 1"
    )
    parser.add_argument("--samples", type=int, default=5000, help="in a set, at most")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    length = {"images": args.images} if args.images else {}
    table: dict[str, list[Score]] = {}
    for seed in args.seeds:
        for variant in VARIANTS:
            recipe = ablation.recipe(args.preset, args.data, {**VARIANTS[variant], **length})
            ablation.train(
                recipe, args.data, ablation.folder(args.out, variant, seed), seed, "scores-0.json", args.device
            )
            for steps in args.steps:
                found = score(args.preset, args.data, args.out, variant, seed, steps, args.samples, args.device)
                table.setdefault(f"{variant}, {steps} at sampling" if steps else variant, []).append(found)
                print(f"seed {seed}: {variant}, {steps} steps: {found.value:.2f} ± {found.spread:.2f}", flush=True)
    first = next(iter(table.values()))[0]
    print(f"\n{first.name}, ± over {SETS} sample sets of {first.protocol.sample_count:,}; training seeds {args.seeds}")
    print(ablation.table(table))
    keys = {
        "D(G(z')), the step included": "D/fake",
        "D(x)": "D/real",
        "D(G(z')) - D(G(z))": "D/gain",
        "|step|^2": "D/moved",
    }
    panels = {
        title: {v: [curve(ablation.folder(args.out, v, s), key) for s in args.seeds] for v in VARIANTS}
        for title, key in keys.items()
    }
    plot(args.out / "curves.png", panels)
    print(f"curves: {args.out / 'curves.png'}")


if __name__ == "__main__":
    main()
