"""R1 and path length by formula."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from ganvas.penalties import path_length, path_lengths, r1_penalty


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_r1_of_a_linear_D_is_the_square_of_its_weight():
    w, x = seeded(2, 3).requires_grad_(), seeded(5, 2, 3, seed=1)
    penalty = r1_penalty(lambda x: (x * w).sum((1, 2)), x)
    assert_close(penalty, w.square().sum())
    penalty.backward()
    assert_close(w.grad, 2 * w.detach())
    assert not x.requires_grad


def test_r1_is_the_mean_over_samples_and_passes_conditions_on():
    x, y = torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [0.5]])
    penalty = r1_penalty(lambda x, none, y: x.square() * y, x, None, y)  # slopes 2 x y: 4 and 3
    assert_close(penalty, torch.tensor((16.0 + 9.0) / 2))


def test_r1_in_float32_under_autocast():
    w, x = seeded(8, 8), seeded(4, 8, seed=1)

    def penalty():
        return r1_penalty(lambda x: (x @ w).tanh().sum(1), x)

    with torch.autocast("cpu", torch.bfloat16):
        inside = penalty()
    assert_close(inside, penalty(), rtol=0, atol=0)


def linear_image(A):
    """image [N, 1, 2, 3] of ws [N, 2, 4] by one matrix."""
    return lambda ws: (ws.flatten(1) @ A).view(-1, 1, 2, 3)


def test_path_lengths_of_a_linear_image():
    A, ws, noise = seeded(8, 6).requires_grad_(), seeded(3, 2, 4, seed=1), seeded(3, 1, 2, 3, seed=2)
    J = noise.flatten(1) @ A.t() / 6**0.5  # one noise image: sqrt(H W)
    wanted = (J.square().sum(1) / 2).sqrt()  # mean over the two layers
    assert_close(path_lengths(linear_image(A), ws, noise), wanted)

    mean = torch.tensor(0.7, requires_grad=True)
    penalty, after = path_length(linear_image(A), ws, noise, mean, decay=0.25)
    target = 0.7 + 0.25 * (wanted.mean() - 0.7)
    assert_close(penalty, (wanted - target).square().mean())
    assert_close(after, target.detach())
    assert not after.requires_grad
    (ours,) = torch.autograd.grad(penalty, A)
    (through,) = torch.autograd.grad((wanted - target).square().mean(), A)  # through the target as well
    assert_close(ours, through)


def test_path_length_reaches_what_ws_came_from():
    z = seeded(3, 8).requires_grad_()
    image = linear_image(seeded(8, 6, seed=1))
    penalty, _ = path_length(lambda ws: image(ws**2), z.view(3, 2, 4), seeded(3, 1, 2, 3, seed=2), torch.tensor(0.0))
    penalty.backward()
    assert z.grad.abs().min() > 0


def test_path_length_in_float32_under_autocast():
    image, ws, noise = linear_image(seeded(8, 6)), seeded(3, 2, 4, seed=1), seeded(3, 1, 2, 3, seed=2)
    with torch.autocast("cpu", torch.bfloat16):
        inside = path_lengths(image, ws, noise)
    assert_close(inside, path_lengths(image, ws, noise), rtol=0, atol=0)
