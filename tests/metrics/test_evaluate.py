"""The whole way from batches to scores: batch size and order do not show, nothing is seen twice, records are full."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.errors import InputError
from ganvas.features import lpips
from ganvas.features.files import fingerprint
from ganvas.metrics.evaluate import METRICS, Metric, Settings, _intervals, evaluate, evaluate_pairs
from ganvas.metrics.frechet import frechet_from_features
from ganvas.metrics.kid import kid
from ganvas.metrics.paired import ssim
from ganvas.metrics.prdc import prdc
from ganvas.metrics.protocol import Protocol, Score
from ganvas.metrics.reference import Seen, gather, reference

from .conftest import Pixels

ALL = list(METRICS)
QUICK = Settings(subsets=3, subset_size=20, splits=2, steps=3)


def images(count: int, seed: int, top: int = 256, side: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, top, (count, 3, side, side), dtype=torch.uint8, generator=rng), torch.arange(count) % 2


def batches(data: tuple[torch.Tensor, torch.Tensor], size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    yield from zip(data[0].split(size), data[1].split(size))


def by_name(scores: list[Score]) -> dict[str, float]:
    return {score.name: score.value for score in scores}


def test_scores_are_the_functions_of_the_features(pixels: Pixels) -> None:
    fake, real = images(90, 1, 200), images(110, 2)
    found = by_name(evaluate(batches(fake, 32), batches(real, 32), ["fid", "kid", "prdc"], pixels, settings=QUICK))
    x, y = fake[0].flatten(1).float(), real[0].flatten(1).float()
    torch.testing.assert_close(found["FD-pixels"], frechet_from_features(x, y), rtol=1e-9, atol=0)
    torch.testing.assert_close(found["KD-pixels"], kid(x, y, 3, 20).value)
    assert found["recall-pixels"] == prdc(y, x).recall


def test_batches_and_order_do_not_matter() -> None:
    fake, real = images(33, 1, 200), images(65, 2)
    first: dict[str, float] = {}
    for size in (32, 64, 1, 100):  # one image more than a batch, twice
        order = torch.randperm(33, generator=torch.Generator().manual_seed(size))
        mixed = fake[0][order], fake[1][order]
        names = [name for name in ALL if name != "cas"]  # training sees the images in the order given
        network = Pixels()
        found = by_name(evaluate(batches(mixed, size), batches(real, size), names, network, settings=QUICK))
        assert network.calls == 33 + 65  # each image once, whatever the number of metrics
        first = first or found
        torch.testing.assert_close(found, first, rtol=1e-9, atol=1e-12)
    assert len(first) == 1 + 1 + 1 + 4 + 1 + 3


def test_identical_sets(pixels: Pixels) -> None:
    data = images(64, 3)
    found = by_name(evaluate(batches(data, 10), batches(data, 64), ["fid", "intra_fid", "prdc"], pixels))
    assert found["FD-pixels"] < 1e-6
    assert found["intra-FD-pixels"] < 1e-6
    assert found["precision-pixels"] == found["recall-pixels"] == found["coverage-pixels"] == 1


def test_the_record_is_full(pixels: Pixels) -> None:
    fake, real = images(40, 1), images(50, 2)
    given = Protocol(reference="noise", split="test", seeds=(7,), ema=True, truncation=0.5, batch_norm="batch")
    scores = evaluate(batches(fake, 9), batches(real, 9), ["fid", "kid", "cas"], pixels, protocol=given, settings=QUICK)
    fid, kd, cas = scores[0].protocol, scores[1].protocol, scores[2].protocol
    assert (fid.reference, fid.split, fid.seeds, fid.ema, fid.truncation, fid.batch_norm) == (
        "noise", "test", (7,), True, 0.5, "batch",
    )  # fmt: skip
    assert (fid.reference_hash, fid.reference_count, fid.sample_count) == (fingerprint(*real), 50, 40)
    assert (fid.features, fid.features_hash, fid.resize, fid.settings) == ("pixels", "0" * 64, "none", {})
    assert kd.settings == {"subsets": 3, "subset_size": 20, "seed": 0}
    assert scores[2].name == "CAS"
    assert (cas.features, cas.resize, cas.settings) == ("", "", {"seed": 0, "steps": 3})
    assert "torch" in fid.versions
    wide = evaluate(batches(fake, 9), batches(real, 9), ["kid"], pixels)
    assert wide[0].protocol.settings["subset_size"] == 40  # what was used where 1000 were not to be had


def test_the_reference_is_cached_under_all_that_matters(tmp_path: Path, pixels: Pixels) -> None:
    fake, real = images(40, 1), images(50, 2)
    listed = list(batches(real, 16))

    def score(network: Pixels, names: list[str], **more: object) -> dict[str, float]:
        return by_name(evaluate(batches(fake, 16), listed, names, network, cache=tmp_path, settings=QUICK, **more))

    first = score(pixels, ["fid", "kid"])
    assert pixels.calls == 90
    again = Pixels()
    torch.testing.assert_close(score(again, ["fid", "kid"]), first, rtol=1e-10, atol=0)
    assert again.calls == 40  # the reference was not looked at
    assert score(Pixels(), ["fid"], reference_fingerprint=fingerprint(*real))["FD-pixels"] == pytest.approx(
        first["FD-pixels"], rel=1e-10
    )
    more = Pixels()
    score(more, ["intra_fid"])  # needs labels, which were not kept
    assert more.calls == 90
    other = Pixels()
    other.weights_hash = "1" * 64
    score(other, ["fid"])
    assert other.calls == 90
    with pytest.raises(InputError, match="not those of the fingerprint"):
        score(Pixels(), ["fid"], reference_fingerprint="f" * 64)


def test_an_iterator_is_read_once_even_with_a_cache(tmp_path: Path, pixels: Pixels) -> None:
    real = images(20, 2)
    seen = reference(batches(real, 8), pixels, frozenset({"moments"}), cache=tmp_path)
    assert (seen.count, seen.fingerprint, pixels.calls) == (20, fingerprint(*real), 20)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Mean of one pixel under 40 sample sets: the interval of `fid` between point-like features behaves."""
    real = images(400, 2, side=1)
    widths, hits = [], 0
    truth = [by_name(evaluate([images(200, 100 + i, 220, side=1)], [real], ["fid"], Pixels(dim=3))) for i in range(30)]
    middle = sum(value["FD-pixels"] for value in truth) / len(truth)
    for i in range(30):
        (score,) = evaluate(
            [images(200, 100 + i, 220, side=1)], [real], ["fid"], Pixels(dim=3), settings=Settings(intervals=40)
        )
        assert score.interval is not None
        assert score.interval[0] < score.value < score.interval[1]
        assert score.protocol.settings == {"intervals": 40, "intervals_seed": 0}
        widths.append(score.interval[1] - score.interval[0])
        hits += score.interval[0] <= middle <= score.interval[1]
    assert hits >= 24  # 95 % of 30 is 28.5; fewer than 24 comes about once in two thousand
    assert max(widths) < 4 * min(widths)


