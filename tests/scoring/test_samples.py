"""How samples are brought to the metrics: classes as drawn, sets that are disjoint, the record of both."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.data import Images
from ganvas.errors import InputError
from ganvas.metrics.frechet import frechet_from_features
from ganvas.metrics.protocol import lower_is_better
from ganvas.ops.pixels import to_uint8
from ganvas.scoring import choose
from ganvas.scoring import samples as scoring
from ganvas.scoring.pairs import are_paired
from tests import tiny
from tests.metrics.conftest import Pixels


def data(gan_name: str = "sagan", m: int = 40) -> Images:
    images = tiny.images(tiny.build(gan_name), m)
    how = {"split": "train", "fit": "crop", "filter": None}
    return Images(images.x, images.y, images.class_names, "noise", "none", how, [])


def test_samples_are_those_of_their_seeds_with_the_classes_that_these_draw() -> None:
    gan = tiny.build("sagan").eval()
    parts = list(scoring.sampled_batches(gan, scoring.Samples(n=70, seed=5)))
    x, y = torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts if y is not None])
    assert [len(part) for part, _ in parts] == [64, 6]
    assert torch.equal(y, gan.given(range(5, 75)).y)
    assert set(y.tolist()) == {0, 1, 2}
    assert torch.equal(x, to_uint8(gan.sample(70, seed=5)))
    assert torch.equal(x[3], to_uint8(gan.sample(1, seed=8, classes=int(y[3])))[0])


def test_a_score_of_a_model_is_that_of_its_images() -> None:
    gan, images, network = tiny.build("sagan").eval(), data(), Pixels(dim=64)
    (score,) = scoring.score_gan(gan, scoring.Reference(images), ["fid"], network, scoring.Samples(n=30))
    fake = to_uint8(gan.sample(30)).flatten(1).float()
    real = torch.from_numpy(np.array(images.x)).flatten(1).float()
    assert score.value == pytest.approx(frechet_from_features(fake, real), rel=1e-9)


def test_intra_class_scores_use_the_given() -> None:
    gan, images, network = tiny.build("sagan").eval(), data(), Pixels(dim=64)
    (score,) = scoring.score_gan(gan, scoring.Reference(images), ["intra_fid"], network, scoring.Samples(n=30))
    y = gan.given(range(30)).y
    fake, real = to_uint8(gan.sample(30)).flatten(1).float(), torch.from_numpy(np.array(images.x)).flatten(1).float()
    each = [frechet_from_features(fake[y == k], real[torch.from_numpy(images.y) == k]) for k in range(3)]
    assert score.value == pytest.approx(np.mean(each), rel=1e-9)


def test_classes_of_another_order_are_matched_by_name() -> None:
    gan, images, network = tiny.build("sagan").eval(), data(), Pixels(dim=64)

    def intra(names: list[str], y: np.ndarray) -> float:
        turned = Images(images.x, y, names, "noise", "none", images.preprocessing, [])
        (score,) = scoring.score_gan(gan, scoring.Reference(turned), ["intra_fid"], network, scoring.Samples(n=30))
        return score.value

    gan.class_names = list(images.class_names)
    assert images.y is not None
    assert intra(gan.class_names[::-1], 2 - images.y) == pytest.approx(intra(gan.class_names, images.y), rel=1e-9)
    assert intra(gan.class_names, 2 - images.y) != pytest.approx(intra(gan.class_names, images.y), rel=1e-3)


def test_sets_are_disjoint_and_summed_up() -> None:
    gan, reference, network = tiny.build("sagan").eval(), scoring.Reference(data()), Pixels(dim=64)
    (both,) = scoring.score_gan(gan, reference, ["fid"], network, scoring.Samples(n=10, seed=3), sets=2)
    values = [
        scoring.score_gan(gan, reference, ["fid"], network, scoring.Samples(n=10, seed=seed))[0].value
        for seed in (3, 13)
    ]
    assert (both.value, both.spread) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert both.protocol.seeds == (3, 13)


def test_folders_are_cut_into_disjoint_sets() -> None:
    seen: list[torch.Tensor] = []

    class Watching(Pixels):
        def forward(self, images: torch.Tensor) -> object:
            seen.append(images)
            return super().forward(images)

    images, network = data(m=41), Watching(dim=64)
    scoring.score_folder(images, scoring.Reference(images), ["fid"], network)  # the reference is now cached
    seen.clear()
    for seed in range(4):
        scoring.score_folder(images, scoring.Reference(images), ["fid"], network, n=10, seed=seed)
    rows = torch.cat(seen).flatten(1)
    assert len(rows) == len(rows.unique(dim=0)) == 40


def test_the_record_says_only_what_applies() -> None:
    sagan, wgan = tiny.build("sagan"), tiny.build("wgan-gp", G_net="mlp", D_net="mlp")
    plain, cut = scoring.Samples(n=4), scoring.Samples(n=4, truncation=0.5, standing=3, ema=False)
    assert plain.record(sagan).truncation_form is None
    assert plain.record(sagan).batch_norm == "running"
    assert plain.record(wgan).batch_norm is None
    record = cut.record(sagan)
    assert (record.truncation, record.truncation_form, record.batch_norm, record.ema) == (
        0.5, "resample", "standing-3", False,
    )  # fmt: skip


def test_the_decoding_of_the_reference_is_in_words() -> None:
    images = data()
    assert scoring.origin(images)["decoding"] == "1x8x8, as it is"
    images.preprocessing.update(fit="pad", filter="lanczos")
    assert scoring.origin(images) == {"reference": "noise", "split": "train", "decoding": "1x8x8, pad, lanczos"}


@pytest.mark.parametrize(
    ("name", "gan", "message"),
    [
        ("sharpness", "sagan", "score 'sharpness' given for noise, expected one of: sliced, fid, kid, is"),
        ("memorisation", "sagan", "expected one of: sliced"),
        ("is", "wgan-gp", "score is needs classes, which noise has not; use another, as --score fid"),
        ("cas", "wgan-gp", "score cas compares class by class, and this model has no classes; use --score fid"),
    ],
)
def test_what_cannot_choose_is_said_before_the_run(name: str, gan: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        choose.scorer(name, data(gan), 10)
    assert message in str(raised.value)


def test_an_unconditional_model_cannot_be_chosen_by_class() -> None:
    with pytest.raises(InputError, match="score intra_fid compares class by class, and this model has no classes"):
        choose.scorer("intra_fid", data(), 10, num_classes=0)


def test_which_way_is_better() -> None:
    rising = ["IS", "IS-own", "precision-own", "coverage-own", "CAS", "CAS-inverse", "modes", "PSNR", "SSIM"]
    falling = ["FID", "FD-own", "clean-FID", "KD-own", "intra-FD-own", "sliced_wasserstein", "LPIPS-alex", "MSE"]
    assert not any(map(lower_is_better, rising))
    assert all(map(lower_is_better, falling))


def test_pairs_and_sets_are_told_apart() -> None:
    assert are_paired(["ssim", "lpips"])
    assert not are_paired(["fid", "unknown"])
    with pytest.raises(InputError, match="mse compare pairs of images, fid whole sets"):
        are_paired(["mse", "fid"])
