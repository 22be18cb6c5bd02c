"""Fingerprints, the cache of tensors and checked downloads."""

import hashlib
from pathlib import Path

import pytest
import torch

from ganvas import downloads
from ganvas.errors import InputError
from ganvas.features import extractor
from ganvas.features.extractor import hash_state
from ganvas.features.files import Fingerprint, download, fingerprint, load_state, load_tensors, save_tensors


def test_a_fingerprint_is_that_of_the_set() -> None:
    x = torch.randint(0, 256, (13, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(13)
    whole = Fingerprint()
    for rows in (slice(5, 13), slice(0, 1), slice(1, 5)):
        whole.update(x[rows], y[rows])
    assert whole.hexdigest() == fingerprint(x, y) == fingerprint(x.flip(0), y.flip(0))
    assert fingerprint(x, y) != fingerprint(x)
    assert fingerprint(x, y.flip(0)) != fingerprint(x, y)
    assert fingerprint(x.reshape(13, 3, 2, 8)) != fingerprint(x)
    assert fingerprint(torch.cat([x, x[:1]])) != fingerprint(x)


def test_tensors_round_trip_and_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.safetensors"
    assert load_tensors(path) is None
    save_tensors(path, {"mean": torch.arange(3.0).flip(0)}, {"count": 7})
    stored = load_tensors(path)
    assert stored is not None
    torch.testing.assert_close(stored[0]["mean"], torch.tensor([2.0, 1.0, 0.0]))
    assert stored[1]["count"] == 7
    assert sorted(p.name for p in path.parent.iterdir()) == ["b.json", "b.safetensors"]  # no temporary file is left
    path.with_suffix(".json").write_text("{")
    assert load_tensors(path) is None


def test_a_download_is_checked_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    source, target = tmp_path / "source", tmp_path / "cache" / "target"
    source.write_bytes(b"weights")
    right = hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(InputError, match=r"is not the published file.*pass the file as --weights"):
        download(source.as_uri(), target, "0" * 64)
    assert not target.exists()
    assert download(source.as_uri(), target, right[:8]).read_bytes() == b"weights"
    source.unlink()
    assert download(source.as_uri(), target, right) == target  # nothing is fetched twice
    with pytest.raises(InputError, match=r"other could not be fetched.*pass the file as --weights"):
        download(source.as_uri(), tmp_path / "other", right)


def test_a_state_is_the_same_from_either_container(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {"w": torch.arange(4.0).reshape(2, 2), "b": torch.zeros(2)}
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    save_file(state, tmp_path / "a.safetensors")
    assert hash_state(load_state(tmp_path / "a.pth")) == hash_state(load_state(tmp_path / "a.safetensors"))
    assert hash_state(state) != hash_state(state | {"b": torch.ones(2)})
    with pytest.raises(InputError, match="is no file"):
        load_state(tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds no state dict"):
        load_state(tmp_path / "list.pth")


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(InputError, match="expected one of: inception"):
        extractor("vgg")
    with pytest.raises(InputError, match="resize 'nearest' is not known"):
        extractor("inception", resize="nearest")
    with pytest.raises(InputError, match="only inception"):
        extractor("own", resize="tf1_bilinear")
