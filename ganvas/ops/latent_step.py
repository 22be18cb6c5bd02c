"""LOGAN's step in latent space (Wu et al. 2019, arXiv 1912.00953): up the score, before the latents are used.

Here: the two update rules, the choice of elements, the clip and the cost, all differentiable.  Not here: when a player
takes the step (the paper's file).  f(z) = D(G(z)) is a raw score, larger for more real, so the step is added.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from ganvas.ops.derivative import input_gradient

Rule = Literal["natural", "gradient", "none"]
Mask = Literal["element_fixed", "element_random", "sample"]


def gradient_step(g: Tensor, alpha: float, mask: Tensor | None = None) -> Tensor:
    """alpha g: LOGAN (GD).  g, mask as in `natural_gradient_step` -> [N, Z]"""
    return alpha * (g if mask is None else g * mask)


def natural_gradient_step(g: Tensor, alpha: float, beta: float, mask: Tensor | None = None) -> Tensor:
    """alpha (g g^T + beta I)^-1 g = alpha g / (beta + |g|^2): LOGAN (NGD), Eq. 16.  g = df/dz [N, Z] -> [N, Z]

    |g|^2 is each sample's own, so no step is longer than alpha / (2 sqrt(beta)), reached at |g| = sqrt(beta); the
    denominator is differentiated as well. `mask` [Z], [N, Z], or [N, 1] for whole samples: 1 where z may move, 0 where
    it stays. It comes before the norm: the Fisher matrix is that of the variables that are optimised.
    """
    g = g if mask is None else g * mask
    return alpha * g / (beta + g.square().sum(1, keepdim=True))


def step_rule(kind: Rule, alpha: float, beta: float, mask: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """The rule of that name as a function of g alone; "none": no rule is asked, for no step is taken."""
    if kind == "natural":
        return partial(natural_gradient_step, alpha=alpha, beta=beta, mask=mask)
    return partial(gradient_step, alpha=alpha, mask=mask)


def first_coordinates(dim_z: int, fraction: float) -> Tensor:
    """The mask of a step on a fixed fraction of z's elements: floor(fraction Z) ones, then zeros.  -> [Z]"""
    count = int(fraction * dim_z + 1e-9)  # 0.29 * 100 is 28.999999999999996
    return (torch.arange(dim_z) < count).float()


def masks(kind: Mask, n: int, dim_z: int, fraction: float, rng: torch.Generator) -> Tensor:
    """1 where z may move, for n samples: the first coordinates, others of each, or some samples.  -> [n, Z] or [n, 1]

    The paper speaks of elements and not of which; public re-implementations leave whole samples out.
    """
    if kind == "element_fixed":
        return first_coordinates(dim_z, fraction).expand(n, -1)
    return (torch.rand(n, dim_z if kind == "element_random" else 1, generator=rng) < fraction).float()


def move(z: Tensor, step: Tensor, bounds: tuple[float, float] | None = (-1.0, 1.0)) -> Tensor:
    """z + step, back inside the prior's box (None: no box).  z, step [N, Z] -> [N, Z]

    Elements that are cut pass no gradient. The box fits U(-1, 1); it would change the law of Gaussian latents.
    """
    return z + step if bounds is None else (z + step).clamp(*bounds)


def ascend(
    score: Callable[[Tensor], Tensor],
    z: Tensor,
    rule: Callable[[Tensor], Tensor],
    bounds: tuple[float, float] | None = (-1.0, 1.0),
    create_graph: bool = True,
) -> tuple[Tensor, Tensor]:
    """One step of every sample up its score.  score: z [N, Z] -> [N, ...]; rule: g -> step -> z' and the step, [N, Z]

    z' depends on the weights of G and D: both players are trained through it, with second derivatives. Only at
    sampling, where nobody learns, `create_graph` may be False. Cutting the graph in training is the paper's ablation
    that collapses. Several steps are several calls; with batch norm in G the gradient holds terms across samples.
    """
    step = rule(input_gradient(score, z, create_graph))
    return move(z, step, bounds), step


def climb(
    score: Callable[[Tensor], Tensor],
    z: Tensor,
    rule: Callable[[Tensor], Tensor],
    steps: int,
    create_graph: bool = True,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`steps` times `ascend`, each from where the last one ended, all in one graph.

    -> z' [N, Z], the sum of the steps before clipping [N, Z], the mean score where it began (scalar; None for 0 steps)
    """
    total, scores = torch.zeros_like(z), []

    def seen(z: Tensor) -> Tensor:
        scores.append(score(z))
        return scores[-1]

    for _ in range(steps):
        z, step = ascend(seen, z, rule, create_graph=create_graph)
        total = total + step
    return z, total, scores[0].detach().mean() if scores else None


def movement(step: Tensor) -> Tensor:
    """mean |step|^2 over samples, of the step before the clip: R_z of Eq. 17 without its weight.  [N, Z] -> scalar"""
    return step.square().sum(1).mean()
