"""U-Net GAN's networks: the authors' counts and numbers, a transcription in plain torch, the rule for other sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import biggan, selfmod, unet
from tests.unet_recipe import CLASSES, D_CASES, G_CASES, filled, image_numbers, images, map_numbers, noise, r

UNCALLED = 65  # the authors' linear layer of 64 inputs that no forward calls; theirs are the counts with it


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build(kind, *args, **kwargs) -> nn.Module:
    with torch.device("meta"):
        return kind(*args, **kwargs)


def with_classes(resolution: int, ch: int = 64) -> nn.Module:
    """U-Net GAN's generator for COCO-Animals."""
    eps = {"sn_eps": 1e-6, "bn_eps": 1e-5, "final_bn_eps": 1e-5}
    return biggan.Generator(resolution, ch, 128, 10, hier=False, shared_dim=0, attention=(), init="none", **eps)


@pytest.mark.parametrize(
    ("resolution", "classes", "attention", "D", "entries"),
    [
        (256, 0, (), 44_067_651, 154),
        (128, 0, (), 31_481_667, 130),
        (128, 10, (), 31_492_547, 136),
        (128, 10, (64,), 31_497_668, None),
        (256, 10, (), 44_078_531, None),
    ],
)
def test_weights_of_the_discriminator(resolution, classes, attention, D, entries):
    ours = build(unet.Discriminator, resolution, 64, classes, attention=attention)
    assert count(ours) == D - UNCALLED
    assert entries is None or len(ours.state_dict()) == entries - 4  # weight, bias, u0, sv0


@pytest.mark.parametrize(
    ("resolution", "down", "up"),
    [
        (
            128,
            [38_976, 229_760, 918_272, 3_671_552, 14_683_136],
            [7_603_712, 3_212_032, 803_200, 200_896, 118_976],
        ),
        (
            256,
            [38_976, 229_760, 918_272, 3_671_552, 4_982_272, 14_683_136],
            [7_603_712, 7_603_712, 3_212_032, 803_200, 200_896, 118_976],
        ),
    ],
)
def test_weights_of_the_discriminator_by_block(resolution, down, up):
    D = build(unet.Discriminator, resolution, 64, 10)
    assert [count(stage) for stage in D.encoder] == down
    assert [count(block) for block in D.decoder] == up
    heads = [D.map_conv, D.score_linear, D.map_embed, D.score_embed]
    assert [count(head) for head in heads] == [65, 1_025, 640, 10_240]


@pytest.mark.parametrize(
    ("resolution", "dim_z", "G"),
    [(256, 128, 39_043_203), (128, 128, 33_732_739), (256, 140, 39_460_131), (128, 140, 34_112_179)],
)
def test_weights_of_the_generator(resolution, dim_z, G):
    assert count(build(selfmod.Generator, resolution, 64, dim_z)) == G


@pytest.mark.parametrize("resolution", [128, 256])
def test_weights_of_the_generator_by_block(resolution):
    G = build(selfmod.Generator, resolution)
    blocks = [20_516_352, 8_062_976, 5_310_464, 2_163_968, 639_872, 234_176]
    assert [count(stage) for stage in G.blocks] == (blocks if resolution == 256 else blocks[:2] + blocks[3:])
    assert (count(G.linear), count(G.output_layer)) == (2_113_536, 1_859)
    assert len(G.state_dict()) == {128: 152, 256: 180}[resolution]


def test_weights_of_the_generators_with_classes():
    G = build(with_classes, 128)
    assert (count(G), len(G.state_dict())) == (32_239_491, 112)
    assert count(build(biggan.Generator, 128, 64, 120, 10, attention=(64,))) == 31_851_908
    assert count(build(biggan.Generator, 256, 64, 140, 10, attention=())) == 37_116_803


@pytest.mark.parametrize(("resolution", "classes"), D_CASES)
def test_the_discriminator_computes_what_the_authors_does(resolution, classes):
    numbers, scores, weights = D_CASES[resolution, classes]
    D = filled(unet.Discriminator(resolution, 8, classes, init="none"))
    assert count(D) == weights
    with torch.no_grad():
        pixels, score = D(images(resolution), CLASSES if classes else None)
    assert pixels.shape == (2, 1, resolution, resolution)
    assert score.shape == (2, 1)
    assert map_numbers(pixels) == pytest.approx(numbers, rel=0, abs=3e-6)
    assert score.flatten().tolist() == pytest.approx(scores, rel=0, abs=2e-5)


@pytest.mark.parametrize(("resolution", "classes"), G_CASES)
def test_the_generator_computes_what_the_authors_does(resolution, classes):
    numbers, weights = G_CASES[resolution, classes]
    G = with_classes(resolution, 8) if classes else selfmod.Generator(resolution, 8, init="none")
    assert count(filled(G)) == weights
    with torch.no_grad():
        image = G(noise(), G.shared(CLASSES))
    assert image.shape == (2, 3, resolution, resolution)
    assert image_numbers(image) == pytest.approx(numbers, rel=0, abs=3e-6)


