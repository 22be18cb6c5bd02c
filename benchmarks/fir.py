"""Times the ways to filter, to resample with a filter, and to modulate a convolution, forward and backward.

    python benchmarks/fir.py [--threads 1] [--repeats 5]

Each line: milliseconds of the forward pass alone, and of forward and backward, the least of `repeats`. All ways of a
group are checked to give the same numbers first. The first way of each group is what `ganvas.ops` does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.ops import fir
from ganvas.ops.modulated import modulated_conv

f = fir.setup_filter()
ROW = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def folded(x: Tensor) -> Tensor:
    """One channel, the others folded into the batch."""
    N, C, H, W = x.shape
    return F.conv2d(x.reshape(N * C, 1, H, W), f[None, None], padding=2).view(N, C, H + 1, W + 1)


def separable(x: Tensor) -> Tensor:
    """Depthwise rows, then depthwise columns."""
    C = x.shape[1]
    rows = F.conv2d(x, ROW.expand(C, 1, 1, 4), padding=2, groups=C)[:, :, 2:-2]
    return F.conv2d(rows, ROW[:, None].expand(C, 1, 4, 1), padding=(2, 0), groups=C)


def averages(x: Tensor) -> Tensor:
    """[1, 3, 3, 1] is [1, 1] three times over."""
    x = F.pad(x, [2, 2, 2, 2])
    for _ in range(3):
        x = F.avg_pool2d(x, 2, 1)
    return x


def slices(x: Tensor) -> Tensor:
    x = F.pad(x, [2, 2, 2, 2])
    x = (x[..., :-3] + x[..., 3:]) + 3 * (x[..., 1:-2] + x[..., 2:-1])
    return ((x[..., :-3, :] + x[..., 3:, :]) + 3 * (x[..., 1:-2, :] + x[..., 2:-1, :])) / 64


def merged(x: Tensor, weight: Tensor) -> Tensor:
    """Kernel and filter as one 6x6 kernel."""
    grid = F.pad(weight.reshape(-1, 1, 3, 3), [3, 3, 3, 3])
    kernel = F.conv2d(grid, 4 * f[None, None]).view(*weight.shape[:2], 6, 6)
    return F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2, padding=2)


def zeros_inserted(x: Tensor, weight: Tensor) -> Tensor:
    """The fine grid in full, nine of ten products with zero."""
    N, C, H, W = x.shape
    fine = F.pad(x[:, :, :, None, :, None], [0, 1, 0, 0, 0, 1]).reshape(N, C, 2 * H, 2 * W)[..., :-1, :-1]
    return fir.blur(F.conv2d(fine, weight.flip(2, 3), padding=2), 4 * f, 1)


def milliseconds(way: Callable[..., Tensor], given: list[Tensor], repeats: int) -> tuple[float, float]:
    def forward() -> None:
        with torch.no_grad():
            way(*given)

    def both() -> None:
        out = way(*given)
        torch.autograd.grad(out, given, torch.ones_like(out))

    least = []
    for run in (forward, both):
        run()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        least.append(1000 * min(times))
    return least[0], least[1]


def group(title: str, ways: dict[str, Callable[..., Tensor]], shapes: list[tuple[int, ...]], repeats: int) -> None:
    given = [torch.randn(shape, requires_grad=True) for shape in shapes]
    wanted = next(iter(ways.values()))(*given)
    print(f"{title} {' '.join(map(str, shapes))}")
    for name, way in ways.items():
        torch.testing.assert_close(way(*given), wanted, rtol=1e-3, atol=1e-2)
        print("  {:12} {:8.2f} {:8.2f} ms".format(name, *milliseconds(way, given, repeats)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    sizes = [(4, 256, 32, 32), (4, 128, 64, 64), (4, 64, 128, 128), (8, 64, 9, 9)]
    ways = {"depthwise": lambda x: fir.blur(x, f, 2), "folded": folded, "separable": separable, "averages": averages}
    for shape in sizes:
        group("blur", {**ways, "slices": slices}, [shape], arguments.repeats)
    up = {"two steps": lambda x, w: fir.upsample_conv(x, w, f), "merged": merged, "zeros": zeros_inserted}
    for shape, cout in ((sizes[0], 128), (sizes[1], 64), ((8, 64, 8, 8), 64)):
        group("up conv", up, [shape, (cout, shape[1], 3, 3)], arguments.repeats)
    forms = {"scaled": modulated_conv, "grouped": lambda x, w, s: modulated_conv(x, w, s, grouped=True)}
    for shape in ((1, 512, 16, 16), (8, 512, 8, 8), *sizes[:3]):
        group("modulated", forms, [shape, (shape[1], shape[1], 3, 3), shape[:2]], arguments.repeats)


if __name__ == "__main__":
    main()
