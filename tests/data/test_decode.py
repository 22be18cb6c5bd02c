from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from ganvas.data.decode import How, Unreadable, header, look, pixels, plain, quiet_pillow

from .make import noise


def saved(image: Image.Image, form: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, form, **options)
    file.seek(0)
    return file


def decoded(file: io.BytesIO) -> np.ndarray:
    return np.asarray(look(file)[1])


def test_grey_and_rgb_come_through_untouched() -> None:
    for x in (noise(5, 7), noise(5, 7, 3)):
        np.testing.assert_array_equal(decoded(saved(Image.fromarray(x))), x)


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    levels = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16)
    for form in ("PNG", "TIFF"):
        out = decoded(saved(Image.fromarray(levels), form))
        np.testing.assert_array_equal(out, [[0, 0, 1, 128, 255]])


def test_floats_and_32_bit_integers_are_refused() -> None:
    with pytest.raises(Unreadable, match="floating"):
        look(saved(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF"))
    with pytest.raises(Unreadable, match="32-bit"):
        look(saved(Image.fromarray(np.full((2, 2), 70_000, np.int32)), "TIFF"))


def test_one_bit_is_black_and_white() -> None:
    np.testing.assert_array_equal(decoded(saved(Image.fromarray(np.array([[True, False]])))), [[255, 0]])


def test_what_is_transparent_shows_white() -> None:
    x = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], dtype=np.uint8)
    out = decoded(saved(Image.fromarray(x)))
    np.testing.assert_array_equal(out, [[[10, 20, 30], [255, 255, 255], [127, 127, 127]]])
    grey = np.array([[[40, 255], [40, 0]]], dtype=np.uint8)
    np.testing.assert_array_equal(decoded(saved(Image.fromarray(grey))), [[40, 255]])


def test_palettes_with_and_without_a_transparent_entry() -> None:
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    image.putpalette([200, 0, 0, 0, 0, 90])
    np.testing.assert_array_equal(decoded(saved(image)), [[[200, 0, 0], [0, 0, 90]]])
    np.testing.assert_array_equal(decoded(saved(image, transparency=1)), [[[200, 0, 0], [255, 255, 255]]])
    image.putpalette([7, 7, 7, 9, 9, 9])
    assert header(saved(image)).channels == 1
    np.testing.assert_array_equal(decoded(saved(image)), [[7, 9]])


def test_cmyk_becomes_rgb() -> None:
    image = Image.fromarray(np.full((8, 8, 3), (200, 30, 60), dtype=np.uint8)).convert("CMYK")
    out = decoded(saved(image, "JPEG", quality=95))
    assert out.shape == (8, 8, 3)
    np.testing.assert_allclose(out.mean((0, 1)), (200, 30, 60), atol=4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation: int) -> None:
    upright = noise(3, 5)
    undo = [
        lambda x: x, np.fliplr, lambda x: np.rot90(x, 2), np.flipud, np.transpose, np.rot90,
        lambda x: np.rot90(x, 2).T, lambda x: np.rot90(x, -1),
    ][orientation - 1]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(Image.fromarray(np.ascontiguousarray(undo(upright))), exif=exif)
    np.testing.assert_array_equal(decoded(file), upright)
    file.seek(0)
    assert (header(file).height, header(file).width) == (3, 5)


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.fromarray(np.full((4, 4), v, np.uint8)) for v in (10, 200)]
    assert decoded(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])).max() == 10


def test_fit_crop_takes_the_centre() -> None:
    x = np.zeros((4, 8), np.uint8)
    x[:, 2:6] = 200
    out = pixels(Image.fromarray(x), How(4, 1, "crop"))
    np.testing.assert_array_equal(out, np.full((1, 4, 4), 200))


def test_fit_pad_keeps_everything_on_white() -> None:
    out = pixels(Image.fromarray(np.zeros((4, 8), np.uint8)), How(8, 3, "pad"))
    assert out.shape == (3, 8, 8)
    np.testing.assert_array_equal(out[:, 2:6], 0)
    np.testing.assert_array_equal(out[:, [0, 1, 6, 7]], 255)


def test_fit_stretch_uses_all_of_it() -> None:
    x = np.repeat(np.array([[0] * 4 + [255] * 4], np.uint8), 4, axis=0)
    out = pixels(Image.fromarray(x), How(4, 1, "stretch"))[0]
    assert out[:, 0].max() < 30
    assert out[:, 3].min() > 225


def test_shrinking_is_antialiased() -> None:
    """A pattern finer than the target becomes its mean; without antialiasing it would stay black and white."""
    x = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    out = pixels(Image.fromarray(x), How(8, 1))[0, 1:-1, 1:-1]
    np.testing.assert_allclose(out, 127.5, atol=3)


