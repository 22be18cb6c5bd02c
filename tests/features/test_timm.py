"""The timm adapter on a stand-in library: names, preprocessing, features before and after the classifier."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from ganvas.errors import InputError
from ganvas.features import extractor


class StandIn(nn.Module):
    """What timm promises of a model: num_features, forward_features, forward_head, get_classifier."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        pooled = x.mean((2, 3))
        return pooled if pre_logits else self.fc(pooled)

    def get_classifier(self) -> nn.Module:
        return self.fc


CONFIG = {"input_size": (3, 6, 6), "mean": (0.5, 0.25, 0.0), "std": (0.5, 0.5, 1.0), "interpolation": "bilinear"}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    def create_model(name: str, pretrained: bool) -> nn.Module:
        asked.update(name=name, pretrained=pretrained)
        return StandIn()

    timm, data = ModuleType("timm"), ModuleType("timm.data")
    vars(timm).update(create_model=create_model, list_models=lambda: ["resnet50"], data=data)
    vars(data).update(resolve_model_data_config=lambda net: CONFIG)
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "timm.data", data)
    return asked


def test_features_are_the_models_own_preprocessing(library: dict[str, Any]) -> None:
    network = extractor("timm:resnet50")
    assert library == {"name": "resnet50", "pretrained": True}
    assert (network.name, network.dim, network.size, network.resize) == ("timm-resnet50", 3, 6, "clean_bilinear")
    found = network(torch.full((2, 3, 4, 4), 255, dtype=torch.uint8))
    torch.testing.assert_close(found.features, torch.tensor([[1.0, 1.5, 1.0]] * 2))
    assert found.logits is not None
    assert found.logits.shape == (2, 2)


def test_an_unknown_model_and_a_broken_library_are_one_sentence(
    library: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="timm has no model 'resnet51'"):
        extractor("timm:resnet51")
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "timm.data", None)
    with pytest.raises(InputError, match="need the timm library"):
        extractor("timm:resnet50")
