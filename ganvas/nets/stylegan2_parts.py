"""What both networks of StyleGAN2 are put together from: the mapping, widths, minibatch deviation, style mixing.

StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), with the conditions of StyleGAN2-ADA (Karras et al. 2020, arXiv
2006.06676: classes) and of IC-GAN (Casanova et al. 2021, arXiv 2109.05070: instance features). The networks
themselves are in `stylegan2.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.ops.equalised import EqualLinear, rms_norm
from ganvas.ops.spectral import full_precision

LR_MUL = 0.01  # the mapping learns a hundred times slower than the rest


def sizes(resolution: int) -> list[int]:
    """4, 8, ... resolution; raises InputError unless it is a power of two from 8 on."""
    if resolution < 8 or resolution & (resolution - 1):
        raise InputError(f"resolution={resolution}, expected a power of two from 8 on; resize the images")
    return [4 << i for i in range(resolution.bit_length() - 2)]


def width(size: int, channel_base: int, channel_max: int) -> int:
    """The channels at a size: as many as the base allows, at most the largest."""
    return min(channel_base // size, channel_max)


class Mapping(nn.Module):
    """(z, y, h) -> w.  z [N, dim_z], y [N] int64 or [N, K] mixtures, h [N, F] of unit length -> [N, num_ws, dim_w]

    z and the condition are normalised apart; class and features are normalised TOGETHER, as one vector [y, h]. D has
    no z (`dim_z` 0). `num_ws` 0, D's form: one w [N, dim_w] and no average.
    """

    w_avg: Tensor

    def __init__(
        self, dim_z: int, dim_w: int, num_classes: int = 0, dim_h: int = 0, layers: int = 8, num_ws: int = 0
    ) -> None:
        super().__init__()
        self.dim_z, self.num_classes, self.num_ws, self.layers = dim_z, num_classes, num_ws, layers
        self.embed = EqualLinear(num_classes, dim_w) if num_classes else None
        self.embed_feats = EqualLinear(dim_h, dim_w) if dim_h else None
        dim = dim_z + dim_w * bool(num_classes) + dim_w * bool(dim_h)
        for i in range(layers):
            self.add_module(f"fc{i}", EqualLinear(dim if i == 0 else dim_w, dim_w, "lrelu", LR_MUL))
        if num_ws:
            self.register_buffer("w_avg", torch.zeros(dim_w))

    def forward(self, z: Tensor | None, y: Tensor | None = None, h: Tensor | None = None) -> Tensor:
        with full_precision(next(self.parameters())):
            parts = [None if z is None else rms_norm(z), self.condition(y, h)]
            w = torch.cat([part for part in parts if part is not None], 1)
            for i in range(self.layers):
                w = self.get_submodule(f"fc{i}")(w)
        return w[:, None].expand(-1, self.num_ws, -1) if self.num_ws else w

    def condition(self, y: Tensor | None, h: Tensor | None) -> Tensor | None:
        """[embed(y), embed_feats(h)] at unit second moment, whichever there are.  -> [N, dim_w or 2 dim_w]"""
        parts = []
        if self.embed is not None:
            if y is None:
                raise ValueError("a class-conditional network was given no classes y")
            one_hot = y if y.is_floating_point() else F.one_hot(y, self.num_classes).to(self.embed.weight.dtype)
            parts.append(self.embed(one_hot))
        if self.embed_feats is not None:
            if h is None:
                raise ValueError("an instance-conditional network was given no features h")
            parts.append(self.embed_feats(h))
        return rms_norm(torch.cat(parts, 1)) if parts else None

    @torch.no_grad()
    def track(self, ws: Tensor, beta: float = 0.995) -> None:
        """Moves w_avg towards the mean of a batch.  ws [N, num_ws, dim_w], as `forward` returned it

        Not part of `forward`, so that a loss stays pure. StyleGAN2-ADA does it after every call in training (G's and
        D's phases, the path length's too) but for the second w of style mixing; StyleGAN3's code has beta 0.998.
        """
        self.w_avg.lerp_(ws[:, 0].mean(0).to(self.w_avg.dtype), 1 - beta)


def truncate(ws: Tensor, w_avg: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
    """w_avg + psi (w - w_avg), in the first `cutoff` layers only if that is given.  ws [N, num_ws, dim_w] -> same

    w_avg is over all conditions, so that psi < 1 also pulls a conditional model towards the average condition.
    """
    if psi == 1:
        return ws
    near = w_avg + psi * (ws - w_avg)
    return near if cutoff is None else torch.cat([near[:, :cutoff], ws[:, cutoff:]], 1)


def mix_styles(ws: Tensor, other: Tensor, cutoff: int | Tensor) -> Tensor:
    """The layers before `cutoff` from ws, the others from `other`.  ws, other [N, num_ws, dim_w] -> same

    `cutoff` is a number or a tensor [] or [N]; StyleGAN2-ADA draws one for a whole batch, uniform in 1 .. num_ws - 1
    with probability 0.9, and num_ws (no mixing) otherwise.
    """
    cutoff = torch.as_tensor(cutoff, device=ws.device)
    first = torch.arange(ws.shape[1], device=ws.device) < cutoff[..., None]
    return torch.where(first[..., None], ws, other)


def draw_cutoff(num_ws: int, probability: float, rng: torch.Generator) -> Tensor:
    """Where `mix_styles` changes over, one number for a whole batch as in StyleGAN2-ADA.  -> [] int64"""
    cutoff = torch.randint(1, num_ws, (), generator=rng)
    return torch.where(torch.rand((), generator=rng) < probability, cutoff, num_ws)


def minibatch_std(x: Tensor, group: int = 4) -> Tensor:
    """x and one more channel: how much the samples of a group differ.  x [N, C, H, W] -> [N, C + 1, H, W]

    Mean over C, H, W of sqrt(var + 1e-8), the biased variance over `group` samples. Groups stride through the batch:
    sample n is in group n mod (N / group). Raises InputError unless group, or N where that is less, divides N.
    """
    N, _, H, W = x.shape
    group = min(group, N)
    if N % group:
        raise InputError(f"a batch of {N} does not divide into groups of {group}, as D's minibatch deviation needs it")
    grouped = x.unflatten(0, (group, -1))
    deviation = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([x, deviation.repeat(group)[:, None, None, None].expand(-1, 1, H, W)], 1)