def sigma(state: dict[str, Tensor], name: str) -> Tensor:
    """W / sigma(W) after one power iteration, the vectors as constants."""
    W, u = state[f"{name}.weight"], state[f"{name}.u0"]
    rows = W.flatten(1)
    v = u @ rows / (u @ rows).norm()
    u = v @ rows.T / (v @ rows.T).norm()
    return W / (v @ rows.T @ u.T)


def conv(state: dict[str, Tensor], name: str, x: Tensor, padding: int = 1) -> Tensor:
    return F.conv2d(x, sigma(state, name), state[f"{name}.bias"], padding=padding)


def block(state: dict[str, Tensor], name: str, x: Tensor, before, after, first: bool = False) -> Tensor:
    """relu, `before`, 3x3, relu, 3x3, `after` beside the same with 1x1, if there is one."""
    h = conv(state, f"{name}.conv1", before(x if first else x.relu()))
    h = after(conv(state, f"{name}.conv2", h.relu()))
    shortcut = f"{name}.conv_sc"
    return h + (after(conv(state, shortcut, before(x), 0)) if f"{shortcut}.weight" in state else x)


def test_32_pixels_in_plain_torch():
    """Down to 16 and 8, once without halving; back without doubling, with [8, 8] to 16, with [16, 16] to 32."""
    torch.manual_seed(0)
    D = unet.Discriminator(32, 2, 3, channels=1).double().eval()
    s, x, y = D.state_dict(), torch.randn(2, 1, 32, 32, dtype=torch.float64), torch.tensor([2, 0])

    def same(h):
        return h

    def halve(h):
        return F.avg_pool2d(h, 2)

    def double(h):
        return h.repeat_interleave(2, 2).repeat_interleave(2, 3)

    e0 = block(s, "encoder.0.0", x, same, halve, first=True)
    e1 = block(s, "encoder.1.0", e0, same, halve)
    e2 = block(s, "encoder.2.0", e1, same, same)
    d0 = block(s, "decoder.0", e2, same, same)
    d1 = block(s, "decoder.1", torch.cat([d0, e1], 1), double, same)
    d2 = block(s, "decoder.2", torch.cat([d1, e0], 1), double, same)
    h = e2.relu().sum((2, 3))
    score = h @ sigma(s, "score_linear").T + s["score_linear.bias"]
    score = score + (h * sigma(s, "score_embed")[y]).sum(1, keepdim=True)
    pixels = F.conv2d(d2, s["map_conv.weight"], s["map_conv.bias"])
    pixels = pixels + torch.einsum("nc,nchw->nhw", sigma(s, "map_embed")[y], d2)[:, None]
    assert [tuple(e.shape[1:]) for e in (e0, e1, e2)] == [(8, 16, 16), (8, 8, 8), (8, 8, 8)]
    assert_close(D(x, y), (pixels, score))


