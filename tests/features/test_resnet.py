"""ResNet-50 by its files: every layout on random weights, the network by counts and by a layer computed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import InputError
from ganvas.features import extractor
from ganvas.features.resnet import MEAN, STD, Bottleneck, ResNet50


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return ResNet50().state_dict()


HEAD = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
PROJECTION = {
    "projection_head.0.weight": torch.zeros(8, 2048), "projection_head.1.running_mean": torch.zeros(8),
    "prototypes.weight": torch.zeros(30, 8),
}  # fmt: skip


def layouts(state: dict[str, Tensor]) -> dict[str, tuple[str, dict]]:
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    return {
        "torchvision": ("resnet50", {**state, **HEAD}),
        "torchvision, old": ("resnet50", {**old, **HEAD}),
        "swav": ("swav", {f"module.{key}": value for key, value in {**state, **PROJECTION}.items()}),
        "swav, whole checkpoint": ("swav", {"epoch": 800, "state_dict": {f"module.{k}": v for k, v in state.items()}}),
        "lt": (
            "resnet50-lt",
            {"state_dict_best": {
                "feat_model": {f"module._feature_blocks.{k}": v for k, v in {**state, **HEAD}.items()},
                "classifier": {"module.fc.weight": torch.zeros(3)},
            }},
        ),
    }  # fmt: skip


def test_it_has_the_size_of_torchvisions(state: dict[str, Tensor]) -> None:
    """25,557,032 parameters with the classifier's 2,049,000; 320 tensors with its two."""
    assert sum(p.numel() for p in ResNet50().parameters()) == 25_557_032 - 2_049_000
    assert len(state) == 318
    strides = {k: m.conv2.stride[0] for k, m in ResNet50().named_modules() if isinstance(m, Bottleneck)}
    assert [k for k, stride in strides.items() if stride == 2] == ["layer2.0", "layer3.0", "layer4.0"]
    assert state["layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)


def test_a_block_is_the_papers() -> None:
    torch.manual_seed(1)
    block = Bottleneck(8, 2, 1).eval()
    x = torch.randn(1, 8, 5, 5)
    eps = (1 + 1e-5) ** -0.5
    y = F.relu(F.conv2d(x, block.conv1.weight) * eps)
    y = F.relu(F.conv2d(y, block.conv2.weight, padding=1) * eps)
    torch.testing.assert_close(block(x), F.relu(F.conv2d(y, block.conv3.weight) * eps + x))


@pytest.mark.parametrize("layout", ["torchvision", "torchvision, old", "swav", "swav, whole checkpoint", "lt"])
def test_every_layout_is_the_same_network(layout: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    name, held = layouts(state)[layout]
    path = tmp_path / "weights.pth"
    torch.save(held, path)
    network = extractor(name, weights=path)
    assert (network.name, network.dim, network.size) == (name, 2048, 224)
    assert all(torch.equal(value, state[key]) for key, value in network.net.state_dict().items())  # type: ignore[union-attr, operator]
    assert not network.net.training  # type: ignore[union-attr]


def test_images_are_seen_as_the_features_of_the_paper_were_made(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    network = extractor("swav", weights=path)
    x = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    seen = F.interpolate((x / 255 - mean) / std, size=(224, 224), mode="bicubic", align_corners=False)
    net = ResNet50().eval()
    net.load_state_dict(state)
    with torch.inference_mode():
        found = network(x)
        torch.testing.assert_close(found.features, net(seen), rtol=1e-4, atol=1e-5)
    assert found.features.shape == (2, 2048)
    assert found.logits is None
    assert (found.features >= 0).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("layer4.2.conv3.weight"), "layer4.2.conv3.weight differs"),
        (lambda s: s.update({"layer9.weight": torch.zeros(1)}), "layer9.weight differs"),
        (lambda s: s.update({"conv1.weight": torch.zeros(64, 3, 3, 3)}), "conv1.weight differs"),
    ],
)
def test_other_files_are_refused(change, says: str, state: dict[str, Tensor], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    changed = dict(state)
    change(changed)
    torch.save(changed, tmp_path / "other.pth")
    with pytest.raises(InputError, match=f"other.pth is no ResNet-50 of torchvision's layout .{says}"):
        extractor("resnet50", weights=tmp_path / "other.pth")


def test_without_weights_it_is_said_where_they_are() -> None:
    with pytest.raises(
        InputError, match=r"features swav need their weights: fetch https://.*swav_800ep_pretrain.pth.tar"
    ):
        extractor("swav")
    with pytest.raises(InputError, match=r"features resnet50-lt need their weights: fetch resnet50_uniform_e90.pth"):
        extractor("resnet50-lt")
