"""What is built without memory draws nothing and loads nothing of torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from ganvas.devices import without_memory
from ganvas.ops.spectral import SNConv2d


def test_shapes_are_those_of_what_is_built_with_memory() -> None:
    before = torch.random.get_rng_state()
    with without_memory():
        meta = nn.Sequential(SNConv2d(3, 4, 3), nn.Linear(5, 6), nn.Embedding(7, 2))
        nn.init.orthogonal_(meta[1].weight)
        drawn = torch.randn(2, 3), torch.rand((4,), dtype=torch.float64), nn.init.normal_(tensor=torch.zeros(5))
    assert torch.equal(torch.random.get_rng_state(), before)
    built = nn.Sequential(SNConv2d(3, 4, 3), nn.Linear(5, 6), nn.Embedding(7, 2))
    assert [(k, v.shape) for k, v in meta.state_dict().items()] == [(k, v.shape) for k, v in built.state_dict().items()]
    assert all(value.is_meta for value in (*meta.state_dict().values(), *drawn))
    assert [(tuple(t.shape), t.dtype) for t in drawn[:2]] == [((2, 3), torch.float32), ((4,), torch.float64)]


def test_loading_a_model_loads_no_compiler() -> None:
    code = (
        "import sys, ganvas; ganvas.load('biggan-digits', device='cpu').sample(1); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
