"""Differentiable augmentation: against scipy and the paper's matrices, its ranges and shares, its derivatives."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.ops.augment import GROUPS, POLICY, Transform, apply, compose, draw_ada, draw_diffaugment


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(*shape, dtype=torch.float32):
    return torch.rand(*shape, generator=rng(99), dtype=dtype) * 2 - 1


def row(transform, i):
    fields = {f.name: getattr(transform, f.name) for f in dataclasses.fields(transform)}
    return Transform(**{k: v[i : i + 1] if isinstance(v, torch.Tensor) else v for k, v in fields.items()})


def moved(x, linear, offset=(0.0, 0.0), reflect=True):
    """`apply` of one affine map, output pixel to source, on one image."""
    matrix = torch.tensor([[*linear[0], offset[0]], [*linear[1], offset[1]]], dtype=torch.float32)[None]
    return apply(x[None], Transform(matrix=matrix, reflect=reflect))[0]


# ---- geometry, applied ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(7, 7), (6, 6), (5, 8)])
def test_flips_turns_and_whole_shifts_are_exact_copies(size):
    x = images(3, *size)
    assert torch.equal(moved(x, [(-1, 0), (0, 1)]), x.flip(2))
    assert torch.equal(moved(x, [(-1, 0), (0, -1)]), x.flip(1, 2))
    if size[0] == size[1]:
        # An output pixel right of the centre comes from below it: the picture has turned anticlockwise.
        assert torch.equal(moved(x, [(0, -1), (1, 0)]), x.rot90(1, (1, 2)))
    padded = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (3, 0), (0, 2)), mode="reflect"))
    assert torch.equal(moved(x, [(1, 0), (0, 1)], (2, -3)), padded[:, : size[0], 2:])
    zeros = torch.zeros_like(x)
    zeros[:, 3:, :-2] = x[:, :-3, 2:]
    assert torch.equal(moved(x, [(1, 0), (0, 1)], (2, -3), reflect=False), zeros)


@pytest.mark.parametrize(("reflect", "mode"), [(True, "mirror"), (False, "grid-constant")])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (1.3, -2.6), (-20.4, 9.0)])
def test_any_affine_map_is_scipys(reflect, mode, offset):
    x = images(3, 9, 12)
    angle, zoom = 0.7, 1.6
    linear = [(zoom * math.cos(angle), -math.sin(angle)), (math.sin(angle), 0.8 * math.cos(angle))]
    flipped = np.array(linear)[::-1, ::-1]  # scipy counts rows first
    centre = (np.array(x.shape[1:]) - 1) / 2
    start = centre - flipped @ centre + np.array(offset)[::-1]
    expected = [ndimage.affine_transform(c, flipped, start, order=1, mode=mode) for c in x.double().numpy()]
    result = moved(x, linear, offset, reflect)
    assert_close(result, torch.from_numpy(np.stack(expected)).float(), atol=2e-5, rtol=0)


def test_a_single_row_of_pixels_reflects_into_itself():
    x = images(1, 1, 5)
    assert_close(moved(x, [(1, 0), (0, 1)], (0, 0.3)), x)
    assert torch.equal(moved(x, [(1, 0), (0, 1)], (0, 4)), x)


# ---- colour and boxes, applied ----------------------------------------------------------------------------------


def test_colours_by_hand():
    x = images(2, 4, 3, 5)
    colour = torch.randn(2, 3, 4, generator=rng(1))
    expected = torch.einsum("nij,njhw->nihw", colour[:, :, :3], x[:, :3]) + colour[:, :, 3, None, None]
    result = apply(x, Transform(colour=colour))
    assert_close(result[:, :3], expected)
    assert torch.equal(result[:, 3], x[:, 3])  # alpha


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_contrast_is_about_the_images_own_mean(channels):
    x = images(2, channels, 4, 5)
    result = apply(x, Transform(contrast=torch.tensor([0.5, 1.5])))
    k = min(channels, 3)
    for out, image, gain in zip(result.numpy(), x.numpy(), (0.5, 1.5)):
        mean = image[:k].mean()
        np.testing.assert_allclose(out[:k], (image[:k] - mean) * gain + mean, atol=1e-6)
        np.testing.assert_array_equal(out[k:], image[k:])


def test_boxes_become_zero():
    x = images(2, 3, 5, 6)
    expected = x.clone()
    expected[0, :, 1:3, 0:4] = 0
    result = apply(x, Transform(boxes=torch.tensor([[1.0, -2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0]])))
    assert torch.equal(result, expected)


def test_diffaugments_order_is_colour_contrast_translation_cutout():
    x = images(1, 1, 4, 4)
    drawn = Transform(
        matrix=torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]]),
        colour=torch.tensor([[[1.0, 0.25]]]),
        contrast=torch.tensor([0.5]),
        boxes=torch.tensor([[0.0, 0.0, 2.0, 2.0]]),
    )
    image = x + 0.25
    image = (image - image.mean()) * 0.5 + image.mean()
    expected = torch.cat([image[..., 1:], torch.zeros(1, 1, 4, 1)], 3)  # the border is 0, not 0.25
    expected[..., :2, :2] = 0
    assert_close(apply(x, drawn), expected)


def test_paint_and_reflected_geometry_commute():
    """Why one order serves both pipelines."""
    x, drawn = images(8, 3, 6, 6), draw_ada(8, 3, 6, 6, rng(4), 1.0)
    paint, move = dataclasses.replace(drawn, matrix=None), dataclasses.replace(drawn, colour=None)
    assert_close(apply(apply(x, move), paint), apply(x, drawn), atol=1e-5, rtol=1e-5)


# ---- what is drawn: DiffAugment ---------------------------------------------------------------------------------


def test_diffaugment_colours():
    """The three numbers of each image, found again from the image alone, in the paper's ranges."""
    n = 2000
    x = images(n, 3, 2, 2)
    drawn = draw_diffaugment(n, 3, 2, 2, rng(), ("color",))
    out = apply(x, drawn)
    mean = {"x": x.mean((1, 2, 3), keepdim=True), "out": out.mean((1, 2, 3), keepdim=True)}
    grey = {"x": x.mean(1, keepdim=True), "out": out.mean(1, keepdim=True)}

    def ratio(a, b):
        return (a * b).flatten(1).sum(1) / (b * b).flatten(1).sum(1)

    brightness = (mean["out"] - mean["x"]).flatten()
    contrast = ratio(grey["out"] - mean["out"], grey["x"] - mean["x"])
    saturation = ratio(out - grey["out"], x - grey["x"]) / contrast
    image = x + brightness.view(-1, 1, 1, 1)
    image = (image - image.mean(1, keepdim=True)) * saturation.view(-1, 1, 1, 1) + image.mean(1, keepdim=True)
    middle = image.mean((1, 2, 3), keepdim=True)
    assert_close(out, (image - middle) * contrast.view(-1, 1, 1, 1) + middle, atol=1e-4, rtol=1e-4)
    for values, low, high in ((brightness, -0.5, 0.5), (saturation, 0.0, 2.0), (contrast, 0.5, 1.5)):
        deciles = torch.quantile((values - low) / (high - low), torch.linspace(0, 1, 11))
        assert_close(deciles, torch.linspace(0, 1, 11), atol=0.04, rtol=0)
    together = torch.corrcoef(torch.stack([brightness, saturation, contrast]))
    assert_close(together, torch.eye(3), atol=0.08, rtol=0)


