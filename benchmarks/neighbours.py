"""What the neighbours and the store of a million images cost, from a measured run on synthetic vectors.

    python benchmarks/neighbours.py --count 100000 --dim 2048 --blocks 8

Vectors are like a ResNet's: 1000 centres, positive, of unit length.  Timed in processor seconds: blocks of 1,024
queries against all vectors, through torch and through faiss; packing into six bits.  Printed: time and bytes for
`--count` and, by their growth (neighbours as the square, the rest in line), for a million images; whether torch and
faiss find the same sets; how near the packed vectors are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ganvas.data import nearest, packed, prepare

MILLION = 1_000_000
K = 50


def vectors(count: int, dim: int) -> Tensor:
    """Unit vectors [count, dim] float32, positive, around 1000 centres."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(1000, dim, generator=rng).clamp_min(0)
    out = torch.empty(count, dim)
    for start in range(0, count, 4096):
        rows = out[start : start + 4096]
        torch.randn(rows.shape, generator=rng, out=rows)
        rows.add_(centres[torch.randint(1000, (len(rows),), generator=rng)]).clamp_min_(0)
        rows.copy_(normalize(rows, dim=1))
    return out


def timed(work: Callable[[], object]) -> float:
    """Processor seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--blocks", type=int, default=8, help="blocks of queries that are timed")
    args = parser.parse_args()
    x = vectors(args.count, args.dim)
    print(f"{args.count:,} vectors of {args.dim}, {torch.get_num_threads()} thread(s), torch {torch.__version__}")

    def rows(start: int, stop: int) -> Tensor:
        return x[start:stop]

    block = min(prepare.BLOCK, args.count)
    found: dict[str, list[Tensor]] = {"torch": [], "faiss": []}
    searches: dict[str, nearest.Search] = {
        "torch": lambda a, b, k: nearest.nearest(rows, args.count, a, b, k),
        "faiss": nearest.Faiss(rows, args.count),
    }
    blocks = -(-args.count // block)
    for name, search in searches.items():
        starts = [i * (args.count - block) // max(args.blocks - 1, 1) for i in range(args.blocks)]
        begun = time.process_time()
        found[name] = [search(s, s + block, K)[0] for s in starts]
        each = (time.process_time() - begun) / len(starts)
        flops = 2 * block * args.count * args.dim / each
        print(f"{name}: {each:.2f} s a block of {block}, {flops / 1e9:.0f} GFLOP/s")
        whole = each * blocks
        print(f"  all {blocks} blocks: {whole:,.0f} s; a million: {whole * (MILLION / args.count) ** 2 / 3600:.1f} h")
    same = [set(a) == set(b) for p, q in zip(*found.values()) for a, b in zip(p.tolist(), q.tolist())]
    print(f"the same sets: {sum(same):,} of {len(same):,}")

    part = x[: min(20_000, args.count)]
    codes: list[Tensor] = []
    seconds = timed(lambda: codes.extend(packed.pack(part))) / len(part)
    cosine = (packed.unpack(codes[0], codes[1], args.dim) * part).sum(1)
    print(
        f"packing: {1e6 * seconds:.0f} us a vector; cosine to the vector {cosine.mean():.5f}, least {cosine.min():.5f}"
    )
    view = codes[0].shape[1] + 8
    ours, theirs = 2 * view + 4 * K + 4, 2 * 8 * args.dim + 8 * K + 8
    print(f"bytes an image: {ours:,} (features of both views {2 * view:,}, neighbours {4 * K + 4})")
    print(f"HDF5 of float64 and int64: {theirs:,}, {theirs / ours:.1f} times as many")
    print(f"a million: {ours / 1e3:.2f} GB, and {8 * args.dim / 1e3:.1f} GB of exact features while it is made")


if __name__ == "__main__":
    main()
