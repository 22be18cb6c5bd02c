"""How far are the weights of several processes from those of one?  The largest difference of every form, as a table.

    OMP_NUM_THREADS=1 python benchmarks/together.py 4

Batches of 8, two iterations, batch norm synchronised, gloo on the CPU (tests/engine/together.py); "moved" is how far
the weights went in that time.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ganvas.team import ALONE
from tests.engine import together


def largest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Over the players' weights and biases."""
    names = [name for name in a if name.startswith(("gan/G.", "gan/D.")) and name.endswith(("weight", "bias"))]
    return max((a[name].double() - b[name].double()).abs().max().item() for name in names)


def main(size: int) -> None:
    forms = list(together.FORMS)
    with tempfile.TemporaryDirectory() as folder:
        many = together.start(size, Path(folder), forms)
    print(f"| form | {size} processes from one | moved |\n|---|---|---|")
    for form in forms:
        one, first = together.trained(form, ALONE), together.trained(form, ALONE, iterations=0)
        print(f"| {form} | {largest(one, many[form]):.1e} | {largest(one, first):.1e} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]))