def test_diffaugment_translations():
    matrix = draw_diffaugment(4000, 3, 32, 12, rng(), ("translation",)).matrix
    assert matrix is not None
    assert torch.equal(matrix[:, :, :2], torch.eye(2).expand(4000, 2, 2))
    for offset, most in ((matrix[:, 0, 2], 2), (matrix[:, 1, 2], 4)):  # 1/8 of width 12, rounded, and of height 32
        values, counts = offset.unique(return_counts=True)
        assert values.tolist() == list(range(-most, most + 1))
        assert_close(counts / 4000, torch.full_like(values, 1 / len(values)), atol=0.02, rtol=0)
    assert abs(torch.corrcoef(matrix[:, :, 2].t())[0, 1]) < 0.05


@pytest.mark.parametrize(("side", "half"), [(8, 4), (6, 3), (5, 3)])
def test_diffaugment_cutouts(side, half):
    """A box of half the side; its centre anywhere, so at the border only part of it is inside."""
    out = apply(torch.ones(4000, 1, side, 1), draw_diffaugment(4000, 1, side, 1, rng(), ("cutout",)))
    rows = (1 - out[:, 0, :, 0]).numpy()
    places = sorted({tuple(np.flatnonzero(r)) for r in rows})
    starts = range(-(half // 2), side + 1 - half % 2 - half // 2)
    assert places == sorted({tuple(i for i in range(s, s + half) if 0 <= i < side) for s in starts})
    counts = np.unique([r.argmax() - max(0, half - int(r.sum())) * (r[0] == 1) for r in rows], return_counts=True)[1]
    np.testing.assert_allclose(counts / 4000, 1 / len(starts), atol=0.03)


def test_diffaugment_draws_the_same_numbers_for_any_policy():
    whole = draw_diffaugment(4, 3, 16, 16, rng(), POLICY)
    for policy, fields in (
        (("color",), ("colour", "contrast")),
        (("translation",), ("matrix",)),
        (("cutout",), ("boxes",)),
    ):
        generator = rng()
        part = draw_diffaugment(4, 3, 16, 16, generator, policy)
        for name in ("matrix", "colour", "contrast", "boxes"):
            assert (getattr(part, name) is not None) == (name in fields)
            if name in fields:
                assert torch.equal(getattr(part, name), getattr(whole, name))
    assert not whole.reflect


# ---- what is drawn: ADA -----------------------------------------------------------------------------------------


def papers_matrix(i, coins, u, normal, p, height, width):
    """Appendix B step by step in homogeneous coordinates: the operations in order, then inverted."""

    def rotate(angle):
        return np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])

    def shift(dx, dy):
        return np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]])

    rotation = 1 - math.sqrt(1 - p)
    operations = [
        (p, np.diag([1 - 2 * math.floor(2 * u[0, i]), 1, 1])),
        (p if height == width else 0, rotate(-math.pi / 2 * math.floor(4 * u[1, i]))),
        (p, shift(round((u[2, i] / 4 - 0.125) * width), round((u[3, i] / 4 - 0.125) * height))),
        (p, np.diag([2 ** (0.2 * normal[0, i]), 2 ** (0.2 * normal[0, i]), 1])),
        (rotation, rotate(-(2 * u[4, i] - 1) * math.pi)),
        (p, np.diag([2 ** (0.2 * normal[1, i]), 2 ** (-0.2 * normal[1, i]), 1])),
        (rotation, rotate(-(2 * u[5, i] - 1) * math.pi)),
        (p, shift(0.125 * normal[2, i] * width, 0.125 * normal[3, i] * height)),
    ]
    g = np.eye(3)
    for k, (probability, operation) in enumerate(operations):
        g = operation @ g if coins[k, i] < probability else g
    return np.linalg.inv(g)[:2]


