"""BigGAN with instance features (IC-GAN): counts, and numbers of the authors' own networks."""

from __future__ import annotations

import pytest
import torch
from fingerprint import count, features, fill, normal
from torch import Tensor
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets.biggan import Discriminator, Generator

UNUSED_TABLE = 1000 * 128  # the authors' network without classes still has its class table; ours has not

# resolution, ch: G and D with features alone (IC), G and D with both (cc), buffers of IC's G and D
COUNTS = {
    (64, 64): (36_655_876, 21_646_018, 37_868_292, 21_108_930, 42_342, 7_110),
    (64, 96): (76_882_308, 47_123_234, 78_700_932, 46_317_602, 63_238, 10_654),
    (128, 48): (22_271_076, 23_189_330, 23_217_252, 22_786_514, 32_357, 6_876),
    (128, 64): (36_812_420, 40_522_434, 38_073_988, 39_985_346, 42_957, 9_160),
    (128, 96): (77_160_132, 89_593_634, 79_052_484, 88_788_002, 64_157, 13_728),
    (256, 48): (25_861_956, 26_000_786, 27_004_740, 25_597_970, 36_756, 8_115),
    (256, 64): (42_860_804, 45_520_066, 44_384_516, 44_982_978, 48_820, 10_811),
    (256, 96): (90_014_340, 100_837_154, 92_299_908, 100_031_522, 72_948, 16_203),
}
# the same networks with classes alone
BASELINES = {
    (64, 64): (31_969_540, 20_571_842),
    (128, 48): (18_383_460, 22_383_698),
    (128, 64): (31_978_628, 39_448_258),
    (128, 96): (70_433_988, 87_982_370),
    (256, 48): (21_384_516, 25_195_154),
    (256, 64): (37_240_580, 44_445_890),
}


def on_meta(resolution: int, ch: int, **kwargs) -> tuple[Generator, Discriminator]:
    kwargs |= {"ch": ch, "attention": (32,) if resolution == 64 else (64,)}
    with torch.device("meta"):
        G = Generator(resolution, dim_z=119 if resolution == 256 else 120, **kwargs)
        return G, Discriminator(resolution, **kwargs)


@pytest.mark.parametrize(("resolution", "ch"), COUNTS)
def test_parameter_counts(resolution, ch):
    wanted = COUNTS[resolution, ch]
    IC, cc = (on_meta(resolution, ch, num_classes=classes, dim_h=2048) for classes in (0, 1000))
    assert count(IC[0].parameters()) + UNUSED_TABLE == wanted[0]
    assert count(IC[1].parameters()) == wanted[1]
    assert tuple(count(network.parameters()) for network in cc) == wanted[2:4]
    assert tuple(count(network.buffers()) for network in IC) == wanted[4:]
    assert count(IC[0].shared_feat.parameters()) == 1_049_088


@pytest.mark.parametrize(("resolution", "ch"), BASELINES)
def test_counts_without_features(resolution, ch):
    assert tuple(count(network.parameters()) for network in on_meta(resolution, ch)) == BASELINES[resolution, ch]


# ---- the authors' numbers: weights by recipe, 64 pixels, ch 8, 10 classes -----------------------------------------

# G and D counts and keys; eval: mean and std of x, x[0, :, 10, 20], D(x); train: mean and std of x, D(x)
PRINTS = {
    0: (
        (2_205_860, 568_682, 142, 81), (0.318978, 0.913100), (0.977189, 0.964388, -0.904706), (336.444, 335.096),
        (-0.107344, 0.471400), (351.011, 350.633),
    ),
    10: (
        (2_357_412, 438_186, 142, 84), (-0.194590, 0.792799), (0.690149, 0.794228, -0.998651), (227.114, 208.929),
        (-0.115493, 0.499541), (198.007, 207.667),
    ),
}  # fmt: skip


