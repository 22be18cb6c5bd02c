"""Self-attention over the pixels of a feature map (SAGAN, Zhang et al. 2019, arXiv 1805.08318).

The form of the authors' released code, which differs from the paper's text: keys and values are max-pooled 2x2, the
value path has C/2 channels and a convolution back to C. BigGAN uses the same block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.errors import InputError

LARGE = 2**20  # entries of one image's map from which blocks pay: 64 x 64 pixels; at 32 x 32 they do not
BLOCK = 2**18  # bytes of the map that are made at a time: they, and as many of its gradient, stay in a core's cache


class Attention(nn.Module):
    """x + gamma * o(softmax(theta(x)^T phi(x)) g(x)).  x [N, C, H, W] -> same shape

    `conv(in, out, kernel_size=1, padding=0, bias=False)` makes the four convolutions, spectrally normalised or not.
    gamma starts at 0, so the block starts as the identity; negative values are normal later.
    """

    def __init__(self, channels: int, conv: Callable[..., nn.Conv2d]) -> None:
        super().__init__()
        if channels < 8:
            raise InputError(f"attention on {channels} channels, expected at least 8; widen the network or drop it")
        self.theta = conv(channels, channels // 8, kernel_size=1, padding=0, bias=False)
        self.phi = conv(channels, channels // 8, kernel_size=1, padding=0, bias=False)
        self.g = conv(channels, channels // 2, kernel_size=1, padding=0, bias=False)
        self.o = conv(channels // 2, channels, kernel_size=1, padding=0, bias=False)
        self.gamma = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """`y` is ignored: the block stands among conditional ones."""
        theta = self.theta(x).flatten(2)  # [N, C/8, HW]
        phi = F.max_pool2d(self.phi(x), 2).flatten(2)  # [N, C/8, HW/4]
        g = F.max_pool2d(self.g(x), 2).flatten(2)  # [N, C/2, HW/4]
        o = attended(theta, phi, g)  # [N, C/2, HW]
        return self.gamma * self.o(o.unflatten(2, x.shape[2:])) + x


def attention_map(queries: Tensor, keys: Tensor) -> Tensor:
    """Softmax over the keys, not scaled by their width.  [N, F, Q], [N, F, K] -> [N, Q, K], each row sums to 1

    Written out: the fused attention kernel has no second derivative, which penalties and latent steps need.
    """
    return torch.softmax(torch.bmm(queries.transpose(1, 2), keys), dim=-1)


def attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The values, weighed by the attention map.  [N, F, Q], [N, F, K], [N, D, K] -> [N, D, Q]

    A large map goes block by block, so that it stays in the processor's cache and is never stored.
    """
    if not in_blocks(queries, keys):
        return torch.bmm(values, attention_map(queries, keys).transpose(1, 2))
    found: tuple[Tensor, Tensor] = Blocks.apply(queries.transpose(1, 2), keys, values.transpose(1, 2))
    return found[0].transpose(1, 2)


def in_blocks(queries: Tensor, keys: Tensor) -> bool:
    """Whether blocks pay: on the CPU, in full precision, for maps of one image that no cache holds."""
    large = queries.shape[2] * keys.shape[2] >= LARGE
    plain = torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    return large and queries.device.type == "cpu" and not plain


class Blocks(torch.autograd.Function):
    """softmax(q k) v, some queries at a time; backward makes each block of the map once more.

    q [N, Q, F], k [N, F, K], v [N, K, D] -> [N, Q, D], and for backward log sum exp(q k) [N, Q, 1].  Where backward
    itself is to be differentiated (penalties, latent steps), it is that of the plain formula.
    """

    @staticmethod
    def forward(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        out, sums = q.new_empty(*q.shape[:2], v.shape[2]), q.new_empty(*q.shape[:2], 1)
        for n in range(len(q)):
            for part, made, log_sum in zip(*(each.split(rows(k)) for each in (q[n], out[n], sums[n]))):
                weights = part @ k[n]
                top = weights.amax(-1, keepdim=True)
                total = weights.sub_(top).exp_().sum(-1, keepdim=True)
                torch.mm(weights, v[n], out=made).div_(total)
                torch.add(total.log_(), top, out=log_sum)
        return out, sums

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, given: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, sums = ctx.saved_tensors
        if torch.is_grad_enabled():
            plain = torch.bmm(attention_map(q.transpose(1, 2), k), v)
            wanted = [t for t, needed in zip((q, k, v), ctx.needs_input_grad) if needed]
            found = iter(torch.autograd.grad(plain, wanted, given, create_graph=True))
            return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)
        # Gradients lie with the long axis last: the products into them are up to ten times as fast.
        dq, dk, dv = (t.new_zeros(t.shape) for t in (q.mT, k, v.mT))
        inner = (given * out).sum(-1, keepdim=True)
        for n in range(len(q)):
            parts = (each.split(rows(k)) for each in (q[n], given[n], sums[n], inner[n]))
            for part, slope, log_sum, mean, made in zip(*parts, dq[n].split(rows(k), 1)):
                weights = torch.addmm(log_sum, part, k[n], beta=-1).exp_()
                dv[n].addmm_(slope.t(), weights)
                of_map = torch.addmm(mean, slope, v[n].t(), beta=-1).mul_(weights)
                made.copy_(k[n] @ of_map.t())
                dk[n].addmm_(part.t(), of_map)
        return dq.mT, dk, dv.mT


def rows(keys: Tensor) -> int:
    """Queries in a block: of its map as many as `BLOCK` bytes hold."""
    return max(1, BLOCK // (keys.element_size() * keys.shape[2]))
