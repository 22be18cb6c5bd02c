"""Parameter counts to the last digit, on the meta device: those of the authors' networks and, rounded, of the papers.

The counts were taken from BigGAN-PyTorch and pytorch-pretrained-BigGAN themselves.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganvas.nets import biggan, biggan_deep


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build(kind, *args, **kwargs) -> int:
    with torch.device("meta"):
        return count(kind(*args, **kwargs))


@pytest.mark.parametrize(
    ("resolution", "ch", "dim_z", "attention_G", "attention_D", "G", "D"),
    [
        (32, 64, 120, (), (), 4_485_635, 4_460_801),
        (64, 64, 120, (32,), (32,), 31_969_540, 20_571_842),
        (64, 64, 120, (64,), (), 31_908_100, 20_566_721),
        (128, 64, 120, (64,), (64,), 31_978_628, 39_448_258),
        (256, 64, 140, (128,), (64,), 37_264_004, 44_445_890),
        (512, 64, 128, (64,), (64,), 37_327_172, 44_523_906),
        (32, 96, 120, (), (), 9_466_115, 9_836_929),
        (64, 96, 120, (32,), (32,), 70_377_348, 45_511_970),
        (64, 96, 120, (64,), (), 70_239_108, 45_500_449),
        (128, 96, 120, (64,), (64,), 70_433_988, 87_982_370),
        (256, 96, 140, (128,), (64,), 82_097_604, 99_225_890),
        (256, 96, 140, (64,), (64,), 82_235_844, 99_225_890),
        (512, 96, 128, (64,), (64,), 82_296_804, 99_401_282),
        (512, 96, 160, (64,), (64,), 82_468_068, 99_401_282),
    ],
)
def test_biggan(resolution, ch, dim_z, attention_G, attention_D, G, D):
    assert build(biggan.Generator, resolution, ch, dim_z, attention=attention_G) == G
    assert build(biggan.Discriminator, resolution, ch, attention=attention_D) == D


@pytest.mark.parametrize(("ch", "G", "D"), [(64, 4_567_556, 4_788_485), (96, 9_650_436, 10_574_213)])
def test_biggan_32_with_attention_as_the_code_places_it(ch, G, D):
    assert build(biggan.Generator, 32, ch, 120, attention=(16,)) == G
    assert build(biggan.Discriminator, 32, ch, attention=(16,), placement="nominal") == D
    # Where it belongs there is one block of attention, not four.
    one = 2 * (4 * ch) * (4 * ch // 8) + 2 * (4 * ch) * (4 * ch // 2) + 1
    assert build(biggan.Discriminator, 32, ch, attention=(16,)) == D - 3 * one


@pytest.mark.parametrize(
    ("ch", "dim_z", "shared_dim", "G"),
    [
        (64, 128, 0, 42_017_412),
        (96, 128, 0, 85_556_164),
        (64, 120, 128, 33_419_908),
        (96, 120, 128, 72_595_908),
        (96, 128, 128, 72_792_516),
    ],
)
def test_128_pixels_without_z_in_the_blocks(ch, dim_z, shared_dim, G):
    assert build(biggan.Generator, 128, ch, dim_z, shared_dim=shared_dim, hier=False) == G


def test_sngan():
    assert build(biggan.Generator, 128, 64, 128, attention=(), shared_dim=0, hier=False) == 41_996_931
    assert build(biggan.Discriminator, 128, 64, attention=(), wide=False) == 30_005_013


@pytest.mark.parametrize(("classes", "G", "D"), [(10, 4_304_387, 4_207_361), (100, 4_580_867, 4_230_401)])
def test_cifar_script(classes, G, D):
    assert build(biggan.Generator, 32, 64, 128, classes, attention=(), shared_dim=0, hier=False) == G
    assert build(biggan.Discriminator, 32, 64, classes, attention=()) == D


@pytest.mark.parametrize(
    ("attention", "G", "D"),
    [
        ((), 41_996_931, 39_443_137),
        ((64,), 42_017_412, 39_448_258),
        ((32,), 42_078_852, 39_463_618),
        ((16,), 42_324_612, 39_525_058),
        ((8,), 43_307_652, 39_770_818),
    ],
)
def test_sagan_by_place_of_attention(attention, G, D):
    assert build(biggan.Generator, 128, 64, 128, attention=attention, shared_dim=0, hier=False) == G
    assert build(biggan.Discriminator, 128, 64, attention=attention) == D


@pytest.mark.parametrize(
    ("resolution", "ch", "classes", "attention_G", "attention_D", "G", "D"),
    [
        (32, 128, 1000, (), (), 7_561_987, 3_088_129),
        (32, 128, 10, (), (), 7_435_267, 2_581_249),
        (64, 128, 1000, (64,), (), 49_583_876, 20_869_633),
        (64, 128, 1000, (64,), (32,), 49_583_876, 20_951_554),
        (128, 128, 1000, (64,), (64,), 50_244_484, 34_590_210),
        (256, 128, 1000, (64,), (64,), 55_736_708, 38_247_426),
        (32, 64, 1000, (), (), 3_206_019, 905_089),
        (64, 64, 1000, (64,), (), 17_126_788, 5_734_657),
        (128, 64, 1000, (64,), (64,), 17_405_892, 9_166_594),
        (256, 64, 1000, (64,), (64,), 19_238_596, 10_081_794),
    ],
)
def test_biggan_deep(resolution, ch, classes, attention_G, attention_D, G, D):
    kwargs = {"num_classes": classes, "attention": attention_G, "rgb": "bgpt"}
    assert build(biggan_deep.Generator, resolution, ch, 128, **kwargs) == G
    assert build(biggan_deep.Discriminator, resolution, ch, classes, attention=attention_D) == D


@pytest.mark.parametrize(("resolution", "G"), [(128, 50_388_609), (256, 55_880_833), (512, 56_163_905)])
def test_published_deep_generators(resolution, G):
    assert build(biggan_deep.Generator, resolution) == G


def test_deep_discriminator_512():
    assert build(biggan_deep.Discriminator, 512) == 38_301_122
