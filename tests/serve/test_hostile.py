"""Uploads that mean harm: refused with a sentence, never an error of ours."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from ganvas.errors import InputError
from ganvas.serve.deliver import uploaded
from ganvas.serve.limits import Limits


def saved(form: str, size: tuple[int, int] = (8, 8), mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 7 if mode in ("L", "P") else (7, 8, 9, 100)[: len(mode)]).save(file, form, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, content: bytes = b"", between: bytes = b"") -> bytes:
    """A PNG that says it is so large, whatever it holds."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + between
    return start + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(/etc/passwd) run showpage\n"
BMP = (54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
HOSTILE = {
    "nothing": b"",
    "words": b"hello, I am a picture",
    "a page": b"<!doctype html><script>alert(1)</script>",
    "vectors": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "postscript, which would start another program": EPS,
    "a tiff": saved("TIFF"),
    "an icon": saved("ICO"),
    "a zip": b"PK\x03\x04" + bytes(64),
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
    "the first bytes of a png": b"\x89PNG\r\n\x1a\n",
    "a png cut off": saved("PNG", (64, 64))[:60],
    "a jpeg cut off": saved("JPEG", (64, 64))[:200],
    "a png of 100,000 pixels a side": png_of(100_000, 100_000),
    "a png of no pixels": png_of(0, 8),
    "a png of fewer rows than it says": png_of(512, 512, bytes(10)),
    "a png bomb: a hundred megabytes in one text": png_of(
        8, 8, bytes(72), chunk(b"zTXt", b"k\x00\x00" + zlib.compress(bytes(100_000_000), 9))
    ),
    "a png whose checksum is wrong": saved("PNG")[:40] + b"\xff\xff" + saved("PNG")[42:],
    "a webp that is not one": b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(30),
    "a gif with a frame beyond its frame": b"GIF89a\x01\x00\x01\x00\x00\x00\x00," + b"\xff" * 8 + b"\x00\x02",
    "a bmp that says it is huge": b"BM" + struct.pack("<IHHIIiiHHIIiiII", *BMP),
    "a picture just too large": saved("PNG", (4097, 4097), "L"),
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_upload_is_refused_with_a_sentence(client: TestClient, content: bytes) -> None:
    response = client.post("/api/models/pairs/translate", files={"file": ("x.png", content, "image/png")})
    assert response.status_code == 400
    assert response.json()["error"].startswith(("the upload ", "the picture "))


@pytest.mark.parametrize("content", [v for k, v in HOSTILE.items() if k.startswith("a png of 100,000")])
def test_size_is_asked_before_anything_is_decoded(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganvas.serve.deliver.look", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError):
        uploaded(content, Limits().upload_pixels)


@pytest.mark.parametrize(
    "content",
    [
        saved("PNG", mode="RGBA"), saved("PNG", mode="P"), saved("PNG", mode="L"), saved("JPEG"), saved("GIF"),
        saved("BMP"), saved("WEBP"), saved("JPEG", mode="CMYK"), saved("PNG", (1, 300)),
    ],
    ids=["rgba", "palette", "grey", "jpeg", "gif", "bmp", "webp", "cmyk", "narrow"],
)  # fmt: skip
def test_any_honest_picture_is_taken(client: TestClient, content: bytes) -> None:
    response = client.post("/api/models/pairs/translate", files={"file": ("x", content)})
    assert response.status_code == 200
    assert response.content.startswith(b"\x89PNG")


def test_a_form_of_many_fields_or_files_is_refused(client: TestClient) -> None:
    content = saved("PNG")
    many = [("file", (f"{i}.png", content)) for i in range(1200)]
    assert client.post("/api/models/pairs/translate", files=many).status_code == 400
    assert client.post("/api/models/pairs/translate", data={"file": "text"}).status_code == 422
    assert client.post("/api/models/pairs/translate", content=b"--x", headers={
        "content-type": "multipart/form-data; boundary=x"}).status_code in (400, 422)  # fmt: skip
    deep = b"[" * 100_000
    headers = {"content-type": "application/json"}
    assert client.post("/api/models/big/sample", content=deep, headers=headers).status_code in (400, 422)