@pytest.mark.parametrize(
    ("resolution", "encoder", "decoder"),
    [
        (8, [(4, 4), (4, 4)], [(4, 4), (4, 8)]),
        (16, [(4, 8), (4, 8)], [(4, 8), (4, 16)]),
        (32, [(4, 16), (4, 8), (4, 8)], [(4, 8), (4, 16), (4, 32)]),
        (64, [(1, 32), (2, 16), (4, 8), (8, 4)], [(4, 8), (2, 16), (1, 32), (1, 64)]),
        (
            512,
            [(1, 256), (1, 128), (2, 64), (4, 32), (8, 16), (8, 8), (16, 4)],
            [(8, 8), (8, 16), (4, 32), (2, 64), (1, 128), (1, 256), (1, 512)],
        ),
    ],
)
def test_widths_and_sizes_elsewhere(resolution, encoder, decoder):
    D = build(unet.Discriminator, resolution, 8)
    seen: list[tuple[int, int]] = []
    for part in (*D.encoder, *D.decoder):
        layer = part[0] if isinstance(part, nn.ModuleList) else part
        layer.register_forward_hook(lambda _module, _args, out: seen.append((out.shape[1] // 8, out.shape[2])))
    pixels, score = D(torch.empty(1, 3, resolution, resolution, device="meta"))
    assert seen == encoder + decoder
    assert (pixels.shape, score.shape) == ((1, 1, resolution, resolution), (1, 1))


@pytest.mark.parametrize("resolution", [8, 16])
def test_every_weight_is_reached_from_its_heads(resolution):
    torch.manual_seed(0)
    D = unet.Discriminator(resolution, 8, 3, attention=(8,) if resolution == 16 else ())
    pixels, score = D(torch.randn(2, 3, resolution, resolution), torch.tensor([0, 2]))
    names, weights = zip(*D.named_parameters())

    def reached(out: Tensor) -> set[str]:
        grads = torch.autograd.grad(out.square().sum(), weights, retain_graph=True, allow_unused=True)
        return {name for name, grad in zip(names, grads) if grad is not None}

    encoder = {name for name in names if name.startswith("encoder")}
    assert reached(score) == encoder | {name for name in names if name.startswith("score")}
    assert reached(pixels) == encoder | {name for name in names if name.startswith(("decoder", "map"))}


def test_a_gradient_penalty_can_be_differentiated():
    torch.manual_seed(0)
    D = unet.Discriminator(16, 8, 3, attention=(8,))
    x = torch.randn(2, 3, 16, 16, requires_grad=True)
    pixels, score = D(x, torch.tensor([0, 2]))
    (slope,) = torch.autograd.grad(pixels.mean() + score.mean(), x, create_graph=True)
    slope.square().sum().backward()
    for name in ("encoder.0.0.conv1", "decoder.1.conv1", "score_linear", "map_conv"):
        assert D.get_submodule(name).weight.grad.abs().sum() > 0


@pytest.mark.parametrize("classes", [0, 3])
def test_classes_change_map_and_score(classes):
    torch.manual_seed(0)
    D = unet.Discriminator(16, 8, classes).eval()
    x = torch.randn(1, 3, 16, 16).expand(2, 3, 16, 16)
    for out in D(x, torch.tensor([0, 1]) if classes else None):
        if classes:
            assert (out[0] - out[1]).abs().max() > 1e-3
        else:  # rows of a batch are equal up to rounding only
            assert_close(out[0], out[1])


def test_fused_is_the_same_network():
    torch.manual_seed(0)
    D = unet.Discriminator(32, 8).double().eval()
    plain = unet.Discriminator(32, 8, fused=False).double().eval()
    plain.load_state_dict(D.state_dict())
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    assert_close(D(x), plain(x))
    for network in (plain, selfmod.Generator(8, 2, fused=False)):
        kinds = {module.fused for module in network.modules() if isinstance(module, biggan.GBlock | biggan.DBlock)}
        assert kinds == {False}


def test_attention_stands_in_the_encoder_alone():
    D = build(unet.Discriminator, 128, 64, attention=(64, 4))
    assert [len(stage) for stage in D.encoder] == [2, 1, 1, 1, 2]
    assert count(D.encoder[0][1]) == 5_121
    with pytest.raises(InputError, match="attention at 128 pixels, expected sizes out of 4, 8, 16, 32, 64"):
        unet.Discriminator(128, 8, attention=(128,))
    with pytest.raises(InputError, match="resolution=48, expected one of 8, 16"):
        unet.Discriminator(48)


def test_self_modulation_by_hand():
    """BN(x) (1 + gain(z)) + bias(z), gain and bias two layers each of the whole z."""
    torch.manual_seed(0)
    G = selfmod.Generator(8, 2, dim_z=5, bn_momentum=0.3).double()
    norm, z = G.blocks[0][0].bn2, torch.randn(3, 5, dtype=torch.float64)
    x = torch.randn(3, 8, 4, 4, dtype=torch.float64)
    gain, bias = (
        (z @ table[0].weight.T + table[0].bias).relu() @ table[2].weight.T for table in (norm.gain, norm.bias)
    )
    expected = F.batch_norm(x, None, None, training=True) * (1 + gain[..., None, None]) + bias[..., None, None]
    assert_close(norm(x, z), expected)
    assert not torch.equal(gain, bias)
    assert_close(norm.stored_mean, 0.3 * x.mean((0, 2, 3)).float(), check_dtype=False)
    assert G.output_layer[0].momentum == 0.3


def test_the_generator_ignores_the_split_of_z_and_classes():
    torch.manual_seed(0)
    G = selfmod.Generator(16, 8, dim_z=7, attention=(16,)).eval()  # 7 is not to be cut into three
    z = torch.randn(2, 7)
    assert torch.equal(G(z), G(z, G.shared(torch.tensor([0, 1]))))
    assert count(G) > count(selfmod.Generator(16, 8, dim_z=7))


def test_the_start_of_the_authors():
    """Orthogonal weights, the self-modulation's among them; biases as torch has them."""
    torch.manual_seed(0)
    G, D = selfmod.Generator(8, 2, dim_z=5), unet.Discriminator(8, 2, 3)
    for weight in (G.blocks[0][0].bn1.gain[0].weight, D.score_embed.weight, D.encoder[0][0].conv2.weight):
        rows = weight.flatten(1)
        assert_close(rows @ rows.T, torch.eye(len(rows)), rtol=0, atol=1e-5)
    assert G.linear.bias.abs().sum() > 0
    assert D.map_conv.bias.abs().sum() > 0


def test_the_hash():
    """The recipe's own check."""
    assert r(4).tolist() == pytest.approx([-0.027864054, 0.486775380, 0.029143474, -0.400759774], abs=1e-9)
    assert r(1, 1000).item() == pytest.approx(0.076791215, abs=1e-9)