def test_an_interval_is_turned_about_the_value() -> None:
    """Skewed draws, a long tail above: what the halves scatter upwards, the truth may lie below (basic bootstrap)."""
    draws = [float(k**2) for k in range(41)]
    left = list(draws)
    metric = Metric(lambda fake, real, settings: [("m", left.pop(), None)], frozenset(), frozenset())
    found = _intervals(metric, [("m", 1000.0, None)], Seen(count=8), Seen(count=8), Settings(intervals=41))
    assert left == []
    low, high = np.quantile(np.array(draws) - np.mean(draws), [0.025, 0.975])
    assert -low < high / 1.5  # skewed enough to tell
    np.testing.assert_allclose(found["m"], (1000 - high, 1000 - low), rtol=1e-12)


def test_the_defaults_are_those_of_the_papers(pixels: Pixels) -> None:
    """10 splits (Salimans et al. 2016), 100 subsets of 1000 (Binkowski et al. 2018), k = 5 (Naeem et al. 2020)."""
    assert Settings() == Settings(
        seed=0, splits=10, subsets=100, subset_size=1000, k=5, duplicate=0.1, steps=400, intervals=0
    )
    fake, real = images(40, 1), images(50, 2)
    scores = evaluate(batches(fake, 20), batches(real, 25), ["is", "prdc", "memorisation"], pixels)
    used = {score.name: score.protocol.settings for score in scores}
    assert used["IS-pixels"] == {"splits": 10, "seed": 0}
    assert used["recall-pixels"] == {"k": 5}
    assert used["NN-ratio-pixels"] == {"duplicate": 0.1}


def test_progress_and_wrong_input(pixels: Pixels) -> None:
    fake, real = images(20, 1), images(20, 2)
    told: list[tuple[str, int]] = []
    evaluate(
        batches(fake, 8), batches(real, 20), ["fid"], pixels, progress=lambda what, done: told.append((what, done))
    )
    assert told == [("reference images", 20), ("samples", 8), ("samples", 16), ("samples", 20)]
    with pytest.raises(InputError, match="metrics sharpness asked for, expected some of: fid"):
        evaluate([], [], ["sharpness"], pixels)
    with pytest.raises(InputError, match="no reference images"):
        evaluate([fake[0]], [], ["fid"], pixels)
    with pytest.raises(InputError, match="have no labels"):
        evaluate([fake[0]], [real[0]], ["intra_fid"], pixels)


def test_gathering_keeps_the_order() -> None:
    parts = list(torch.arange(10.0)[:, None].split(3))
    assert torch.equal(gather(parts), torch.arange(10.0)[:, None])
    assert parts == []


def test_pairs() -> None:
    torch.manual_seed(0)
    backbone = {f"features.{key}": value for key, value in lpips._backbone("alex")[0].state_dict().items()}
    lin = {f"lin{i}.model.1.weight": torch.ones(1, width, 1, 1) for i, width in enumerate((64, 192, 384, 256, 256))}
    network = lpips.LPIPS("alex", backbone, lin)
    a, b = images(5, 1, side=40)[0], images(5, 2, side=40)[0]
    pairs = list(zip(a.split(2), b.split(2)))
    scores = evaluate_pairs(pairs, ["ssim", "psnr", "mse", "lpips"], lpips=network)
    assert [score.name for score in scores] == ["SSIM", "PSNR", "MSE", "LPIPS-alex"]
    torch.testing.assert_close(scores[0].value, float(ssim(a, b).mean()))
    torch.testing.assert_close(scores[0].spread, float(ssim(a, b).std()))
    assert scores[3].protocol.features_hash == network.weights_hash
    assert scores[0].protocol.reference_hash == fingerprint(b)
    with pytest.raises(InputError, match="without its weights"):
        evaluate_pairs(pairs, ["lpips"])
    with pytest.raises(InputError, match="paired metrics fid"):
        evaluate_pairs(pairs, ["fid"])
    with pytest.raises(InputError, match="no image pairs"):
        evaluate_pairs([], ["mse"])
