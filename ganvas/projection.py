"""From an image back to a code: the latents, class and condition whose image is nearest, by search and by descent.

Here: the search over random codes and classes, the descent from the best of them, code files.  Not here: what a code is
(each paper's `code` and `decode`), how a network compares images (features/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas import rows
from ganvas.codes import tensors_of
from ganvas.errors import InputError
from ganvas.gan import GAN, Request, evaluating
from ganvas.ops.pixels import to_float
from ganvas.sampling import Classes, class_indices, condition, images, images_of

Likeness = Callable[[Tensor, Tensor], Tensor]  # how unlike two batches of images [N, C, H, W] are -> [N]; LPIPS is one
CLASSES = 16  # of which the short search looks at the best
SHORT = 0.2  # of the steps, for four times as many starts as are gone on with


@dataclass(frozen=True)
class Projection:
    """What was found for N pictures: a code to decode, mix and change, its images, and how near they are."""

    code: Any  # a record of N rows, as `gan.code` returns
    x: Tensor  # [N, C, H, W] in [-1, 1], the images of the code
    target: Tensor  # [N, C, H, W], the pictures
    error: Tensor  # [N], mean squared difference of their pixels, which are in [-1, 1]
    y: Tensor | None = None  # [N] int64, the classes of the code


@dataclass(frozen=True)
class How:
    """How long is looked, and how far away from what random codes are."""

    restarts: int = 4  # descents for each picture, from the best random codes; the nearest end counts
    steps: int = 300  # of each descent, after a fifth of them for the choice of starts
    candidates: int = 512  # random codes, at least; twice as many as there are classes, if that is more
    lr: float = 0.1  # Adam's, in deviations of random codes; falls to 0 by a half cosine
    prior: float = 0.1  # price of codes farther out than random ones, where a random image's distance costs 1
    batch: int = 64  # codes at a time


DEFAULT = How()


def project(
    gan: GAN,
    pictures: Any,
    classes: Classes = None,
    seed: int = 0,
    how: How = DEFAULT,
    likeness: Likeness | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Projection:
    """See `GAN.project`.  progress: called with images made so far and in all."""
    target = targets(gan, pictures).to(gan.device)
    y = class_indices(gan, classes, len(target))
    searches: dict[int | None, Search] = {}  # by class
    found = []
    with evaluating(gan):
        for i, part in enumerate(target.split(1)):
            k = None if y is None else int(y[i])
            if k not in searches:
                searches[k] = Search.of(gan, k, seed, how, likeness)
            found.append(searches[k].nearest(part, _passed_on(progress, i, len(target))))
        code = rows.concat([code for code, _ in found])
        x = images_of(gan, code, how.batch)
    chosen = [k for _, k in found if k is not None]
    error = (x - target).square().flatten(1).mean(1)
    return Projection(code, x, target, error, torch.tensor(chosen) if chosen else None)


def targets(gan: GAN, pictures: Any, fit: str = "crop") -> Tensor:
    """Pictures in the shape that the GAN makes: paths, Pillow images, or float tensors in [-1, 1].  -> [N, C, H, W]

    Raises InputError for what cannot be read, for tensors of another shape, and for models that have no such codes.
    """
    shape = gan.config.shape
    if not gan.seeds_suffice:
        raise InputError("this model makes images of images, there is no code to look for; use ganvas translate")
    if len(shape) == 1:
        raise InputError(f"this model makes points of {shape[0]} coordinates, a projection needs a model of images")
    if isinstance(pictures, Tensor):
        x = pictures if pictures.dim() == 4 else pictures[None]
        if x.shape[1:] != shape:
            raise InputError(f"a tensor of {list(pictures.shape)} given, expected [N, {', '.join(map(str, shape))}]")
        return x.float()
    several = pictures if isinstance(pictures, list | tuple) else [pictures]
    return torch.stack([_picture(one, shape, fit) for one in several])


def _picture(picture: Any, shape: tuple[int, ...], fit: str) -> Tensor:
    from ganvas.data.decode import How as Decoding
    from ganvas.data.decode import pixels
    from ganvas.translation import picture as opened

    channels, height, width = shape
    return to_float(torch.from_numpy(pixels(opened(picture, channels), Decoding(height, channels, fit, width)).copy()))


def _passed_on(progress: Callable[[int, int], None] | None, i: int, n: int) -> Callable[[float], None]:
    """Told the share of the i-th picture's work that is done, passes on hundredths of all."""
    return lambda share: progress(round(100 * (i + share)), 100 * n) if progress else None


