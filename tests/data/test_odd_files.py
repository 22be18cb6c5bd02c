"""What lies in people's folders besides pictures: links in circles, pipes, locked folders, bombs, odd names."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data import check, load, load_pairs, peek
from ganvas.data.source import BOMB_BYTES
from ganvas.errors import InputError

from .make import class_folder, noise, picture

NOBODY = 65534


@pytest.fixture
def reader() -> Iterator[Path]:
    """A folder whose locks hold: for root, who may read everything, the test runs as somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="ganvas-test-"))
    folder.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for found in (folder, *folder.rglob("*")):
            if not found.is_symlink():
                found.chmod(0o755)
        shutil.rmtree(folder)


def test_a_link_to_itself_is_one_line_and_in_a_folder_no_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="loop cannot be reached: it is a link that leads in a circle"):
        load(tmp_path / "loop")
    class_folder(tmp_path / "set")
    (tmp_path / "set" / "self").symlink_to("self")
    (tmp_path / "set" / "ant" / "x.png").symlink_to("x.png")
    assert peek(tmp_path / "set").count == 7
    assert len(load(tmp_path / "set", max_unreadable=0.2)) == 6
    assert list(check(tmp_path / "set").unreadable) == ["ant/x.png"]


def test_pipes_and_devices_are_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for read in (load, peek, check, load_pairs):
            with pytest.raises(InputError, match="is a pipe or a device, expected a file or a folder"):
                read(path)
    class_folder(tmp_path / "set")
    os.mkfifo(tmp_path / "set" / "ant" / "x.png")
    (tmp_path / "set" / "bee" / "y.png").symlink_to("/dev/zero")
    report = check(tmp_path / "set")
    assert set(report.unreadable.values()) == {"it is a pipe or a device, not a file"}
    assert set(report.unreadable) == {"ant/x.png", "bee/y.png"}
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")
    with pytest.raises(InputError):
        load(tmp_path)


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100])
def test_what_is_locked_is_one_line(mode: int, reader: Path) -> None:
    class_folder(reader / "set")
    os.environ["GANVAS_CACHE"] = str(reader / "cache")
    (reader / "set" / "bee").chmod(mode)
    with pytest.raises(InputError, match=r"bee cannot be listed: permission denied|3 of 6 images cannot be read"):
        load(reader / "set")
    (reader / "set").chmod(mode)
    for read in (load, peek, check, load_pairs):
        with pytest.raises(InputError, match="permission denied"):
            read(reader / "set")


def test_a_picture_that_is_locked_counts_as_unreadable(reader: Path) -> None:
    class_folder(reader / "set")
    (reader / "set" / "bee" / "1.png").chmod(0)
    assert check(reader / "set").unreadable == {"bee/1.png": "Permission denied"}


def bomb(kind: str, path: Path) -> Path:
    """A small file that unpacks to a huge one."""
    many = BOMB_BYTES + (1 << 20)
    zeros = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.bmp", "w") as member:
            for _ in range(many >> 20):
                member.write(bytes(1 << 20))
    elif kind == "npz":
        header = {"descr": "|u1", "fortran_order": False, "shape": (many >> 20, 1024, 1024)}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
            np.lib.format.write_array_header_1_0(member, header)
            for _ in range(many >> 20):
                member.write(bytes(1 << 20))
    elif kind == "idx":
        with gzip.open(zeros, "wb") as file:
            file.write(struct.pack(">HBBIII", 0, 8, 3, many >> 20, 1024, 1024))
            for _ in range(many >> 20):
                file.write(bytes(1 << 20))
        path.write_bytes(zeros.getvalue())
    else:
        header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b""))
        parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


@pytest.mark.parametrize("kind", ["zip", "npz", "idx", "png"])
def test_a_bomb_is_refused_before_it_is_unpacked(kind: str, tmp_path: Path) -> None:
    path = bomb(kind, tmp_path / f"bomb.{kind}")
    assert path.stat().st_size < BOMB_BYTES / 500
    where = path
    if kind == "png":
        (tmp_path / "set").mkdir()
        where = path.rename(tmp_path / "set" / "bomb.png").parent
    with pytest.raises(InputError, match=r"are no data set|are too many|too many pixels"):
        load(where, resolution=8)


