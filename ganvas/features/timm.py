"""Any classifier of the `timm` library, by name, as a feature network (extra: needs `timm` and with it torchvision)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.features.extractor import Extractor, Features, expect_uint8, hash_state
from ganvas.features.files import load_state
from ganvas.features.resize import RESIZES

FILTERS = {"bicubic": "clean_bicubic", "bilinear": "clean_bilinear"}  # timm's word -> the name of our resize


class Timm(Extractor):
    """A timm model: its pooled features, its classifier's logits, its own mean, std and input size.

    The whole image is resized to the input size; timm's centre crop (`crop_pct`) is left out, because a generator is
    judged by all of its image.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: str, net: Any, config: dict[str, Any]) -> None:
        super().__init__()
        channels, height, width = config["input_size"]
        if height != width or channels != 3:
            raise InputError(f"timm model {model} expects {config['input_size']}, only square RGB input is supported")
        self.name, self.weights_hash = f"timm-{model}", hash_state(net.state_dict())
        self.size, self.resize = height, FILTERS.get(config.get("interpolation", "bicubic"), "clean_bicubic")
        self.net = net.eval().requires_grad_(False)
        self.dim = int(net.num_features)
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1) * 255)

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Features:
        x = RESIZES[self.resize].apply(expect_uint8(images, 3), self.size)
        maps = self.net.forward_features((x - self.mean) / self.std)
        features = self.net.forward_head(maps, pre_logits=True)
        return Features(features.float().clone(), self.net.get_classifier()(features).float().clone())


def timm_extractor(model: str, weights: Path | None = None) -> Timm:
    """The extractor for a name of timm's list; `weights` is a file of its state dict, else timm downloads them."""
    try:
        timm = importlib.import_module("timm")
        timm_data = importlib.import_module("timm.data")
    except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch raises RuntimeError
        raise InputError(
            f"features timm:{model} need the timm library, which cannot be imported here ({error}); "
            "pip install timm, or use --features own"
        ) from None
    if model not in timm.list_models():
        raise InputError(f"timm has no model {model!r}; timm.list_models() names those it has")
    try:
        net = timm.create_model(model, pretrained=weights is None)
        if weights is not None:
            net.load_state_dict(load_state(weights))
    except (OSError, RuntimeError) as error:  # the network is away, or the file is another model's
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"weights of timm:{model} cannot be had ({reason}); fetch them elsewhere and pass the file as --weights"
        ) from None
    return Timm(model, net, timm_data.resolve_model_data_config(net))