def papers_colours(i, coins, u, normal, p):
    """The same for the colours, as a 3 x 4 map."""
    v = np.ones(3) / math.sqrt(3)
    grey, cross = np.outer(v, v), np.cross(v, np.eye(3)).T
    angle = (2 * u[7, i] - 1) * math.pi
    linear, offset = np.eye(3), np.zeros(3)
    if coins[8, i] < p:
        offset = offset + 0.2 * normal[4, i]
    for k, operation in (
        (9, np.eye(3) * 2 ** (0.5 * normal[5, i])),
        (10, np.eye(3) - 2 * grey * math.floor(2 * u[6, i])),
        (11, grey + math.cos(angle) * (np.eye(3) - grey) + math.sin(angle) * cross),
        (12, grey + (np.eye(3) - grey) * 2 ** normal[6, i]),
    ):
        if coins[k, i] < p:
            linear, offset = operation @ linear, operation @ offset
    return np.concatenate([linear, offset[:, None]], 1)


@pytest.mark.parametrize("size", [(16, 16), (16, 24)])
@pytest.mark.parametrize("p", [0.4, 1.0])
def test_ada_is_the_papers_appendix(size, p):
    n = 60
    drawn = draw_ada(n, 3, *size, rng(), p)
    source = rng()
    coins, u = torch.rand(13, n, generator=source).numpy(), torch.rand(8, n, generator=source).numpy()
    normal = torch.randn(7, n, generator=source).numpy()
    matrix = np.stack([papers_matrix(i, coins, u, normal, p, *size) for i in range(n)])
    colour = np.stack([papers_colours(i, coins, u, normal, p) for i in range(n)])
    np.testing.assert_allclose(drawn.matrix, matrix, atol=1e-4)
    np.testing.assert_allclose(drawn.colour, colour, atol=1e-4)
    assert drawn.reflect