def test_a_header_that_claims_other_bytes_than_there_are_is_refused(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.save(data, noise(2, 8, 8))
    lying = data.getvalue().replace(b"(2, 8, 8)", b"(9, 8, 8)")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", lying)
    with pytest.raises(InputError, match=r"a\.npz, x: .*its header says 7\d\d bytes, it has 2\d\d"):
        load(tmp_path / "a.npz")


def test_a_name_of_300_letters_is_one_line(tmp_path: Path) -> None:
    for read in (load, peek, check, load_pairs):
        with pytest.raises(InputError, match="name too long") as error:
            read(tmp_path / ("n" * 300))
        assert len(str(error.value)) < 250


def test_names_that_are_no_text_are_classes_and_files_like_others(tmp_path: Path) -> None:
    for k, name in enumerate((b"a\xff", b"b")):
        folder = os.fsdecode(os.fsencode(tmp_path) + b"/set/" + name)
        for i in range(3):
            picture(Path(folder) / os.fsdecode(b"%d\xe9.png" % i), seed=10 * k + i)
    images = load(tmp_path / "set")
    assert images.class_names == ["a\udcff", "b"]
    again = load(tmp_path / "set")
    assert again.fingerprint == images.fingerprint
    assert check(tmp_path / "set").classes == {"a\udcff": 3, "b": 3}


def test_only_zeros_and_ones_are_no_pixels(tmp_path: Path) -> None:
    x = noise(4, 8, 8) % 2
    for kind in (np.uint8, np.int64):
        np.savez(tmp_path / "a.npz", x=x.astype(kind))
        with pytest.raises(InputError, match="whole numbers that are all 0 or 1, which as pixels are black"):
            load(tmp_path / "a.npz")
    for kind in (np.bool_, np.float32):
        np.savez(tmp_path / "a.npz", x=x.astype(kind))
        assert set(np.unique(load(tmp_path / "a.npz").x)) == {0, 255}
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 8, 8), np.uint8))
    assert load(tmp_path / "a.npz").x.max() == 0


def test_32_bits_of_grey_have_no_agreed_range(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    deep = np.arange(64, dtype=np.int32).reshape(8, 8) * 1000
    Image.fromarray(deep).save(tmp_path / "set" / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif \(32-bit pixels have no agreed range\)"):
        load(tmp_path / "set")
    Image.fromarray(deep.astype(np.uint16)).save(tmp_path / "set" / "a.tif")
    Image.fromarray(deep.astype(np.uint16)).save(tmp_path / "set" / "b.png")
    x = load(tmp_path / "set").x
    np.testing.assert_array_equal(x[0], x[1])
    assert x.max() == round(63_000 / 257)


def test_a_download_that_was_forgotten_is_named() -> None:
    for name, known in (("mnist", "mnist"), ("CIFAR-10", "cifar10"), ("FashionMNIST", "fashion-mnist")):
        with pytest.raises(InputError, match=f"download it first: ganvas fetch {known} ./{known}"):
            load(name)
    with pytest.raises(InputError, match="DATA is a path or one of digits"):
        load("mnist2")
    with pytest.raises(InputError, match="no such file or folder: ''"):
        load("")


def test_a_shared_cache_can_be_read_by_others(tmp_path: Path) -> None:
    class_folder(tmp_path / "set")
    load(tmp_path / "set", cache=tmp_path / "cache")
    (entry,) = (p for p in (tmp_path / "cache").iterdir() if p.name != ".locks")
    assert stat.S_IMODE(entry.stat().st_mode) == stat.S_IMODE((tmp_path / "set").stat().st_mode)


def test_the_doctor_names_what_is_passed_by(tmp_path: Path) -> None:
    class_folder(tmp_path / "set")
    (tmp_path / "set" / "wasp").mkdir()
    shutil.copy(tmp_path / "set" / "ant" / "0.png", tmp_path / "set" / "bee" / "copy.png")
    for name in ("ant/a.HEIC", "ant/b.heic", "c.mp4", "d.txt", "bee/e.svg"):
        (tmp_path / "set" / name).write_bytes(b"x")
    report = check(tmp_path / "set")
    text = "\n".join(report.lines())
    assert "2 HEIC, 1 vector graphics, 1 video files are passed by" in text
    assert "class folders without images, which are no classes: wasp" in text
    assert "1 images lie in two classes at once, a label conflict: ant/0.png, bee/copy.png" in text
    assert report.conflicts == [["ant/0.png", "bee/copy.png"]]
    assert peek(tmp_path / "set").foreign == {"HEIC": 2, "vector graphics": 1, "video": 1}
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("a/1.png", "a/2.png", "b/1.png", "a/1.png"):
            archive.write(tmp_path / "set" / "ant" / "0.png", name)
        archive.mkdir("c")
        archive.writestr("a/x.nef", b"x")
    text = "\n".join(check(tmp_path / "set.zip").lines())
    assert "1 names stand twice in the zip, the last entry counts: a/1.png" in text
    assert "class folders without images, which are no classes: c" in text
    assert "1 camera raw files are passed by" in text
    for path in (tmp_path / "set" / "bee", tmp_path / "set" / "ant"):
        for file in path.glob("*.png"):
            file.unlink()
    with pytest.raises(InputError, match="holds no images that are read, but 2 HEIC, 1 vector graphics, 1 video"):
        load(tmp_path / "set")


def test_advice_can_be_typed(tmp_path: Path) -> None:
    class_folder(tmp_path / "set")
    (tmp_path / "set" / "ant" / "x.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"--max-unreadable 0\.143 \(in Python max_unreadable=0\.143\)"):
        load(tmp_path / "set")
    picture(tmp_path / "set" / "loose.png")
    with pytest.raises(InputError, match=r"pass --no-classes \(in Python classes=False\)"):
        load(tmp_path / "set")
    assert len(load(tmp_path / "set", classes=False, max_unreadable=0.2)) == 7
