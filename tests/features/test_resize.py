"""Resizing bit for bit: by formula, by Pillow itself, and by stored numbers of torch-fidelity."""

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.features.resize import RESIZES, clean_bicubic, tf1_bilinear, torch_bilinear

from .test_inception import image_by_recipe


def test_tf1_has_no_half_pixel_shift() -> None:
    ramp = torch.tensor([0, 100, 200], dtype=torch.uint8).expand(1, 1, 1, 3)
    expected = torch.tensor([0.0, 50, 100, 150, 200, 200]).expand(1, 1, 6, 6)  # source = target / 2, the edge repeated
    assert torch.equal(tf1_bilinear(ramp, 6), expected)


def test_tf1_is_torch_fidelitys_to_the_bit() -> None:
    found = tf1_bilinear(image_by_recipe(), 299)
    stored = [[104.0, 21.40244483947754, 111.06324005126953, 208.0]]
    stored += [[135.0, 52.40244674682617, 139.72665405273438, 239.0]]
    stored += [[166.0, 83.4024429321289, 56.621707916259766, 14.0]]
    assert torch.equal(found[0, :, [0, 17, 150, 298], [298, 40, 151, 298]], torch.tensor(stored))
    torch.testing.assert_close(found.double().mean().item(), 121.61523301208626, rtol=1e-12, atol=0)


def test_clean_bicubic_is_pillows_to_the_bit() -> None:
    image = torch.randint(0, 256, (2, 3, 40, 23), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = clean_bicubic(image, 17)
    plane = Image.fromarray(image[1, 2].numpy().astype(np.float32)).resize((17, 17), Image.Resampling.BICUBIC)
    assert torch.equal(found[1, 2], torch.from_numpy(np.array(plane).clip(0, 255)))


@pytest.mark.parametrize("name", sorted(RESIZES))
def test_a_flat_image_stays_flat(name: str) -> None:
    flat = torch.full((1, 3, 9, 9), 77, dtype=torch.uint8)
    size = 9 if name == "none" else 20
    torch.testing.assert_close(RESIZES[name].apply(flat, size), torch.full((1, 3, size, size), 77.0))


def test_antialiasing_tells_the_filters_apart() -> None:
    stripes = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    stripes[..., ::4] = 255
    aliased, clean = torch_bilinear(stripes, 16), clean_bicubic(stripes, 16)
    assert aliased.std() < 1e-3 or abs(float(aliased.mean()) - 63.75) > 20  # it sees only some of the columns
    torch.testing.assert_close(float(clean[..., 2:-2, 2:-2].mean()), 63.75, rtol=0.02, atol=0)
    assert [name for name, resize in RESIZES.items() if resize.antialias] == ["clean_bicubic", "clean_bilinear"]
