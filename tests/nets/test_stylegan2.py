"""StyleGAN2's networks: counts and numbers of the authors' own networks, and the laws of each part."""

from __future__ import annotations

import math

import pytest
import torch
from fingerprint import count, features, fill, normal
from torch import Tensor
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets.stylegan2 import Discriminator, Generator, SynthesisLayer, ToRGB
from ganvas.nets.stylegan2_parts import Mapping, minibatch_std, mix_styles, truncate
from ganvas.ops.derivative import input_gradient
from ganvas.ops.equalised import EqualConv2d
from ganvas.penalties import path_length, path_lengths, r1_penalty

CONDITIONS = {
    "none": {}, "h": {"dim_h": 2048}, "ch": {"num_classes": 1000, "dim_h": 2048}, "c": {"num_classes": 1000},
}  # fmt: skip

# resolution, condition: G and D with base 16384 and 2 mapping layers; G and D with base 32768 and 8 layers
COUNTS = {
    (64, "none"): (22_243_608, 23_407_361, 27_032_600, 26_488_833),
    (64, "h"): (23_554_840, 26_819_840, 28_343_832, 29_901_312),
    (64, "ch"): (24_329_496, 27_594_496, 29_118_488, 30_675_968),
    (64, "c"): (23_018_264, 26_283_264, 27_807_256, 29_364_736),
    (128, "none"): (22_949_277, 23_882_369, 29_328_669, 28_389_121),
    (128, "h"): (24_260_509, 27_294_848, 30_639_901, 31_801_600),
    (128, "ch"): (25_035_165, 28_069_504, 31_414_557, 32_576_256),
    (128, "c"): (23_723_933, 26_758_272, 30_103_325, 31_265_024),
    (256, "none"): (23_191_522, 24_001_089, 30_034_338, 28_864_129),
    (256, "h"): (24_502_754, 27_413_568, 31_345_570, 32_276_608),
    (256, "ch"): (25_277_410, 28_188_224, 32_120_226, 33_051_264),
    (256, "c"): (23_966_178, 26_876_992, 30_808_994, 31_740_032),
    (512, "none"): (23_284_999, 24_030_753, 30_276_583, 28_982_849),
    (1024, "none"): (None, None, 30_370_060, 29_012_513),
}


@pytest.mark.parametrize(("resolution", "condition"), COUNTS)
def test_parameter_counts(resolution, condition):
    wanted = COUNTS[resolution, condition]
    for base, layers, (G_count, D_count) in ((16384, 2, wanted[:2]), (32768, 8, wanted[2:])):
        if G_count is not None:
            with torch.device("meta"):
                G = Generator(resolution, layers=layers, channel_base=base, **CONDITIONS[condition])
                D = Discriminator(resolution, channel_base=base, **CONDITIONS[condition])
            assert (count(G.parameters()), count(D.parameters())) == (G_count, D_count)


def test_mapping_counts():
    with torch.device("meta"):
        wanted = {"none": 525_312, "h": 1_836_544, "ch": 2_611_200}
        for condition, number in wanted.items():
            assert count(Mapping(512, 512, layers=2, num_ws=10, **CONDITIONS[condition]).parameters()) == number
        for condition, number in {"h": 3_150_336, "ch": 3_924_992}.items():
            assert count(Mapping(0, 512, **CONDITIONS[condition]).parameters()) == number


# ---- the authors' numbers: weights by recipe, 32 pixels, width 64 -------------------------------------------------

SMALL = {"resolution": 32, "channel_base": 1024, "channel_max": 64}
# G and D counts, G and D keys; w[0, 0, :3]; mean and std of x; x[0, :, 10, 20]; D(x); R1 and path length by sample
PRINTS = {
    "none": (
        (263_987, 288_993, 75, 37), (-0.70888, -0.737013, 4.36797), (-0.307585, 1.43351),
        (1.25736, -3.98032, -0.782124), (0.229333, 0.00170467, 0.00765734, 0.263099),
        (0.0017116, 0.0017977, 0.001605, 0.001471), (1.3252, 1.4445, 0.98465, 1.1185),
    ),
    "h": (
        (399_219, 457_504, 77, 55), (2.53679, -0.592189, -0.0406351), (1.00932, 2.01237),
        (3.21229, 1.48014, 0.285075), (-6.86644, -5.45585, -7.51618, -7.53013),
        (0.039075, 0.040717, 0.052716, 0.047471), (1.3058, 1.6211, 0.85872, 1.1555),
    ),
    "ch": (
        (404_019, 462_304, 79, 57), (-0.124076, 0.686767, 1.74276), (0.742414, 1.54959),
        (0.748699, 0.175968, 0.823791), (-5.50347, -4.4259, -11.1276, -5.7454),
        (0.058584, 0.029416, 0.08186, 0.096113), (1.5709, 1.7245, 1.0216, 1.1059),
    ),
    "c": (
        (268_787, 327_072, 77, 55), (2.70837, -0.808751, -0.531218), (0.623302, 2.21729),
        (4.19754, 0.145473, 2.3696), (-4.16986, -6.41129, -5.83969, -4.29383),
        (0.022004, 0.023869, 0.051254, 0.028786), (1.4019, 2.1227, 1.2277, 1.1913),
    ),
}  # fmt: skip