def shares(flags, *expected):
    measured = torch.stack([flag.float().mean() for flag in flags])
    assert_close(measured, torch.tensor(expected), atol=0.025, rtol=0)


def test_shares_and_sizes_of_blits():
    n, p = 6000, 0.6
    matrix = draw_ada(n, 3, 64, 64, rng(), p, ("blit",)).matrix
    assert matrix is not None
    linear, offset = matrix[:, :, :2], matrix[:, :, 2]
    assert set(linear.flatten().tolist()) == {-1.0, 0.0, 1.0}
    # Half of the flips and a quarter of the turns drawn are none; shifts are -8 to 8, and two zeros are rare.
    shares([torch.linalg.det(linear) < 0], p / 2)
    shares([linear[:, 0, 0] == 0], p / 2)
    shares([offset.abs().sum(1) > 0], p * (1 - 1 / 16**2))
    assert torch.equal(offset, offset.round())
    assert offset.abs().max() == 8
    only_shift = draw_ada(n, 3, 64, 32, rng(), 1.0, ("blit",)).matrix
    assert only_shift is not None
    assert only_shift[:, :, 2].abs().amax(0).tolist() == [4.0, 8.0]
    assert not only_shift[:, 0, 1].any()  # no quarter turn of an oblong image


def test_shares_and_sizes_of_geometry():
    n, p = 6000, 0.6
    matrix = draw_ada(n, 3, 32, 64, rng(), p, ("geometry",)).matrix
    assert matrix is not None
    linear, offset = matrix[:, :, :2], matrix[:, :, 2]
    axes = torch.linalg.svdvals(linear)
    zoom, stretch = axes.prod(1).log2() / 2, (axes[:, 0] / axes[:, 1]).log2() / 2
    stretched = stretch > 1e-4
    turned = linear[:, 0, 1].abs() > 1e-4
    shares([zoom.abs() > 1e-5, stretched, offset.abs().sum(1) > 0], p, p, p)
    shares([turned[~stretched]], p)  # either rotation
    shift = torch.linalg.solve(linear, offset) / torch.tensor([64.0, 32.0])
    some = shift[shift.abs().sum(1) > 0]
    assert_close(some.std(0), torch.full((2,), 0.125), atol=0.006, rtol=0)
    assert_close(zoom[zoom.abs() > 1e-5].square().mean().sqrt(), torch.tensor(0.2), atol=0.01, rtol=0)
    assert_close(stretch[stretched].square().mean().sqrt(), torch.tensor(0.2), atol=0.01, rtol=0)
    alone = linear[~stretched & turned]
    angle = torch.atan2(alone[:, 1, 0], alone[:, 0, 0])
    assert_close(
        torch.quantile(angle / math.pi, torch.tensor([0.25, 0.5, 0.75])),
        torch.tensor([-0.5, 0.0, 0.5]),
        atol=0.07,
        rtol=0,
    )