@dataclass(frozen=True)
class Search:
    """Random codes of a GAN, and how the nearest code is looked for from the best of them."""

    gan: GAN
    how: How
    likeness: Likeness | None
    codes: Any  # M rows
    classes: Tensor | None  # [M]
    prior: Prior

    @classmethod
    @torch.no_grad()
    def of(cls, gan: GAN, k: int | None, seed: int, how: How, likeness: Likeness | None) -> Search:
        """With random codes of seeds from `seed` on, of class k or of all classes in turn."""
        classes, made = gan.config.num_classes, []
        n = max(how.candidates, 0 if k is not None else 2 * classes)
        y = torch.arange(n) % max(classes, 1) if k is None else torch.full((n,), k)
        for start in range(0, n, how.batch):
            seeds = list(range(seed + start, seed + min(start + how.batch, n)))
            given = condition(gan, seeds, y[start : start + how.batch].to(gan.device) if classes else None, 0)
            made.append(rows.to(gan.code(Request(seeds, given)), gan.device))
        codes = rows.concat(made)
        return cls(gan, how, likeness, codes, y if classes else None, Prior.of(codes, gan.projected))

    def nearest(self, target: Tensor, done: Callable[[float], None]) -> tuple[Any, int | None]:
        """The code of one row whose image is nearest to the target [1, C, H, W], and its class.

        Many short descents, then from the nearest few ends long ones.
        """
        how = self.how
        random = self.distances(self.codes, target)
        unit = float(random.mean().clamp(min=1e-12))
        starts = spread(random.argsort().cpu(), self.classes, 4 * how.restarts)
        short = max(1, round(SHORT * how.steps))
        work = [short * len(starts), how.steps * how.restarts]
        code = self.descend(
            rows.pick(self.codes, starts), target, unit, short, lambda k: done(k * len(starts) / sum(work))
        )
        best = self.distances(code, target).argsort().cpu()[: how.restarts]
        code, starts = rows.pick(code, best), starts[best]
        code = self.descend(code, target, unit, how.steps, lambda k: done((work[0] + k * how.restarts) / sum(work)))
        i = self.distances(code, target).argmin().cpu()[None]
        return rows.pick(code, i), None if self.classes is None else int(self.classes[starts[i]])

    def distances(self, codes: Any, target: Tensor) -> Tensor:
        """Of the images of M codes from one target.  -> [M]"""
        with torch.no_grad():
            return torch.cat(
                [self.unlike(images(self.gan, part), target) for part in rows.parts(codes, self.how.batch)]
            )

    def unlike(self, x: Tensor, target: Tensor) -> Tensor:
        """Mean squared difference of pixels, averaged over the images and their halvings, and the likeness.  -> [N]

        The coarse scales lead where strokes do not overlap yet.
        """
        target = target.expand(len(x), -1, -1, -1)
        a, b, scales = x, target, [(x - target).square().flatten(1).mean(1)]
        while min(a.shape[2:]) >= 8:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
            scales.append((a - b).square().flatten(1).mean(1))
        pixels = torch.stack(scales).mean(0)
        return pixels if self.likeness is None else pixels + self.likeness(x, target)

    def descend(self, code: Any, target: Tensor, unit: float, steps: int, done: Callable[[int], None]) -> Any:
        """The codes after so many steps of Adam towards the target; no row sees another.  unit: of distance"""
        how, prior = self.how, self.prior
        moving = {name: getattr(code, name).detach().clone().requires_grad_() for name in prior.mean}
        adam = torch.optim.Adam([{"params": [value]} for value in moving.values()], betas=(0.9, 0.99))
        for step in range(steps):
            fall = 0.5 + 0.5 * math.cos(math.pi * step / steps)
            for group, name in zip(adam.param_groups, moving):
                group["lr"] = how.lr * fall * float(prior.deviation[name].mean())
            for value in moving.values():
                value.grad = torch.zeros_like(value)
            for part in rows.parts(replace(code, **moving), how.batch):
                loss = self.unlike(images(self.gan, part), target) / unit + how.prior * prior.price(part)
                loss.sum().backward(inputs=list(moving.values()))
            adam.step()
            prior.keep(moving)
            done(step + 1)
        return replace(code, **{name: value.detach() for name, value in moving.items()})


