"""The seam: what a paper is to the rest of the house.

Papers implement `GAN`; engine, command line, scoring and model folder know nothing but this file.  Everything that
travels is a record of rows (records.py, and under their names here too).  No paper and no training code stands here;
sampling is in sampling.py, what a GAN says of sharing itself in sharing.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from ganvas import limited, rows
from ganvas import rng as random
from ganvas.config import Config
from ganvas.errors import InputError
from ganvas.ops.modes import evaluating
from ganvas.records import Batch, Code, Drawn, Given, Loss, Phase, Picture, Request, Rule
from ganvas.sharing import Shared

if TYPE_CHECKING:
    from ganvas.data import Dataset
    from ganvas.instances import Stored
    from ganvas.projection import Projection

__all__ = [
    "GAN", "Batch", "Code", "Drawn", "Given", "Loss", "Phase", "Picture", "Request", "Rule", "evaluating",
]  # fmt: skip
C = TypeVar("C", bound=Config)


class GAN(Shared, nn.Module, Generic[C]):
    """One paper: its players, what each of them minimises, how it makes an image.

    A paper gives `phases` and `decode`, and what differs from the defaults below.  The engine sets `iteration`,
    `images_seen` and `dataset_size` before it asks, so a schedule is a plain `if`.
    """

    config_type: ClassVar[type[Config]]
    title: ClassVar[str]  # the paper or papers, authors and years
    headline: ClassVar[str] = ""  # the logged scalar that the progress line shows
    averaged: ClassVar[tuple[str, ...]] = ("G",)  # players of which an EMA is kept
    reads: ClassVar[str] = "images"  # key of data.READERS
    seeds_suffice: ClassVar[bool] = True  # False: an image needs a given row (a picture to translate)
    projected: ClassVar[tuple[str, ...]] = ("z", "ws", "h")  # fields of a code that a projection moves

    def __init__(self, config: C) -> None:
        super().__init__()
        self.config: C = config
        self.class_names: list[str] = []
        self.origin: Any = None  # what its model folder said of it, where it was loaded from one
        self.stored: Stored | None = None  # instances that travel with the model, where it is conditioned on some
        self.iteration = 0
        self.images_seen = 0
        self.dataset_size = 1
        self.over_all: Callable[[Tensor], Tensor] = lambda mean: mean  # of a mean over rows, that of all processes
        self.frozen: list[nn.Module] = []  # parts of players that learn nothing: what fine-tuning leaves alone
        self.memory = nn.Module()  # buffers of training (pools, means): in checkpoints, never in a model folder
        limited.remember(self.memory, config)

    # ---- training: what a paper is
    def phases(self) -> list[Phase]:
        """The optimiser steps of the iteration at hand, in order."""
        raise NotImplementedError

    def remember(self, data: Dataset) -> None:
        """Keeps what samples need of the data once those are away: some instances, where they are the conditions."""
        if self.reads == "instances":
            from ganvas import instances

            self.stored = instances.stored(data)

    def draw(self, real: Batch, rng: torch.Generator) -> Any:
        """Every random number that the losses of one step use, on `real.x`'s device.  rng lives on the CPU.

        A record of rows: drawn once for the whole batch of the step, then cut together with it.
        """
        n, k = len(real.x), self.config.num_classes
        drawn = Drawn(
            z=torch.randn(n, self.dim_z, generator=rng),
            y=torch.randint(k, (n,), generator=rng) if k else None,
            shown=limited.draw_shown(self.memory, self.config, 2 * n, rng),
            again=limited.draw_again(self.config, n, rng),
        )
        return rows.to(drawn, real.x.device)

    def limited(self, loss: Loss, real: Tensor, fake: Tensor, again: Callable[[], Tensor]) -> Loss:
        """D's loss with what the settings add for few images; see limited.py.  real, fake: D's scores"""
        return limited.limited(self.memory, self.config, loss, real, fake, again)

    def observe(self, kept: Sequence[dict[str, Tensor]]) -> None:
        """The `after` of a D that is limited so."""
        limited.observe(self.memory, self.config, self.iteration, kept)

    def rule(self, player: str) -> Rule:
        """How the player's optimiser steps now; a player named X has the learning rate `X_lr`."""
        c = self.config
        lr = getattr(c, f"{player}_lr") * self.lr_share()
        return Rule(c.optimizer, lr, (float(c.beta1), float(c.beta2)), c.eps)

    def lr_share(self) -> float:
        """What is left of the learning rates now, by `lr_schedule`: 1 to 0."""
        share = min(self.images_seen / self.config.images, 1.0)
        left = {"constant": 1.0, "linear": 1.0 - share, "cosine": 0.5 * (1.0 + math.cos(math.pi * share))}
        return left[self.config.lr_schedule]

    def decay(self) -> float:
        """Of the average at this iteration: 0 (a copy) before `ema_start`, then `ema`, or less while it warms up."""
        c = self.config
        if self.iteration < c.ema_start:
            return 0.0
        return min(c.ema, (1 + self.iteration) / (10 + self.iteration)) if c.ema_ramp else c.ema

    @property
    def has_average(self) -> bool:
        """Is an average of the players in `averaged` kept?"""
        return self.config.ema > 0

    @property
    def grain(self) -> int:
        """Rows of a batch that D compares with each other: a part of a batch holds a multiple of them."""
        return int(getattr(self.config, "group", 1))

    @property
    def epoch(self) -> int:
        """Whole passes over the data set so far."""
        return self.images_seen // self.dataset_size

    def blank(self, n: int, device: torch.device) -> Batch:
        """A batch without content in the shape of what the paper reads: for counting and rehearsing."""
        dim_h = getattr(self.config, "dim_h", 0)
        y = torch.zeros(n, dtype=torch.int64, device=device) if self.config.num_classes else None
        h = torch.full((n, dim_h), dim_h**-0.5, device=device) if dim_h else None
        given = Given(y=y, h=h)
        return Batch(torch.zeros((n, *self.config.shape), device=device), given, given if dim_h else None)

    def scores(self, batch: Batch) -> Tensor | None:
        """D's score of each image, for the watch over a run.  -> [N]; None where a paper has no such thing"""
        return None

    def pixel_scores(self, x: Tensor, given: Given) -> Tensor | None:
        """D's score of every pixel, as logits.  -> [N, 1, H, W]; None where D has one for the whole image alone"""
        return None

    def sheet(self, real: Batch) -> Picture:
        """What a run's picture shows: of fixed seeds a row for each of the first ten classes, or a cloud; where images
        are made of images, input, output, truth and cycle; where of instances, a real neighbour and samples.
        """
        if real.given.h is not None:
            from ganvas import instances

            return instances.sheet(self, real)
        if real.given.source is not None:
            from ganvas import translation

            return translation.strip(self, real)
        if len(self.config.shape) == 1:
            return Picture(self.sample(2000, seed=0), real=real.x)
        k = self.config.num_classes
        n, at_once = 8 * min(max(k, 8), 10), 64 if max(self.config.shape) <= 64 else 8  # large images one row at a time
        classes = [i // 8 % k for i in range(n)] if k else None
        return Picture(self.sample(n, seed=0, classes=classes, batch=at_once), 8)

    # ---- sampling: seed and condition to image
    def given(self, seeds: Sequence[int]) -> Given:
        """What these seeds decide where nothing is asked for: by default a class each, if there are classes; of a
        model of instances a stored one, and the class of one of its neighbours.
        """
        if self.reads == "instances":
            from ganvas import instances

            return instances.drawn(self, seeds)
        k = self.config.num_classes
        return Given(y=random.labels(seeds, k).to(self.device) if k else None)

    def code(self, request: Request) -> Any:
        """Latents and condition of a request, a record of rows.  Default: normal latents, classes as one-hot rows."""
        z = random.latents(request.seeds, self.dim_z, request.truncation, request.truncation_form)
        return Code(z, random.one_hot(request.given.y, self.config.num_classes), request.given.h)

    def decode(self, code: Any) -> Tensor:
        """The images of such codes, in one forward pass.  -> [N, C, H, W] in [-1, 1] (points: [N, D])"""
        raise NotImplementedError

    def mix(self, a: Any, b: Any, weight: float) -> Any:
        """Between two codes, row by row: the great circle for z and h, the straight line for the rest."""

        def join(name: str, left: Tensor, right: Tensor) -> Tensor:
            return random.slerp(left, right, weight) if name in ("z", "h") else torch.lerp(left, right, weight)

        return rows.paired(a, b, join)

    def sampling_record(self, truncation: float | None) -> dict[str, Any]:
        """What samples are made by besides one pass of G, and by an own form of truncation: in a score's protocol."""
        return {} if self.stored is None else {"conditions": f"{len(self.stored):,} stored instances"}

    def sample(
        self,
        n: int = 16,
        seed: int = 0,
        classes: int | str | Sequence[int | str] | None = None,
        truncation: float | None = None,
        batch: int = 64,
        truncation_form: random.TruncationForm = "resample",
        given: Given | None = None,
        like: Any = None,
        weights: str | Path | None = None,
    ) -> Tensor:
        """The images of seeds seed, seed + 1, ..., seed + n - 1.  -> float [n, C, H, W] in [-1, 1] (points: [n, D])

        classes: one name or index for all, or one for each image; None draws each from its seed.  given: the whole
        condition instead, a row for each image.  like: of a model of instances, one picture or several in equal shares
        (a path, a Pillow image, a tensor [C, H, W]) that the images should be like; weights: a file of the network that
        sees them, where it does not travel with the model.  None: a stored instance is drawn from each seed.

        An image depends on its seed and condition alone, not on n or batch.
        Players sample in evaluation mode and get their mode back.  Raises InputError for an unknown class, a class
        of an unconditional model, or a bad count.
        """
        from ganvas import sampling

        return sampling.sample(self, n, seed, classes, truncation, batch, truncation_form, given, like, weights)

    def interpolate(
        self,
        seeds: Sequence[int],
        classes: int | str | Sequence[int | str] | None = None,
        steps: int = 8,
        truncation: float | None = None,
        truncation_form: random.TruncationForm = "resample",
    ) -> Tensor:
        """From each seed (and class) to the next in `steps` pictures, along `mix`.  -> [(len(seeds) - 1) steps, ...]

        Each leg starts at its seed and stops one step short of the next, so that legs join without a double picture.
        """
        from ganvas import sampling

        return sampling.interpolate(self, seeds, classes, steps, truncation, truncation_form)

    def between(
        self,
        like: Sequence[Any],
        seeds: Sequence[int] = (0,),
        classes: int | str | Sequence[int | str] | None = None,
        steps: int = 8,
        truncation: float | None = None,
        truncation_form: random.TruncationForm = "resample",
        weights: str | Path | None = None,
    ) -> Tensor:
        """For each seed a row of images that go from like the first picture to like the last one, along `mix`.

        `steps` images from one picture to the next, both ends among them, the same noise throughout a row.
        -> [len(seeds) ((len(like) - 1) (steps - 1) + 1), C, H, W]
        """
        from ganvas import sampling

        return sampling.between(self, seeds, like, classes, steps, truncation, truncation_form, weights)

    def encode(self, pictures: Sequence[Any], weights: str | Path | None = None) -> Tensor:
        """Features of pictures as the model's conditions are: `Given(h=...)`.  -> float32 [N, F], unit length

        The network travels with the model, or `weights` is a file of it; another one is refused.
        """
        from ganvas import instances

        return instances.encode(self, pictures, weights)

    def standing_statistics(
        self,
        batches: int = 16,
        batch: int = 64,
        seed: int = 0,
        truncation: float | None = None,
        truncation_form: random.TruncationForm = "resample",
    ) -> None:
        """Batch norm's stored statistics anew, as means over batches of fresh samples at this truncation, in place.

        BigGAN, section 3.1 and appendix D; classes are drawn uniformly.  Raises InputError where a paper has none.
        """
        from ganvas import sampling

        sampling.standing_statistics(self, batches, batch, seed, truncation, truncation_form)

    def project(self, pictures: Any, classes: int | str | Sequence[int | str] | None = None, **how: Any) -> Projection:
        """The codes whose images are nearest to pictures (paths, Pillow images, or float [N, C, H, W] in [-1, 1]).

        classes: of the pictures; None looks among all.  how: seed, likeness, progress, and the fields of
        `projection.How`.  The code of what is returned can be decoded, mixed, and changed with dataclasses.replace.
        Raises InputError for points and for models that make images of images.
        """
        from ganvas import projection

        said = {name: how.pop(name) for name in ("seed", "likeness", "progress") if name in how}
        return projection.project(self, pictures, classes, how=projection.how(how), **said)

    def class_index(self, given: int | str) -> int:
        """The index of a class, given by name or by index; a name wins over a number that looks like an index."""
        k, name = self.config.num_classes, given if isinstance(given, str) else str(random.whole("class", given))
        if isinstance(given, str) and name in self.class_names:
            return self.class_names.index(name)
        if name.isdecimal() and 0 <= int(name) < k:
            return int(name)
        known = ", ".join(self.class_names[:12]) + (", ..." if len(self.class_names) > 12 else "")
        raise InputError(
            f"unknown class {name!r}; expected an index from 0 to {k - 1} or a name ({known or 'none given'})"
        )

    # ---- translation: an image to an image of the other domain
    def toward(self, to: str) -> nn.Module:
        """The network that makes images of domain "a" or "b".  Raises InputError without one.

        It has `channels_in`, and `in_tiles(x, tile, progress)` for images too large to be made at once.
        """
        raise InputError(f"{self.title} makes images of seeds, not of images; use sample")

    def translate(self, image: Any, to: str = "b", tile: int = 0) -> Any:
        """An image as one of domain `to`, in its own size: of a Pillow image or a path a Pillow image, of a float
        tensor [C, H, W] or [N, C, H, W] in [-1, 1] a tensor.

        tile: work in tiles of so many pixels a side, for images that memory would not hold; 0: at once.
        """
        from ganvas import translation

        return translation.translate(self, image, to, tile)

    # ---- what it consists of
    @property
    def dim_z(self) -> int:
        """Latent dimensions."""
        return int(getattr(self.config, "dim_z", 0))

    @property
    def device(self) -> torch.device:
        """Where the players are."""
        return next(self.parameters()).device

    def players(self) -> dict[str, nn.Module]:
        """The modules that learn, by name."""
        return {name: child for name, child in self.named_children() if any(True for _ in child.parameters())}

    def parameter_counts(self) -> dict[str, int]:
        """Learned numbers of each player."""
        return {name: sum(p.numel() for p in player.parameters()) for name, player in self.players().items()}

    def model_state(self) -> dict[str, Tensor]:
        """What a model folder holds: every tensor but training's memory."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("memory.")}

    def handed(self) -> dict[str, Tensor]:
        """What one phase has left for a later one of the same iteration: the `handed` of training's memory.

        A checkpoint within an iteration holds it; after a whole one nobody needs it.
        """
        parts = {name: getattr(part, "handed", {}) for name, part in self.memory.named_children()}
        return {f"{name}/{key}": value for name, part in parts.items() for key, value in part.items()}

    def hand(self, tensors: dict[str, Tensor]) -> None:
        """The reverse of `handed`."""
        for name, part in self.memory.named_children():
            if hasattr(part, "handed"):
                own = {key.removeprefix(f"{name}/"): t for key, t in tensors.items() if key.startswith(f"{name}/")}
                part.__dict__["handed"] = {key: value.to(self.device) for key, value in own.items()}

    def load_model_state(self, state: dict[str, Tensor]) -> None:
        """The reverse of `model_state`; training's memory stays as it is.  Raises RuntimeError where they differ."""
        memory = {name: value for name, value in self.state_dict().items() if name.startswith("memory.")}
        self.load_state_dict({**memory, **state})