def exception(key: str, drawn: Tensor, old: Tensor) -> Tensor:
    if key.endswith("resample_filter"):
        return old
    if key.endswith("w_avg"):
        return torch.zeros_like(drawn)
    if key.endswith("noise_strength"):
        return torch.full_like(drawn, 0.1)
    if "mapping.fc" in key:
        return drawn * 100
    if key.endswith("affine.bias"):
        return drawn * 0.1 + 1
    return drawn * 0.1 if key.endswith("bias") else drawn


@pytest.mark.parametrize("condition", PRINTS)
def test_the_authors_numbers(condition):
    counts, w, moments, pixel, scores, r1, lengths = PRINTS[condition]
    kwargs = dict(CONDITIONS[condition], **({"num_classes": 10} if "c" in condition else {}))
    G, D = Generator(dim_z=64, dim_w=64, layers=2, **SMALL, **kwargs), Discriminator(**SMALL, **kwargs)
    assert (count(G.parameters()), count(D.parameters()), fill(G, exception), fill(D, exception)) == counts
    # In float64, for in float32 a kink of lrelu may fall on its other side on another processor.
    G, D = G.double(), D.double()
    z, y, h = normal(1, (4, 64)).double(), torch.tensor([3, 7, 1, 3]), features(2, 4).double()

    def agrees(ours: Tensor, theirs: tuple[float, ...] | float) -> None:
        assert_close(ours.detach().float(), torch.tensor(theirs), rtol=1e-4, atol=1e-6)

    ws = G.mapping(z, y, h)
    noise = G.synthesis.constant_noise()
    x = G(z, y, h, noise)
    agrees(ws[0, 0, :3], w)
    agrees(torch.stack([x.mean(), x.std()]), moments)
    agrees(x[0, :, 10, 20], pixel)
    agrees(D(x, y, h)[:, 0], scores)

    gradient = input_gradient(lambda x: D(x, y, h), x.detach(), create_graph=False)
    agrees(gradient.square().sum((1, 2, 3)), r1)
    agrees(r1_penalty(D, x, y, h), sum(r1) / 4)

    projection = normal(3, x.shape).double()
    agrees(path_lengths(lambda ws: G.synthesis(ws, noise), ws, projection), lengths)
    penalty, mean = path_length(lambda ws: G.synthesis(ws, noise), ws, projection, torch.tensor(0.5).double())
    target = 0.99 * 0.5 + 0.01 * sum(lengths) / 4
    agrees(mean, target)
    agrees(penalty, sum((length - target) ** 2 for length in lengths) / 4)
    penalty.backward()
    assert all(p.grad is not None for p in G.mapping.parameters())


# ---- each part ----------------------------------------------------------------------------------------------------


def small(**kwargs) -> Generator:
    torch.manual_seed(0)
    return Generator(16, 6, 5, channel_base=64, channel_max=8, **kwargs)


def test_shapes_and_sizes():
    G, D = small(channels=1, layers=3), Discriminator(16, channels=1, channel_base=64, channel_max=8)
    assert G.synthesis.noise_sizes == [4, 8, 8, 16, 16]
    assert [tuple(n.shape) for n in G.synthesis.constant_noise()] == [(1, 1, s, s) for s in G.synthesis.noise_sizes]
    ws = G.mapping(torch.randn(3, 6))
    assert ws.shape == (3, 6, 5)
    assert G.synthesis(ws).shape == (3, 1, 16, 16)
    assert D(G.synthesis(ws)).shape == (3, 1)
    with pytest.raises(InputError, match="power of two"):
        Generator(24)
    with pytest.raises(ValueError, match="5: of"):
        G.synthesis(ws, G.synthesis.constant_noise()[1:])


def test_a_fresh_network_keeps_unit_scale():
    """He's constants and gains: activations neither grow nor die, so an image of a fresh G has a moderate spread."""
    torch.manual_seed(0)
    G = Generator(32, 64, 64, channel_base=1024, channel_max=64)
    D = Discriminator(32, channel_base=1024, channel_max=64)
    x = G(torch.randn(4, 64))
    assert 0.3 < x.std() < 4
    assert 0.1 < D(torch.randn(4, 3, 32, 32)).abs().mean() < 4