def spread(order: Tensor, classes: Tensor | None, n: int) -> Tensor:
    """The first n of an order [M], but of the best classes in turn: the best of each, the second best of each ..."""
    if classes is None:
        return order[:n]
    of = classes[order].tolist()
    best = list(dict.fromkeys(of))[:CLASSES]
    turns: dict[int, int] = dict.fromkeys(best, 0)
    ranked = []
    for place, k in enumerate(of):
        if k in turns:
            ranked.append((turns[k], place))
            turns[k] += 1
    return order[torch.tensor([place for _, place in sorted(ranked)[: max(n, len(best))]])]


def how(values: dict[str, Any]) -> How:
    """Settings by name.  Raises InputError for unknown names and counts below 1."""
    if unknown := set(values) - {f.name for f in fields(How)}:
        known = ", ".join(f.name for f in fields(How))
        raise InputError(f"{', '.join(sorted(unknown))} given, a projection knows seed, likeness, progress, {known}")
    made = How(**values)
    if min(made.restarts, made.steps, made.candidates, made.batch) < 1:
        raise InputError(f"{made} given, expected counts of at least 1")
    return made


@dataclass(frozen=True)
class Prior:
    """Where random codes are, entry by entry of each field that moves; limits of all its entries, and its length."""

    mean: dict[str, Tensor]
    deviation: dict[str, Tensor]
    limits: dict[str, tuple[Tensor, Tensor]]
    unit: frozenset[str]  # fields of unit length, as features are

    @classmethod
    def of(cls, codes: Any, names: Sequence[str]) -> Prior:
        """From M random codes.  Raises InputError where no field of them can move."""
        moving = {name: value.float() for name, value in tensors_of(codes).items() if name in names}
        if not moving:
            raise InputError(f"codes of this model hold none of {', '.join(names)}; there is nothing to look for")
        return cls(
            {name: value.mean(0) for name, value in moving.items()},
            {name: value.std(0).clamp(min=1e-6) for name, value in moving.items()},
            {name: (value.min(), value.max()) for name, value in moving.items()},
            frozenset(n for n, v in moving.items() if v.dim() == 2 and bool((v.norm(dim=1) - 1).abs().max() < 1e-3)),
        )

    def price(self, code: Any) -> Tensor:
        """relu(mean u^2 - 1 - 2 sqrt(2 / E)) over the fields, u their E entries in deviations of random codes.  -> [N]

        For normal ones the mean of u^2 is 1, with deviation sqrt(2 / E): 0 as far out as random codes are.
        """
        total = torch.zeros(())
        for name, mean in self.mean.items():
            u = ((getattr(code, name) - mean) / self.deviation[name]).flatten(1)
            total = total + F.relu(u.square().mean(1) - 1 - 2 * (2 / u.shape[1]) ** 0.5)
        return total

    @torch.no_grad()
    def keep(self, moving: dict[str, Tensor]) -> None:
        """Entries back between the limits, fields of unit length back to it, in place."""
        for name, value in moving.items():
            value.clamp_(*self.limits[name])
            if name in self.unit:
                value.copy_(F.normalize(value, dim=1))
