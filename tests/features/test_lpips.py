"""LPIPS: layouts of both files, the definition on a case by hand, and the error that says what to fetch."""

from pathlib import Path

import pytest
import torch

from ganvas.errors import InputError
from ganvas.features.lpips import LPIPS, lpips

ALEX = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
VGG = {0: 3, 2: 64, 5: 64, 7: 128, 10: 128, 12: 256, 14: 256, 17: 256, 19: 512, 21: 512, 24: 512, 26: 512, 28: 512}
VGG_OUT = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256}


def backbone(net: str) -> dict[str, torch.Tensor]:
    """Random weights in torchvision's layout of AlexNet or VGG16, with a classifier that LPIPS must pass over."""
    rng = torch.Generator().manual_seed(0)
    shapes = ALEX if net == "alex" else {at: (VGG_OUT.get(at, 512), given, 3) for at, given in VGG.items()}
    state = {"classifier.1.bias": torch.zeros(4)}
    for at, (out, given, kernel) in shapes.items():
        state[f"features.{at}.weight"] = torch.randn(out, given, kernel, kernel, generator=rng) / (
            given * kernel**2 / 2
        ) ** (0.5)
        state[f"features.{at}.bias"] = torch.zeros(out)
    return state


def lin(net: str) -> dict[str, torch.Tensor]:
    widths = [64, 192, 384, 256, 256] if net == "alex" else [64, 128, 256, 512, 512]
    return {f"lin{i}.model.1.weight": torch.full((1, width, 1, 1), 0.5) for i, width in enumerate(widths)}


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_distance_of_layouts_by_file(tmp_path: Path, net: str) -> None:
    torch.save(backbone(net), tmp_path / "backbone.pth")
    torch.save(lin(net), tmp_path / "lin.pth")
    distance = lpips(net, tmp_path / "backbone.pth", tmp_path / "lin.pth")
    side = 64 if net == "alex" else 16
    a, b = torch.randint(0, 256, (2, 2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(distance(a, a), torch.zeros(2))
    assert (distance(a, b) > 0.01).all()
    torch.testing.assert_close(distance(a, b), distance(b, a))
    torch.testing.assert_close(distance(a, b)[1:], distance(a[1:], b[1:]), rtol=1e-4, atol=0)
    torch.testing.assert_close(distance(a / 127.5 - 1, b), distance(a, b))


def test_equal_weights_of_one_half_give_one_minus_cosine() -> None:
    """With lin = 1/2, each stage adds mean(1 - cos) of its maps: sum (u - v)^2 / 2 for unit vectors u, v."""
    distance = LPIPS("alex", backbone("alex"), lin("alex"))
    a, b = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    expected = torch.zeros(1)
    shift, scale = torch.tensor([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]]).view(2, 1, 3, 1, 1)  # the authors'
    left, right = ((x - shift) / scale for x in (a, b))
    for number, layer in enumerate(distance.body):
        left, right = layer(left), layer(right)
        if number in (1, 4, 7, 9, 11):
            expected += 1 - torch.nn.functional.cosine_similarity(left, right, dim=1).mean((1, 2))
    torch.testing.assert_close(distance(a, b), expected, rtol=1e-4, atol=1e-6)


def test_it_can_be_a_loss() -> None:
    a = torch.zeros(1, 3, 64, 64, requires_grad=True)
    b = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    LPIPS("alex", backbone("alex"), lin("alex"))(a, b).sum().backward()
    assert a.grad is not None
    assert a.grad.abs().sum() > 0


def test_missing_files_are_named() -> None:
    with pytest.raises(InputError, match=r"download .*alexnet-owt-7be5be79.pth.* and .*alex.pth"):
        lpips("alex")
    with pytest.raises(InputError, match=r"backbone lacks features\.0\.weight"):
        LPIPS("vgg", backbone("alex"), lin("vgg"))
    with pytest.raises(InputError, match="lack lin1"):
        LPIPS("alex", backbone("alex"), lin("vgg"))
    with pytest.raises(InputError, match="expected one of alex, vgg"):
        lpips("squeeze")
