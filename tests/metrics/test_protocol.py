"""Names, records and their round trip; what keeps two numbers apart."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ganvas.errors import InputError
from ganvas.metrics.protocol import (
    Protocol,
    Score,
    differences,
    field,
    metric_name,
    read_scores,
    version_differences,
    versions,
    write_scores,
)

from .conftest import Pixels

FULL = Protocol(
    reference="digits",
    split="test",
    reference_hash="ab" * 32,
    reference_count=1797,
    sample_count=1000,
    resize="tf1_bilinear",
    resize_filter="bilinear",
    antialias=False,
    size=299,
    features="inception",
    features_hash="67" * 32,
    settings={"splits": 10, "seed": 0},
    seeds=(0, 1, 2),
    ema=True,
    truncation=0.5,
    batch_norm="running",
    versions={"torch": "2.13.0"},
)


def test_only_the_fid_network_gives_fid() -> None:
    network = Pixels("inception")
    network.resize = "tf1_bilinear"
    assert metric_name("fid", network) == "FD-inception"  # it says so, but its weights are not the published ones
    network.official = True
    assert [metric_name(m, network) for m in ("fid", "kid", "is", "intra_fid", "precision")] == [
        "FID", "KID", "IS", "intra-FID", "precision",
    ]  # fmt: skip
    network.resize = "clean_bicubic"
    assert metric_name("fid", network) == "clean-FID"
    network.resize = "torch_bilinear"
    assert metric_name("fid", network) == "FD-inception-torch_bilinear"
    network.name = "inception768"
    assert metric_name("fid", network) == "FD-inception768"
    own = Pixels("own")
    assert [metric_name(m, own) for m in ("fid", "kid", "is", "recall")] == ["FD-own", "KD-own", "IS-own", "recall-own"]


def test_scores_round_trip(tmp_path: Path) -> None:
    scores = [
        Score(name="FID", value=12.5, spread=0.25, interval=(12.0, 13.0), protocol=FULL),
        Score(name="PSNR", value=float("inf")),
    ]
    write_scores(tmp_path / "a.json", "model", scores)
    assert read_scores(tmp_path / "a.json") == ("model", scores)


def test_bad_files_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content, message in (("x", "is no JSON"), ("[]", "not of format"), ('{"format": "ganvas-scores-1"}', "valid")):
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            read_scores(path)
    path.write_text('{"format": "ganvas-scores-1", "subject": "a", "scores": [{"name": "FID", "valu": 1}]}')
    with pytest.raises(InputError, match="holds no valid scores"):
        read_scores(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_scores(tmp_path / "none.json")


OTHER = {
    "reference": "mnist", "split": "train", "reference_hash": "cd", "reference_count": 1, "sample_count": 2,
    "resize": "clean_bicubic", "resize_filter": "bicubic", "antialias": True, "size": 0, "features": "own",
    "features_hash": "ef", "seeds": (3,), "ema": None, "truncation": None, "batch_norm": "batch",
    "truncation_form": "scale", "decoding": "3x64x64, crop, lanczos", "sampling": {"latent_steps": 10},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OTHER))
def test_every_field_is_named_when_it_differs(name: str) -> None:
    changed = FULL.model_copy(update={name: OTHER[name]})
    assert differences(FULL, changed) == [name]
    assert field(changed, name) == OTHER[name]


def test_settings_one_by_one_and_versions_apart() -> None:
    assert set(OTHER) | {"settings", "versions"} == set(Protocol.model_fields)
    changed = FULL.model_copy(update={"settings": {"splits": 1, "k": 5, "seed": 0}, "versions": {"torch": "2.11.0"}})
    assert differences(FULL, changed) == ["settings.k", "settings.splits"]
    assert field(changed, "settings.k") == 5
    assert version_differences(FULL, changed) == ["torch"]
    drawn = FULL.model_copy(update={"settings": {**FULL.settings, "intervals": 40, "intervals_seed": 3}})
    assert differences(FULL, drawn) == differences(drawn, FULL) == []  # the number is the same with and without one
    assert {"python", "torch", "numpy", "pillow", "ganvas"} == set(versions())
    with pytest.raises(ValidationError, match="frozen"):
        FULL.ema = False
    with pytest.raises(ValidationError, match="Extra inputs"):
        Protocol(colour="blue")