def test_shares_and_sizes_of_colours():
    n, p = 6000, 0.6
    colour = draw_ada(n, 3, 4, 4, rng(), p, ("color",)).colour
    assert colour is not None
    v = torch.ones(3) / math.sqrt(3)
    linear, offset = colour[:, :, :3].double(), colour[:, :, 3].double()
    v = v.double()
    along = torch.einsum("i,nij,j->n", v, linear, v)  # +- contrast
    contrast, brightness = along.abs().log2(), offset[:, 0] / along
    plane = (linear - along.view(-1, 1, 1) * torch.outer(v, v)) / along.abs().view(-1, 1, 1)
    e = torch.tensor([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]).double()
    e = e / e.norm(dim=1, keepdim=True)
    inside = torch.einsum("ai,nij,bj->nab", e, plane, e)
    saturation, hue = torch.linalg.det(inside).log2() / 2, torch.atan2(inside[:, 1, 0], inside[:, 0, 0])
    flags = [value.abs() > 1e-5 for value in (brightness, contrast, saturation, hue)]
    shares([*flags, along < 0], p, p, p, p, p / 2)
    for value, size in ((brightness, 0.2), (contrast, 0.5), (saturation, 1.0), (hue, math.pi / math.sqrt(3))):
        some = value[value.abs() > 1e-5]
        assert_close(some.std(), torch.tensor(size).double(), atol=0, rtol=0.04)


def test_grey_images_have_neither_hue_nor_saturation():
    colour = draw_ada(3000, 1, 4, 4, rng(), 1.0, ("color",)).colour
    assert colour is not None
    rgb = draw_ada(3000, 3, 4, 4, rng(), 1.0, ("color",)).colour
    assert colour.shape == (3000, 1, 2)
    assert rgb is not None
    # What the RGB map does to a grey pixel g (1, 1, 1), any g.
    assert_close(colour[:, 0, 0], rgb[:, 0, :3].sum(1), atol=1e-5, rtol=1e-5)
    assert_close(colour[:, 0, 1], rgb[:, 0, 3], atol=1e-5, rtol=1e-5)


def test_what_happens_at_p_happens_at_any_higher_p():
    generators = [rng(), rng(), rng()]
    low, high, sure = (draw_ada(500, 3, 8, 8, g, p).colour for g, p in zip(generators, (0.3, 0.7, 1.0)))
    assert low is not None
    assert high is not None
    assert sure is not None
    brighter = [c[:, 0, 3] != 0 for c in (low, high, sure)]
    assert (brighter[0] <= brighter[1]).all()
    assert brighter[0].sum() < brighter[1].sum() < brighter[2].sum() == 500
    assert torch.equal(generators[0].get_state(), generators[2].get_state())


def test_a_group_draws_the_same_numbers_alone():
    whole = draw_ada(20, 3, 8, 8, rng(), 0.5)
    blit, geometry, color = (draw_ada(20, 3, 8, 8, rng(), 0.5, (group,)) for group in GROUPS)
    assert whole.matrix is not None
    assert blit.matrix is not None
    assert geometry.matrix is not None
    assert torch.equal(color.colour, whole.colour)
    assert color.matrix is None
    assert blit.colour is None
    assert_close(compose(blit.matrix, geometry.matrix), whole.matrix)


def test_the_probability_may_be_a_buffer():
    x = images(30, 3, 8, 8)
    expected = apply(x, draw_ada(30, 3, 8, 8, rng(), 0.3))
    assert torch.equal(apply(x, draw_ada(30, 3, 8, 8, rng(), torch.tensor(0.3))), expected)
    above = draw_ada(30, 3, 8, 8, rng(), torch.tensor(1.7))  # the feedback may overshoot
    assert torch.equal(apply(x, above), apply(x, draw_ada(30, 3, 8, 8, rng(), 1.0)))


# ---- laws -------------------------------------------------------------------------------------------------------

