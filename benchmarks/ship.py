"""Trains, scores and packs the models that ship.

    python benchmarks/ship.py [NAME ...] --runs RUNS [--hardware "two-core AMD EPYC, one thread"]

Without names those that do not ship yet.  A run is kept in RUNS/NAME, and gone on with where it was stopped; the model
goes to ganvas/models/shipped/NAME.  Seed 0 throughout; where a preset was tuned on that seed, its page says so.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from ganvas import api, reproducing
from ganvas.models import zoo

# name (of the preset too, where `preset` does not say otherwise) -> what differs from the defaults of `zoo.Made`
MODELS: dict[str, dict[str, Any]] = {
    "wgan-digits": {},
    "wgan-gp-digits": {},
    "sagan-digits": {},
    "biggan-digits": {},
    "biggan-deep-digits": {},
    "logan-digits": {},
    "unetgan-digits": {},
    "adcgan-digits": {},
    "acgan-digits": {},
    "tacgan-digits": {},
    "pdgan-digits": {},
    "csgan-demo": {"data": "photo-grey", "metrics": "ssim,psnr,mse"},
    "icgan-digits": {},
    "stylegan2-digits": {},
    "icgan-stylegan2-digits": {},
}


def ship(name: str, runs: Path, hardware: str) -> None:
    """One model, from training to the package."""
    values = {"preset": name, "data": "digits", "seed": 0, "hardware": hardware, **MODELS[name]}
    how = zoo.Made(**values, seconds=0.0)
    run = runs / name
    if not (run / "README.md").is_file() and run.exists():
        shutil.rmtree(run)
    seconds = 0.0
    if stopped(run, how):
        outcome = api.resume(run)
        if outcome.stopped is not None:
            raise KeyboardInterrupt
        seconds = outcome.seconds
    if not run.exists():
        seconds = reproducing.train(how, run, "cpu")
    seconds = seconds or trained(run)
    how = how.model_copy(update={"seconds": round(seconds, 1)})
    folder = zoo.SHIPPED / name
    if folder.exists():
        shutil.rmtree(folder)
    zoo.pack(run, folder, how)
    zoo.keep_scores(folder, reproducing.score(folder, how))
    found = ", ".join(f"{score.name} {score.value:.3g}" for score in zoo.scores(folder))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{name}: {seconds:.0f} s, {size / 1e3:,.0f} kB, {found}", flush=True)


def trained(run: Path) -> float:
    """Seconds that a run took that is there, as its log has them."""
    lines = map(json.loads, (run / "train.jsonl").read_text().splitlines())
    return max((line["seconds"] for line in lines if "seconds" in line), default=0.0)


def stopped(run: Path, how: zoo.Made) -> bool:
    """Whether a run is there that has not reached its end."""
    if not run.exists():
        return False
    newest = max((int(path.name) for path in (run / "checkpoints").iterdir() if path.name.isdecimal()), default=0)
    return newest < reproducing.recipe_of(how).config.images


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains, scores and packs the models that ship.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--hardware", default="two-core AMD EPYC, one thread")
    args = parser.parse_args()
    for name in args.names or [name for name in MODELS if name not in zoo.names()]:
        ship(name, args.runs, args.hardware)


if __name__ == "__main__":
    main()