def exception(key: str, drawn: Tensor, old: Tensor) -> Tensor:
    if key.endswith("stored_mean"):
        return torch.zeros_like(drawn)
    if key.endswith(("stored_var", "sv0")) or key == "output_layer.0.gain":
        return torch.ones_like(drawn)
    return torch.full_like(drawn, 0.5) if key.endswith(".gamma") else drawn


@pytest.mark.parametrize("classes", PRINTS)
def test_the_authors_numbers(classes):
    counts, moments, pixel, scores, train_moments, train_scores = PRINTS[classes]
    kwargs = {"ch": 8, "attention": (32,), "num_classes": classes, "dim_h": 2048, "sn_eps": 1e-6}
    G = Generator(64, dim_z=120, bn_eps=1e-5, final_bn_eps=1e-5, **kwargs)
    D = Discriminator(64, **kwargs)
    absent = [] if classes else ["shared.weight"]
    table = 0 if classes else 10 * 128
    keys = fill(G, exception, also=absent), fill(D, exception)
    assert (count(G.parameters()) + table, count(D.parameters()), *keys) == counts
    G, D = G.double(), D.double()  # the same on every processor
    z, h, y = normal(1, (2, 120)).double(), features(2, 2).double(), torch.tensor([3, 7]) if classes else None

    def agrees(ours: Tensor, theirs: tuple[float, ...]) -> None:
        assert_close(ours.detach().float(), torch.tensor(theirs), rtol=1e-4, atol=1e-6)

    def image() -> Tensor:
        return G(z, G.shared(y), G.shared_feat(h))

    G.eval(), D.eval()
    x = image()
    agrees(torch.stack([x.mean(), x.std()]), moments)
    agrees(x[0, :, 10, 20], pixel)
    agrees(D(x, y, h)[:, 0], scores)
    G.train(), D.train()
    x = image()
    agrees(torch.stack([x.mean(), x.std()]), train_moments)
    agrees(D(x, y, h)[:, 0], train_scores)
    agrees(G.linear.sv0, (46.6149,))
    agrees(G.linear.u0[0, :3], (0.00262923, 0.0162787, 0.0182578))


def test_D_sees_whose_features_they_are():
    torch.manual_seed(0)
    for classes in (0, 3):
        D = Discriminator(8, 4, classes, attention=(), dim_h=6).eval()
        x, h, y = torch.randn(3, 3, 8, 8), torch.randn(3, 6), torch.tensor([0, 1, 2])
        assert (D(x, y, h) - D(x, y, h.roll(1, 0))).abs().min() > 1e-5


def test_G_hears_features_class_and_noise():
    torch.manual_seed(0)
    G = Generator(8, 4, 4, num_classes=3, attention=(), shared_dim=5, dim_h=6, shared_dim_feat=2).eval()
    z, y, h = torch.randn(2, 4), torch.tensor([0, 1]), torch.randn(2, 6)
    x = G(z, G.shared(y), G.shared_feat(h))
    assert (x - G(z, G.shared(y.flip(0)), G.shared_feat(h))).abs().max() > 1e-4
    assert (x - G(z, G.shared(y), G.shared_feat(h.flip(0)))).abs().max() > 1e-4
    assert G.blocks[0][0].bn1.gain.weight.shape == (16, 5 + 2 + 2)  # [class, features, chunk of z]


def test_without_features_nothing_is_added():
    torch.manual_seed(0)
    G, D = Generator(8, 4, 4, 3, attention=(), shared_dim=5), Discriminator(8, 4, 3, attention=())
    assert not any("feat" in key for key in [*G.state_dict(), *D.state_dict()])
    assert G.shared_feat(None) is None


def test_dim_z_of_256_pixels_and_tables_beside_features_are_refused():
    with pytest.raises(InputError, match="use 119"):
        Generator(256, dim_z=120)
    with pytest.raises(InputError, match="instance features"):
        Generator(8, dim_z=4, hier=False, shared_dim=0, num_classes=3, attention=(), dim_h=6)
