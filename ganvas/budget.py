"""What to train in a given time: width, batch and length that fit the machine, the data and the patience.

The rule.  Both players take one width of `WIDTHS`, in the preset's proportion; learning rates go with one over the
width, which is how the digits' (16 channels: 5e-4) and the papers' (96: 5e-5) differ, and never above `FASTEST`.  The
average of G forgets half of what it knows in a fiftieth of the run.  Batches have 64 images at most.  Of the widths the
widest is taken that shows `ENOUGH` images in the time, by measured speed, or from `NARROW` down a third of them; a bare
name may grow up to `MOST` channels, a preset up to its own.  Pictures of colour are mirrored; what is seen more than
`OFTEN` times over is augmented.  What the caller gave stays as it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ganvas import costs
from ganvas.config import Config
from ganvas.data import Kind
from ganvas.engine.log import duration
from ganvas.engine.rehearsal import Cost
from ganvas.engine.run import Settings
from ganvas.errors import InputError
from ganvas.presets import families, fitting, small
from ganvas.recipes import Recipe, recipe

WIDTHS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
PLAYERS = ("G_ch", "D_ch", "G_width", "D_width")
RATES, FASTEST = ("G_lr", "D_lr"), {"G_lr": 1e-3, "D_lr": 2e-3}
MOST = 64
BATCH = 64
ENOUGH = {16: 100_000, 32: 300_000}  # images that a run should show, up to so many pixels a side; above: the last
NARROW, LITTLE = 8, 1 / 3  # so narrow a network does better with a third of that than a narrower one with all of it
OFTEN = 30
HALF = 0.02  # of the run, after which the average has forgotten half
SAVED_EVERY = 900.0  # seconds between checkpoints, at most
SPARE = 0.95  # of the time that is planned with
HOUR = 3600.0
WITHIN_THE_HOUR = 2400.0  # what a bare name takes by itself: done within the hour even if the estimate is short


@dataclass(frozen=True)
class Chosen:
    """A recipe for the time at hand, the settings that go with it, and what to say of it."""

    recipe: Recipe
    settings: Settings
    cost: Cost
    toml: str  # the same as a person's preset
    lines: list[str]


def takes_long(made: Recipe, settings: Settings) -> float:
    """Seconds that the recipe would take on paper."""
    return costs.on_paper(made, torch.device(settings.device)).seconds


def choose(
    name: str,
    kind: Kind,
    resolution: int | tuple[int, int] | None,
    overrides: dict[str, Any],
    settings: Settings,
    seconds: float,
) -> Chosen:
    """What `seconds` allow of a bare name or a preset on data of this kind.  Raises InputError where nothing fits."""
    size = resolution if isinstance(resolution, int) else overrides.get("resolution")
    native = max(kind.native or (64,))
    base = small(name, size or native, kind.kind == "toy") if name in families() and (size or 64) <= 64 else name
    base = fitting(base, size or native, kind.kind == "toy")
    plain = recipe(base, kind, resolution, overrides)
    least, tried = None, []
    most = max(widest(plain.config), MOST if base != name else 0)
    for width in reversed([w for w in WIDTHS if w <= most] if widest(plain.config) else [0]):
        made = recipe(base, kind, resolution, scaled(plain, kind, width, overrides, 0))
        guess = seconds * SPARE / takes_long(made, settings) * made.config.images
        if guess < 0.5 * enough(made.config) and width > WIDTHS[0]:
            continue  # not worth a rehearsal
        try:
            found = costs.cost(made, settings, None)
        except InputError:  # too large for this machine
            continue
        images = int(made.config.images * seconds * SPARE / found.seconds)
        least = (made, width, images)
        tried.append(f"{width} channels show {images:,} images")
        if images >= enough(made.config) * (1.0 if width > NARROW else LITTLE):
            break
    if least is None:
        raise InputError(f"{base} does not fit into this machine's memory at any width; lower the resolution")
    made, width, images = least
    fields = scaled(plain, kind, width, overrides, images)
    made = recipe(base, kind, resolution, fields)
    cadence = {} if settings.checkpoint_every else {"checkpoint_every": saved_every(made.config, seconds)}
    settings = settings.model_copy(update=cadence)
    found = costs.cost(made, settings, None)
    toml = as_toml(base, fields)
    epochs = made.config.images / max(kind.count, 1)
    lines = [
        f"chosen for {duration(seconds)}: {base} with {width} channels, {made.config.images:,} images of "
        f"{made.config.resolution} pixels ({epochs:,.0f} epochs of {kind.count:,}); tried: {'; '.join(tried)}"
    ]
    if made.config.images < enough(made.config) * LITTLE:
        lines.append(f"that is little: {enough(made.config):,} images or more are what such a model learns from")
    return Chosen(made, settings, found, toml, lines)


def widest(config: Config) -> int:
    """The width that the preset itself has; 0 where it has none."""
    return max((getattr(config, name) for name in PLAYERS if counts(config, name)), default=0)


def counts(config: Config, name: str) -> bool:
    """Does the paper have the field, and does it do something here?"""
    return name in type(config).model_fields and config.unmet(name) is None


def enough(config: Config) -> int:
    """Images that a run should show."""
    return next((n for most, n in ENOUGH.items() if config.resolution <= most), ENOUGH[32])


def saved_every(config: Config, seconds: float) -> int:
    """Images between checkpoints, at most a quarter of an hour of them."""
    return max(config.batch, round(config.images * min(0.1, SAVED_EVERY / seconds)))


def scaled(plain: Recipe, kind: Kind, width: int, overrides: dict[str, Any], images: int) -> dict[str, Any]:
    """Fields for this width and length; images 0: the preset's length, for trying."""
    c = plain.config
    share = width / (widest(c) or 1) if width else 1.0
    fields: dict[str, Any] = {"batch": min(c.batch, BATCH), "accumulate": 1, "images": images or c.images}
    fields |= {name: max(1, round(getattr(c, name) * share)) for name in PLAYERS if counts(c, name)}
    for name in RATES:
        rate = getattr(c, name)
        fields[name] = float(f"{min(rate / share, max(FASTEST[name], rate)):.2g}")
    if c.ema:
        iterations = max(fields["images"] / fields["batch"], 1)
        decay = 0.5 ** (1 / max(HALF * iterations, 1))
        fields |= {"ema": round(min(max(decay, 0.9), 0.9999), 5), "ema_start": 0, "ema_ramp": True}
    if c.resolution and kind.channels == 3:
        fields["flip"] = True
    if c.resolution and fields["images"] > OFTEN * kind.count and kind.channels == 3 and c.augment == "none":
        fields["augment"] = "diffaugment"
    counting = c.model_copy(update=fields)
    kept = {key: value for key, value in fields.items() if counts(counting, key)}
    if "epochs" in type(c).model_fields and images:
        epochs = max(2, images // max(kind.count, 1))
        kept |= {"epochs": epochs, "epochs_constant": epochs // 2}
    return {**kept, **overrides}


def as_toml(base: str, fields: dict[str, Any]) -> str:
    """The choice as a preset of one's own."""
    words = {True: "true", False: "false"}

    def plain(value: Any) -> str:
        if isinstance(value, bool):
            return words[value]
        return str(list(value)) if isinstance(value, list | tuple) else repr(value).replace("'", '"')

    lines = [f'base = "{base}"', *(f"{key} = {plain(value)}" for key, value in fields.items() if value is not None)]
    return "\n".join(lines)
