"""Mistakes that other implementations made with these networks, one test each, and what a person may ask of them."""

from __future__ import annotations

import copy
import hashlib

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import biggan, biggan_deep
from ganvas.ops.attention import Attention
from ganvas.ops.norm import BatchNorm2d

NETS = {"biggan": biggan, "biggan_deep": biggan_deep}


def attention_places(D: nn.Module) -> list[int]:
    return [i for i, stage in enumerate(D.blocks) if any(isinstance(m, Attention) for m in stage)]


def pair(name: str, resolution: int = 8, **kwargs) -> tuple[nn.Module, nn.Module]:
    kwargs = {"ch": 8, "num_classes": 3, "attention": (), **kwargs}
    G_only = {k: kwargs.pop(k) for k in ("dim_z", "hier", "shared_dim") if k in kwargs}
    G_only.setdefault("dim_z", 8)
    if name == "biggan_deep":
        G_only.pop("hier", None)
    module = NETS[name]
    return module.Generator(resolution, **G_only, **kwargs), module.Discriminator(resolution, **kwargs)


def test_attention_of_the_32_pixel_discriminator_stands_once_where_its_size_is():
    assert attention_places(biggan.Discriminator(32, 8, attention=(16,), num_classes=0)) == [0]
    assert attention_places(biggan.Discriminator(32, 8, attention=(8,), num_classes=0)) == [1]
    everywhere = biggan.Discriminator(32, 8, attention=(16,), num_classes=0, placement="nominal")
    assert attention_places(everywhere) == [0, 1, 2, 3]


@pytest.mark.parametrize(("resolution", "block"), [(128, 0), (256, 1), (512, 2)])
def test_attention_at_64_pixels(resolution, block):
    with torch.device("meta"):
        assert attention_places(biggan.Discriminator(resolution, attention=(64,))) == [block]


def test_relu_must_not_change_the_skip_path():
    """In place, the relu before the first convolution would hand relu(x) to the skip path."""
    _, D = pair("biggan")
    block = D.blocks[1][0].eval()  # the last: no change of size, so the skip path is x itself
    x = torch.randn(2, 32, 4, 4)
    before = x.clone()
    expected = block.conv2(F.relu(block.conv1(F.relu(x)))) + x
    assert_close(block(x), expected)
    assert_close(x, before, rtol=0, atol=0)
    assert not any(getattr(module, "inplace", False) for module in D.modules())


def test_the_condition_is_y_then_z():
    """Hub weights have z first; a converter that forgets to swap mixes class and noise."""
    G, _ = pair("biggan", dim_z=8, shared_dim=4)
    z, y = torch.arange(8.0).view(1, 8), torch.tensor([[100.0, 101, 102, 103]])
    first, (condition,) = G.conditions(z, y)
    assert first.tolist() == [[0, 1, 2, 3]]
    assert condition.tolist() == [[100, 101, 102, 103, 4, 5, 6, 7]]

    deep, _ = pair("biggan_deep", dim_z=8, shared_dim=4)
    seen = []
    deep.linear.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    deep(z, y)
    assert seen[0].tolist() == [[100, 101, 102, 103, 0, 1, 2, 3, 4, 5, 6, 7]]


@pytest.mark.parametrize("name", NETS)
def test_looking_at_a_network_in_evaluation_mode_changes_nothing(name):
    G, D = pair(name, 16, attention=(8,), dim_z=9)
    G.eval(), D.eval()
    before = copy.deepcopy((G.state_dict(), D.state_dict()))
    z, y = torch.randn(2, 9), torch.tensor([0, 2])
    first = D(G(z, G.shared(y)), y)
    assert_close((G.state_dict(), D.state_dict()), before, rtol=0, atol=0)
    assert_close(D(G(z, G.shared(y)), y), first, rtol=0, atol=0)


@pytest.mark.parametrize("name", NETS)
def test_discriminators_have_no_batch_norm(name):
    """So that one sample's gradient is its own."""
    _, D = pair(name)
    assert not any(isinstance(m, BatchNorm2d | nn.BatchNorm2d) for m in D.modules())
    D.eval()
    x = torch.randn(3, 3, 8, 8)
    y = torch.tensor([0, 1, 2])
    assert_close(D(x, y)[1:], D(x[1:], y[1:]))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("resolution", [8, 16, 32])