def test_noise_is_handed_in_and_nothing_is_drawn():
    G, z = small(), torch.randn(2, 6, generator=torch.Generator().manual_seed(1))
    none, constant = G(z), G(z, noise=G.synthesis.constant_noise())
    assert_close(none, constant)  # strengths are born at 0
    for layer in ("b4.conv1", "b8.conv0", "b16.conv1"):
        torch.nn.init.constant_(G.synthesis.get_submodule(layer).noise_strength, 1.0)
    before = torch.get_rng_state()
    assert torch.equal(G(z), none)
    noisy = G(z, noise=G.synthesis.constant_noise())
    assert torch.equal(torch.get_rng_state(), before)
    assert (noisy - none).abs().mean() > 0.01
    with torch.no_grad():
        fresh = G(z, noise=[torch.randn(2, 1, s, s) for s in G.synthesis.noise_sizes])
    assert (fresh - noisy).abs().mean() > 0.01


def test_every_layer_reads_its_own_w():
    """Layer by layer: b4 has conv1 and RGB, every later block conv0, conv1, RGB, and RGB shares with the next conv0."""
    G = small()
    ws = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0))
    reads: dict[str, int] = {}
    for name, module in G.synthesis.named_modules():
        if name.endswith("affine"):

            def hook(_, given, name=name):
                reads[name.removesuffix(".affine")] = next(i for i in range(6) if torch.equal(given[0], ws[:, i]))

            module.register_forward_pre_hook(hook)
    G.synthesis(ws)
    assert reads == {
        "b4.conv1": 0, "b4.torgb": 1, "b8.conv0": 1, "b8.conv1": 2, "b8.torgb": 3, "b16.conv0": 3, "b16.conv1": 4,
        "b16.torgb": 5,
    }  # fmt: skip


def test_truncation():
    G, z = small(), torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    ws = G.mapping(z)
    G.mapping.track(ws, beta=0.0)
    average = G.synthesis(G.mapping.w_avg.expand(3, 6, 5))
    assert_close(G(z, psi=0.0), average)
    assert_close(G(z, psi=1.0), G.synthesis(ws))
    near = truncate(ws, G.mapping.w_avg, 0.5, cutoff=2)
    assert_close(near[:, :2], (ws[:, :2] + G.mapping.w_avg) / 2)
    assert torch.equal(near[:, 2:], ws[:, 2:])
    assert_close(G(z, psi=0.5, cutoff=2), G.synthesis(near))


def test_tracking_is_a_slow_mean_of_the_batch():
    G = small()
    ws = G.mapping(torch.randn(4, 6, generator=torch.Generator().manual_seed(1)))
    assert G.mapping.w_avg.tolist() == [0] * 5  # a forward pass does not move it
    G.mapping.track(ws)
    assert_close(G.mapping.w_avg, 0.005 * ws[:, 0].mean(0).detach())
    G.mapping.track(ws)
    assert_close(G.mapping.w_avg, (0.005 + 0.995 * 0.005) * ws[:, 0].mean(0).detach())


def test_style_mixing():
    a, b = torch.zeros(2, 4, 3), torch.ones(2, 4, 3)
    assert mix_styles(a, b, 1)[:, :, 0].tolist() == [[0, 1, 1, 1]] * 2
    assert torch.equal(mix_styles(a, b, torch.tensor(4)), a)
    assert mix_styles(a, b, torch.tensor([3, 0]))[:, :, 2].tolist() == [[0, 0, 0, 1], [1, 1, 1, 1]]


def test_class_and_features_are_normalised_together():
    torch.manual_seed(0)
    mapping = Mapping(0, 5, num_classes=3, dim_h=7, layers=1)
    y, h = torch.tensor([2, 0]), torch.randn(2, 7)
    table = mapping.embed.weight.t()[y] / math.sqrt(3)  # a one-hot vector picks a column
    both = torch.cat([table, h @ mapping.embed_feats.weight.t() / math.sqrt(7)], 1)
    wanted = both / (both.square().mean(1, keepdim=True) + 1e-8).sqrt()
    assert_close(mapping.condition(y, h), wanted)
    one_hot = torch.nn.functional.one_hot(y, 3).float()
    assert torch.equal(mapping(None, one_hot, h), mapping(None, y, h))
    for y_given, h_given, what in ((None, h, "classes"), (y, None, "features")):
        with pytest.raises(ValueError, match=what):
            mapping(None, y_given, h_given)