DRAWS = {
    "diffaugment": lambda n, c, h, w: draw_diffaugment(n, c, h, w, rng(7)),
    "ada": lambda n, c, h, w: draw_ada(n, c, h, w, rng(7), 0.8),
}


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_probability_zero_is_the_identity_bit_by_bit(channels, dtype):
    x = images(6, channels, 5, 7).to(dtype)
    x[0, 0, 0, :2] = torch.tensor([-0.0, 0.0])
    result = apply(x, draw_ada(6, channels, 5, 7, rng(), 0.0))
    view = {torch.float32: torch.int32, torch.bfloat16: torch.int16}[dtype]
    assert torch.equal(result.view(view), x.view(view))


def test_a_row_of_identities_keeps_its_bits_beside_others():
    x, drawn = images(2, 3, 5, 5), draw_diffaugment(2, 3, 5, 5, rng())
    x[0, 0, 0, :2] = torch.tensor([-0.0, 0.0])
    identity = {
        "matrix": torch.eye(2, 3),
        "colour": torch.eye(3, 4),
        "contrast": torch.tensor(1.0),
        "boxes": torch.zeros(4),
    }
    half = Transform(**{k: torch.stack([v, getattr(drawn, k)[1]]) for k, v in identity.items()})
    result = apply(x, half)
    assert torch.equal(result[0].view(torch.int32), x[0].view(torch.int32))
    assert torch.equal(result[1], apply(x, drawn)[1])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (5, 3, 6, 10), (5, 4, 9, 9)])
def test_rows_do_not_see_each_other(draw, shape):
    x, drawn = images(*shape), draw(*shape)
    result = apply(x, drawn)
    assert result.shape == x.shape
    assert (result != x).flatten(1).any(1).all()
    for i in range(5):
        assert_close(apply(x[i : i + 1], row(drawn, i))[0], result[i])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_twice_differentiable(draw):
    x, drawn = images(2, 4, 3, 4, dtype=torch.float64).requires_grad_(), draw(2, 4, 3, 4)
    assert torch.autograd.gradcheck(lambda x: apply(x, drawn), x)
    assert torch.autograd.gradgradcheck(lambda x: apply(x, drawn).tanh(), x)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_a_penalty_reaches_through_it(draw):
    """R1 on images before augmentation: the gradient of |d D(T(x)) / dx|^2 by D's weights, against finite numbers."""
    x, drawn = images(2, 3, 4, 4, dtype=torch.float64).requires_grad_(), draw(2, 3, 4, 4)
    weight = torch.randn(48, 1, generator=rng(3), dtype=torch.float64).requires_grad_()

    def penalty(weight):
        score = (apply(x, drawn).flatten(1) @ weight).tanh().sum()
        return torch.autograd.grad(score, x, create_graph=True)[0].square().sum()

    assert torch.autograd.gradcheck(penalty, weight)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_computed_in_float32_under_autocast(draw):
    x, drawn = images(4, 3, 8, 8), draw(4, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        inside = apply(x, drawn)
    assert torch.equal(inside, apply(x, drawn))
    low = x.bfloat16()
    result = apply(low, drawn)
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, apply(low.float(), drawn).bfloat16())


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_memory_format_changes_nothing(draw):
    x, drawn = images(4, 3, 8, 6), draw(4, 3, 8, 6)
    assert_close(apply(x.to(memory_format=torch.channels_last), drawn), apply(x, drawn))


def test_nothing_touches_the_global_random_state():
    state = torch.get_rng_state()
    for draw in DRAWS.values():
        apply(images(2, 3, 4, 4), draw(2, 3, 4, 4))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="colour"):
        draw_diffaugment(1, 3, 8, 8, rng(), ("colour",))
    with pytest.raises(InputError, match="empty"):
        draw_ada(1, 3, 8, 8, rng(), 0.5, ())
    with pytest.raises(InputError, match=r"1\.5"):
        draw_ada(1, 3, 8, 8, rng(), 1.5)
    for draw in DRAWS.values():
        with pytest.raises(InputError, match="2 channels"):
            draw(1, 2, 8, 8)