@pytest.mark.parametrize("classes", [0, 1, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_classes_and_channels(name, resolution, classes, channels):
    slots = {8: 2, 16: 3, 32: 4}[resolution]
    G, D = pair(name, resolution, ch=4, num_classes=classes, channels=channels, dim_z=3 * slots)
    z, y = torch.randn(2, 3 * slots), torch.zeros(2, dtype=torch.int64) if classes else None
    x = G(z, G.shared(y))
    assert x.shape == (2, channels, resolution, resolution)
    assert x.abs().max() <= 1
    score = D(x, y)
    assert score.shape == (2, 1)
    score.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in G.parameters())


def test_unconditional_without_z_in_the_blocks_has_plain_batch_norm():
    G, _ = pair("biggan", num_classes=0, hier=False)
    assert isinstance(G.blocks[0][0].bn1, BatchNorm2d)
    assert G(torch.randn(2, 8)).shape == (2, 3, 8, 8)


@pytest.mark.parametrize("hier", [False, True])
@pytest.mark.parametrize("classes", [0, 3])
def test_the_class_reaches_the_image(hier, classes):
    """Two rows alike but for the class; rows of a batch are equal up to rounding only."""
    G, D = pair("biggan", hier=hier, num_classes=classes)
    z, x = torch.randn(1, 8).expand(2, 8), torch.randn(1, 3, 8, 8).expand(2, 3, 8, 8)
    y = torch.tensor([0, 1]) if classes else None
    for a, b in (G.eval()(z, G.shared(y)), D.eval()(x, y)):
        if classes:
            assert (a - b).abs().max() > 1e-2
        else:
            assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_a_latent_step_can_be_differentiated_through(name):
    """LOGAN needs d/dw of D(G(z + dD/dz)); batch norm, spectral norm and attention included."""
    G, D = pair(name, 16, attention=(8,), dim_z=9)
    z, y = torch.randn(4, 9, requires_grad=True), torch.tensor([0, 1, 2, 0])
    (step,) = torch.autograd.grad(D(G(z, G.shared(y)), y).sum(), z, create_graph=True)
    D(G(z + 0.1 * step, G.shared(y)), y).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for net in (G, D) for p in net.parameters())


def test_forward_leaves_the_random_state_alone():
    G, D = pair("biggan")
    z, y = torch.zeros(2, 8), torch.tensor([0, 1])
    state = torch.get_rng_state()
    D(G(z, G.shared(y)), y)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_rgb_convolution_of_the_paper_is_divided_by_the_sigma_of_all_its_rows():
    G, _ = pair("biggan_deep", init="N02")
    G.eval()
    seen = []
    G.output_layer[1].register_forward_hook(lambda _module, _args, out: seen.append(out))
    image = G(torch.randn(2, 8), G.shared(torch.tensor([0, 1])))
    rgb = G.output_layer[2]
    assert rgb.weight.shape[0] == 32
    assert_close(image, torch.tanh(rgb(seen[0])[:, :3]))
    with torch.no_grad():
        rgb.weight[5] *= 1000  # a row that is no part of the image
    assert G.output_layer[2](seen[0])[:, :3].abs().max() < 0.1 * image.abs().max()


KEYS = {  # sha256 over the sorted lines "key shape" of BigGAN-PyTorch's state dicts at 128 pixels, first 16 digits
    "biggan.Generator": "459292636951839d",
    "biggan.Discriminator": "9657f15ced08ad97",
    "biggan_deep.Generator": "0525b8463aa16177",
    "biggan_deep.Discriminator": "2e9742e023401f3c",
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_and_shapes_are_those_of_the_authors(name):
    module, kind = name.split(".")
    kwargs = {"rgb": "bgpt"} if name == "biggan_deep.Generator" else {}
    with torch.device("meta"):
        state = getattr(NETS[module], kind)(**kwargs).state_dict()
    lines = "\n".join(sorted(f"{key} {tuple(value.shape)}" for key, value in state.items()))
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == KEYS[name]


def test_initialisation():
    ortho, _ = pair("biggan")
    gram = ortho.blocks[0][0].conv1.weight.flatten(1)
    assert_close(gram @ gram.t(), torch.eye(len(gram)), rtol=0, atol=1e-5)
    assert not ortho.linear.bias.any()
    torchs = biggan.Generator(8, 8, 8, 3, attention=(), bias_init="torch")
    assert torchs.linear.bias.any()
    normal = biggan.Generator(8, 8, 8, 3, attention=(), init="N02")
    assert 0.018 < normal.blocks[0][0].conv1.weight.std() < 0.022
    sagan = biggan.Generator(8, 8, 8, 3, attention=(), hier=False, shared_dim=0, init="sagan")
    assert not sagan.blocks[0][0].bn1.gain.weight.any()
    bound = (6 / (2 * 32 * 9)) ** 0.5
    assert 0.95 * bound < sagan.blocks[0][0].conv2.weight.abs().max() <= bound
    xavier = biggan.Generator(8, 8, 8, 3, attention=(), hier=False, shared_dim=0, init="xavier")
    assert xavier.blocks[0][0].bn1.gain.weight.any()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"resolution": 48}, "resolution=48, expected one of 8, 16, 32, 64, 128, 256, 512"),
        ({"resolution": 32, "attention": (64,)}, "attention at 64 pixels, expected sizes out of 8, 16, 32"),
        ({"resolution": 32, "attention": (), "dim_z": 30}, "dim_z=30 cannot be cut into 4 equal parts"),
        ({"resolution": 32, "attention": (), "shared_dim": 0}, "hier joins z to a shared class embedding"),
    ],
)
def test_impossible_requests(kwargs, message):
    with pytest.raises(InputError, match=message):
        biggan.Generator(ch=8, **kwargs)
