"""StyleGAN2's own: four phases and their rules, what each loss is by formula, truncation of w, noise, the average."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import ganvas
from ganvas import rng, rows
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.gan import GAN, Request, evaluating
from ganvas.nets import styles
from ganvas.ops import augment
from ganvas.penalties import path_length, r1_penalty
from tests import tiny


def build(**values: Any) -> GAN:
    return tiny.build("stylegan2", **values)


def lively(**values: Any) -> GAN:
    """Noise counts, and the average is somewhere."""
    gan = build(**values)
    with torch.no_grad():
        gan.G.mapping.w_avg.copy_(torch.linspace(-1, 1, 4))
        for name, p in gan.G.named_parameters():
            if name.endswith("noise_strength"):
                p.fill_(0.5)
    return gan


# ---- phases -------------------------------------------------------------------------------------------------------


def test_four_phases_in_the_authors_order():
    phases = build(r1_every=16, path_every=4).phases()
    assert [(p.name, p.player, p.every) for p in phases] == [
        ("G", "G", 1), ("G_path", "G", 4), ("D", "D", 1), ("D_r1", "D", 16),
    ]  # fmt: skip
    assert [p.name for p in build(r1=0.0, path=0.0).phases()] == ["G", "D"]


def test_adam_is_corrected_for_the_regularisers_own_steps():
    gan = build(G_lr=2e-3, D_lr=2e-3)
    G, D = gan.rule("G"), gan.rule("D")
    assert G.lr == pytest.approx(2e-3 * 0.8)
    assert D.lr == pytest.approx(2e-3 * 0.941176, rel=1e-6)
    assert G.betas == pytest.approx((0.0, 0.991992), abs=5e-7)
    assert D.betas == pytest.approx((0.0, 0.990585), abs=5e-7)
    without = build(G_lr=2e-3, r1=0.0, path=0.0)
    assert (without.rule("G").lr, without.rule("D").betas) == (2e-3, (0.0, 0.99))


def test_the_average_forgets_half_in_so_many_images():
    gan = build(ema_images=8)
    gan.images_seen = 400
    assert gan.decay() ** (8 / 4) == pytest.approx(0.5)  # batches of 4
    ramp = build(ema_images=1000, ema_rampup=0.5)
    decays = []
    for ramp.images_seen in (4, 8, 12, 4004):
        decays.append(ramp.decay())
    assert decays == pytest.approx([0.0, 0.5 ** (4 / 2), 0.5 ** (4 / 4), 0.5 ** (4 / 1000)])
    assert not build(ema_images=0).has_average


# ---- losses -------------------------------------------------------------------------------------------------------


def test_losses_by_formula():
    gan = lively(path_decay=0.1)
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("a"))
    y, G = drawn.given.y, gan.G
    first, second = G.mapping(drawn.z, y), G.mapping(drawn.other, y)
    ws = torch.cat([first[:, : drawn.cutoff], second[:, drawn.cutoff :]], 1)
    fake = G.synthesis(ws, G.synthesis.noise_of(drawn.noise))
    scores, real_scores = gan.D(fake, y), gan.D(real.x, real.given.y)
    assert_close(gan.G_loss(real, drawn).total, F.softplus(-scores).mean())
    D_loss = gan.D_loss(real, drawn)
    assert_close(D_loss.total, F.softplus(scores).mean() + F.softplus(-real_scores).mean())
    for kept in (gan.G_loss(real, drawn).kept, D_loss.kept):
        assert_close(kept["ws"], first, msg="w_avg follows the first latents")


def test_minibatch_deviation_never_sees_both_kinds():
    """Fakes and reals go through D apart: how the fakes differ says nothing of the reals."""
    gan = lively(group=4)
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("a"))
    expected = gan.D(real.x, real.given.y).mean()
    assert_close(gan.D_loss(real, drawn).logs["D/real"], expected)


def test_fakes_and_reals_are_augmented_by_rows_of_their_own():
    gan = lively(augment="diffaugment")
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("a"))
    x = augment.apply(real.x, rows.take(drawn.shown, slice(4, 8)))
    assert_close(gan.D_loss(real, drawn).logs["D/real"], gan.D(x, real.given.y).mean())
    fake = augment.apply(styles.fakes(gan.G, drawn)[0], rows.take(drawn.shown, slice(4)))
    assert_close(gan.G_loss(real, drawn).total, F.softplus(-gan.D(fake, drawn.given.y)).mean())


def test_lazy_losses_weigh_as_much_more_as_they_are_rarer():
    gan = lively(r1=3.0, r1_every=5, path=2.0, path_every=7, path_decay=0.25)
    real = tiny.batch(gan)
    slope = r1_penalty(lambda x: gan.D(x, real.given.y), real.x)
    assert_close(gan.r1_loss(real, styles.Shown(None)).total, 1.5 * 5 * slope)

    gan.memory.path_mean.fill_(0.3)
    drawn = styles.draw_path(gan, real, rng.generator("p"))
    ws, noise = styles.mixed(gan.G, drawn)[0], gan.G.synthesis.noise_of(drawn.noise)
    length, mean = path_length(
        lambda ws: gan.G.synthesis(ws, noise), ws, drawn.direction, gan.memory.path_mean, decay=0.25
    )
    loss = gan.path_loss(real, drawn)
    assert_close(loss.total, 2.0 * 7 * length)
    styles.follow(gan, [loss.kept])
    assert_close(gan.memory.path_mean, mean)
    assert mean != 0.3


def test_r1_is_of_the_image_before_it_is_augmented():
    gan = build(augment="diffaugment")
    real = tiny.batch(gan)
    drawn = styles.draw_shown(gan, real, rng.generator("s"))
    assert drawn.shown is not None
    assert not torch.equal(gan.r1_loss(real, drawn).total, gan.r1_loss(real, styles.Shown(None)).total)


def test_w_avg_follows_the_mean_w_of_a_step():
    gan = lively()
    before, ws = gan.G.mapping.w_avg.clone(), torch.randn(4, 4, 4, generator=rng.generator("w"))
    styles.follow(gan, [{"ws": ws[:2]}, {"ws": ws[2:]}])
    assert_close(gan.G.mapping.w_avg, 0.995 * before + 0.005 * ws[:, 0].mean(0))


# ---- draws --------------------------------------------------------------------------------------------------------


def test_path_length_has_half_a_batch_in_every_part():
    for batch, parts, expected in ((4, 1, 2), (8, 2, 4), (4, 4, 4), (1, 1, 1), (6, 2, 2)):
        gan = build(batch=batch, accumulate=parts)
        drawn = styles.draw_path(gan, tiny.batch(gan, batch), rng.generator("p"))
        assert len(drawn.z) == len(drawn.direction) == len(drawn.given.y) == expected
        assert len(rows.split(drawn, parts)) == parts


def test_styles_are_mixed_nine_times_of_ten_and_for_a_whole_batch():
    gan = build(mixing=0.9)
    real = tiny.batch(gan)
    cutoffs = [int(gan.draw(real, rng.generator("m", i)).cutoff) for i in range(400)]
    whole = gan.G.synthesis.num_ws
    assert set(cutoffs) == set(range(1, whole + 1))
    assert 0.85 < sum(c < whole for c in cutoffs) / 400 < 0.95
    never = build(mixing=0.0)
    assert {int(never.draw(real, rng.generator("m", i)).cutoff) for i in range(50)} == {whole}


def test_classes_of_fakes_are_uniform_and_noise_is_fresh():
    gan = build()
    real = tiny.batch(gan, 4)
    drawn = [gan.draw(real, rng.generator("y", i)) for i in range(100)]
    shares = torch.cat([d.given.y for d in drawn]).bincount(minlength=3) / 400
    assert_close(shares, torch.full((3,), 1 / 3), atol=0.08, rtol=0)
    assert drawn[0].noise.shape == (4, gan.G.synthesis.dim_noise)
    assert not torch.equal(drawn[0].noise, drawn[1].noise)
    assert not torch.equal(drawn[0].noise[0], drawn[0].noise[1])


# ---- sampling -----------------------------------------------------------------------------------------------------


def test_truncation_zero_is_the_average_image():
    gan = lively(noise="none")
    average = gan.G.synthesis(gan.G.mapping.w_avg.expand(1, gan.G.synthesis.num_ws, -1)).clamp(-1, 1)
    assert_close(gan.sample(3, truncation=0.0), average.expand(3, -1, -1, -1))
    assert not torch.allclose(gan.sample(3)[0], gan.sample(3)[1])
    assert_close(gan.sample(3, truncation=1.0), gan.sample(3))


def test_cutoff_leaves_the_later_layers():
    codes = {}
    for cutoff in (0, 2):
        gan = lively(cutoff=cutoff)
        with evaluating(gan), torch.no_grad():
            codes[cutoff] = gan.code(Request([1, 2], gan.given([1, 2]), 0.5)).ws
            whole = gan.code(Request([1, 2], gan.given([1, 2]))).ws
    assert_close(codes[0], gan.G.mapping.w_avg + 0.5 * (whole - gan.G.mapping.w_avg))
    assert_close(codes[2][:, :2], codes[0][:, :2])
    assert_close(codes[2][:, 2:], whole[:, 2:])


@pytest.mark.parametrize(("options", "message"), [
    ({"truncation": 0.5, "truncation_form": "scale"}, "form scale given.*leave the form out"),
    ({"truncation": 0.5, "truncation_form": "clamp"}, "form clamp given"),
    ({"truncation": float("nan")}, "expected a number, as 0.7"),
])  # fmt: skip
def test_forms_of_truncation_that_are_of_z_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build().sample(1, **options)


def test_noise_is_each_seeds_own_or_one_for_all_or_none():
    """Truncated to the average, images differ by their noise alone."""
    for noise, alike in (("seed", False), ("constant", True), ("none", True)):
        x = lively(noise=noise).sample(2, truncation=0.0)
        assert torch.allclose(x[0], x[1]) == alike, noise
    constant, none = (lively(noise=noise).sample(1) for noise in ("constant", "none"))
    assert not torch.allclose(constant, none)
    assert_close(lively().sample(3, seed=4)[1], lively().sample(1, seed=5)[0])


def test_between_two_codes():
    gan = lively()
    a, b = (styles.Code(torch.randn(1, 4, 4, generator=g), torch.randn(1, 1000, generator=g))
            for g in (rng.generator("c", i) for i in range(2)))  # fmt: skip
    middle = gan.mix(a, b, 0.5)
    assert_close(middle.ws, (a.ws + b.ws) / 2)
    assert middle.noise.norm() > 0.9 * min(a.noise.norm(), b.noise.norm()), "noise keeps its strength"
    assert gan.mix(replace(a, noise=None), replace(b, noise=None), 0.5).noise is None
    film = gan.interpolate([1, 2], classes=[0, 1], steps=2)
    assert_close(film[0], gan.sample(1, seed=1, classes=0)[0])


def test_what_a_score_says_of_sampling():
    assert build().sampling_record(None) == {}
    assert build().sampling_record(0.5) == {"truncation": "of w"}
    record = build(noise="constant", cutoff=2).sampling_record(0.5)
    assert record == {"noise": "constant", "truncation": "of w, first 2 layers"}


def test_images_are_cut_to_the_range_of_images():
    gan = lively()
    with torch.no_grad():
        for p in gan.G.parameters():
            p.mul_(3)
    assert gan.sample(4).abs().max() == 1


# ---- the rest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 4, 7, 8])
def test_scores_of_any_number_of_images(n):
    gan = build(group=4)
    real = tiny.batch(gan, n)
    with torch.no_grad():
        scores = gan.scores(real)
        whole = n // 4 * 4
        if whole:
            assert_close(scores[:whole], gan.D(real.x[:whole], real.given.y[:whole]).flatten())
        if n > whole:
            assert_close(scores[whole:], gan.D(real.x[whole:], real.given.y[whole:]).flatten())


@pytest.mark.parametrize(("values", "message"), [
    ({"group": 3}, "group=3 does not divide the 4 images"),
    ({"group": 4, "batch": 12, "accumulate": 2}, "group=4 does not divide the 6"),
    ({"group": 0}, "group=0 given, expected greater than 0"),
    ({"r1_every": 0}, "r1_every=0 given, expected greater than 0"),
    ({"channel_base": 4}, "channel_base=4, expected resolution=8 or more"),
    ({"resolution": 12}, "power of two"),
    ({"ema": 0.5}, "counts only with other papers"),
])  # fmt: skip
def test_settings_that_cannot_be(values, message):
    with pytest.raises(InputError, match=message):
        build(**values)


def test_the_command_line_from_training_to_samples(tmp_path, capsys):
    """train, go on, dry run, sample truncated and between seeds; forms of z's truncation are refused."""
    model, small = str(tmp_path / "model"), ["--set", "channel_max=4", "dim_z=4", "dim_w=4", "batch=16"]
    how = ["--images", "64", "--out", model, "--device", "cpu", *small]
    assert main(["train", "stylegan2", "--data", "digits", *how]) == 0
    assert main(["train", "--resume", model, "--images", "80"]) == 0
    capsys.readouterr()
    assert main(["train", "stylegan2-64", "--data", "digits", "--dry-run", "--set", "batch=4"]) == 0
    said = capsys.readouterr()
    assert "r1_every" in said.out + said.err
    x = {}
    for name, words in {"whole": [], "average": ["--truncation", "0"], "film": ["--interpolate", "3"]}.items():
        out = tmp_path / f"{name}.npz"
        assert main(["sample", model, "-n", "3", "--seed", "2", "--out", str(out), *words]) == 0
        x[name] = torch.from_numpy(np.load(out)["x"])
    gan = ganvas.load(model, "cpu")
    assert_close(x["whole"], gan.sample(3, seed=2))
    assert_close(x["average"], gan.sample(3, seed=2, truncation=0.0))
    assert_close(x["film"][:1], gan.sample(1, seed=2))
    form = ["--truncation", "0.5", "--truncation-form", "clamp"]
    assert main(["sample", model, *form, "--out", str(tmp_path / "o.png")]) == 2
    assert "leave the form out" in capsys.readouterr().err