def test_minibatch_deviation_by_hand():
    x = torch.arange(8.0).view(8, 1, 1, 1).square().expand(8, 2, 4, 4)
    out = minibatch_std(x, group=4)
    assert out.shape == (8, 3, 4, 4)
    assert torch.equal(out[:, :2], x)
    groups = [[0, 2, 4, 6], [1, 3, 5, 7]]  # sample n is in group n mod 2
    wanted = [x[group, 0, 0, 0].std(correction=0).item() for group in groups] * 4
    assert_close(out[:, 2, 1, 2], torch.tensor(wanted))
    assert_close(minibatch_std(x[:3], group=4)[:, 2, 0, 0], x[:3, 0, 0, 0].std(correction=0).expand(3))
    assert minibatch_std(x[:1]).shape == (1, 3, 4, 4)
    with pytest.raises(InputError, match="batch of 6"):
        minibatch_std(x[:6], group=4)


@pytest.mark.parametrize("condition", ["h", "ch"])
def test_D_sees_whose_features_they_are(condition):
    torch.manual_seed(0)
    D = Discriminator(16, channel_base=64, channel_max=8, dim_h=6, num_classes=3 if "c" in condition else 0)
    x, h, y = torch.randn(4, 3, 16, 16), torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    assert (D(x, y, h) - D(x, y, h.flip(0))).abs().min() > 1e-4


def test_clamp_bounds_every_activation():
    """And the residual gain bounds it further: conv1 stays within 0.5 sqrt(1/2)."""
    G = small(clamp=0.5)
    D = Discriminator(16, channel_base=64, channel_max=8, clamp=0.5)
    largest: dict[str, float] = {}
    for name, module in [*G.named_modules(), *D.named_modules()]:
        if isinstance(module, SynthesisLayer | ToRGB | EqualConv2d):
            module.register_forward_hook(
                lambda _, given, out, name=name: largest.update({name: out.abs().max().item()})
            )
            if module.bias is not None:
                torch.nn.init.constant_(module.bias, 100.0)
    G(torch.randn(2, 6)), D(torch.randn(2, 3, 16, 16))
    assert len(largest) == 8 + 8
    for name, value in largest.items():
        if name.startswith("b") and name.endswith("conv1"):
            assert value == pytest.approx(0.5 * math.sqrt(0.5))
        elif not name.endswith("skip"):
            assert value == 0.5, name


def test_the_group_of_the_minibatch_deviation():
    torch.manual_seed(0)
    two, four = (Discriminator(8, channel_base=32, channel_max=4, group=group) for group in (2, 4))
    four.load_state_dict(two.state_dict())
    x = torch.randn(4, 3, 8, 8)
    assert (two(x) - four(x)).abs().max() > 1e-4
    assert_close(two(x[[0, 2]]), two(x)[[0, 2]])  # sample n is in group n mod 2


def test_what_stays_in_float32_under_autocast():
    G, D = small(), Discriminator(16, channel_base=64, channel_max=8)
    z, x, rgb = torch.randn(2, 6), torch.randn(2, 8, 4, 4), torch.randn(2, 3, 4, 4) + 1000
    ws, noise = [torch.randn(2, 5)] * 3, [None, None]
    block = G.synthesis.b8
    with torch.autocast("cpu", torch.bfloat16):
        w, (features_, image), score = G.mapping(z), block(x, rgb, ws, noise), D.b4(x)
    assert_close(w, G.mapping(z), rtol=0, atol=0)
    assert_close(score, D.b4(x), rtol=0, atol=0)
    assert features_.dtype == torch.bfloat16
    assert image.dtype == torch.float32
    assert (image - block(x, rgb, ws, noise)[1]).abs().max() < 0.5  # bfloat16 knows 1000 to within 4


def test_penalties_reach_every_weight_twice_differentiated():
    torch.manual_seed(0)
    D = Discriminator(8, channel_base=32, channel_max=4, dim_h=3).double()
    x, h = torch.randn(2, 3, 8, 8).double(), torch.randn(2, 3).double()
    r1_penalty(D, x, None, h).backward()
    without = {name for name, p in D.named_parameters() if p.grad is None or not p.grad.abs().sum()}
    # What comes after the minibatch deviation is linear in pieces: its biases move no gradient.
    assert without == {"b4.conv.bias", "b4.fc.bias", "b4.out.bias"}

    G = Generator(8, 3, 4, channel_base=32, channel_max=4).double()
    image, noise = torch.randn(2, 3, 8, 8).double(), G.synthesis.constant_noise()
    weight = G.synthesis.b8.conv0.weight

    def penalty() -> Tensor:
        ws = G.mapping(torch.ones(2, 3).double() * torch.tensor([[1.0], [2.0]]))
        return path_length(lambda ws: G.synthesis(ws, noise), ws, image, torch.tensor(0.3).double())[0]

    (slope,) = torch.autograd.grad(penalty(), weight)
    with torch.no_grad():
        values = []
        for step in (1e-6, -2e-6):
            weight[1, 2, 0, 1] += step
            values.append(penalty())
    assert_close((values[0] - values[1]) / 2e-6, slope[1, 2, 0, 1], rtol=1e-5, atol=1e-8)