@pytest.mark.parametrize("size", [(24, 17), (9, 12), (5, 4)])
def test_the_filter_is_lanczos_and_what_it_sees_is_what_fit_says(size: tuple[int, int]) -> None:
    """Larger, between and smaller than the target: `preprocessing` promises one filter for all."""
    image = Image.fromarray(noise(*size, seed=1))
    width, height = image.size
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    lanczos = Image.Resampling.LANCZOS
    cut = image.resize((10, 10), lanczos, box=(left, top, left + side, top + side))
    np.testing.assert_array_equal(pixels(image, How(10, 1, "crop"))[0], np.asarray(cut))
    whole = image.resize((10, 10), lanczos)
    np.testing.assert_array_equal(pixels(image, How(10, 1, "stretch"))[0], np.asarray(whole))
    small = image.resize((round(10 * width / max(size)), round(10 * height / max(size))), lanczos)
    padded = pixels(image, How(10, 1, "pad"))[0]
    left, top = (10 - small.width) // 2, (10 - small.height) // 2
    np.testing.assert_array_equal(padded[top : top + small.height, left : left + small.width], np.asarray(small))


def test_channels_come_first_in_the_order_of_the_file() -> None:
    x = noise(4, 4, 3)
    np.testing.assert_array_equal(pixels(Image.fromarray(x), How(4, 3)), x.transpose(2, 0, 1))


def test_colour_to_grey_and_grey_to_colour() -> None:
    x = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    np.testing.assert_array_equal(pixels(Image.fromarray(x), How(2, 1)), np.full((1, 2, 2), 76))  # 0.299 * 255
    np.testing.assert_array_equal(pixels(Image.fromarray(x[..., 0]), How(2, 3)), np.full((3, 2, 2), 255))


def png(width: int, height: int) -> bytes:
    """A PNG whose header promises any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 10_000), (60_000, 60_000)])
def test_decompression_bombs_are_refused_before_they_go_off(size: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet_pillow(), pytest.raises(Unreadable, match="pixels"):
            header(io.BytesIO(png(*size)))


@pytest.mark.parametrize("keep", [0, 4, 60, 0.5, 0.95])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_damaged_files_raise_nothing_but_unreadable(form: str, keep: float) -> None:
    raw = saved(Image.fromarray(noise(40, 40, 3)), form).getvalue()
    cut = raw[: int(keep * len(raw)) if isinstance(keep, float) else keep]
    with quiet_pillow(), pytest.raises(Unreadable) as caught:
        look(io.BytesIO(cut))
    assert "\n" not in str(caught.value)
    assert str(caught.value)


def test_scrambled_bytes_raise_nothing_but_unreadable() -> None:
    rng = np.random.RandomState(0)
    survived = 0
    for form in ("PNG", "JPEG", "GIF", "TIFF", "WEBP"):
        raw = np.frombuffer(saved(Image.fromarray(noise(24, 24, 3)), form).getvalue(), np.uint8)
        for _ in range(40):
            broken = raw.copy()
            broken[rng.randint(0, len(raw), 12)] = rng.randint(0, 256, 12)
            with quiet_pillow(), contextlib.suppress(Unreadable):
                look(io.BytesIO(broken.tobytes()))
                survived += 1
    assert survived < 200


def test_text_is_not_an_image() -> None:
    with pytest.raises(Unreadable, match="not an image"):
        look(io.BytesIO(b"hello"))


def test_plain_is_idempotent() -> None:
    image = plain(Image.fromarray(noise(3, 3, 4)))
    np.testing.assert_array_equal(np.asarray(plain(image)), np.asarray(image))


def test_oblong_sizes() -> None:
    x = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12)
    image = Image.fromarray(x)
    np.testing.assert_array_equal(pixels(image, How(8, 1, "crop", 12))[0], x)
    np.testing.assert_array_equal(pixels(image, How(8, 1, "crop", 4))[0], x[:, 4:8])
    np.testing.assert_array_equal(pixels(image, How(2, 1, "crop", 12))[0], x[3:5])
    padded = pixels(image, How(12, 1, "pad", 12))[0]
    np.testing.assert_array_equal(padded[2:10], x)
    assert (padded[[0, 1, 10, 11]] == 255).all()
    assert pixels(image, How(5, 3, "stretch", 7)).shape == (3, 5, 7)


def test_opacity_is_kept_on_request() -> None:
    x = np.random.RandomState(0).randint(0, 256, (6, 6, 4)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(x).save(file, "PNG")
    np.testing.assert_array_equal(pixels(look(file, transparent=True)[1], How(6, 4)), x.transpose(2, 0, 1))
    assert look(file)[1].mode == "RGB"
