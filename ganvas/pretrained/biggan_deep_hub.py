"""The published BigGAN-deep generators in the conversion of huggingface/pytorch-pretrained-BigGAN (MIT).

Theirs against ours: the condition is [z, y], ours [y, z]; the first layer's rows run over (4, 4, C), ours (C, 4, 4);
batch norm has 51 precomputed statistics for truncations 0, 0.02, ..., 1; spectral norm is torch's hook, with u and v.
D was never published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.files import reason_of
from ganvas.pretrained.foreign import Imported, need, read_foreign

FORMAT = "pytorch-pretrained-BigGAN"
TOLD = ("sn_eps", "bn_eps", "final_bn_eps", "bias_init")  # what no file holds
ATTENTION = {
    "snconv1x1_theta": "theta",
    "snconv1x1_phi": "phi",
    "snconv1x1_g": "g",
    "snconv1x1_o_conv": "o",
}


def read(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """A folder with pytorch_model.bin and config.json, or these two files; weights are divided by their sigmas."""
    bake = not overrides.get("G_sn", False)
    if len(files) == 1 and files[0].is_dir():
        return load(files[0], bake=bake)
    configs, weights = ([f for f in files if (f.suffix == ".json") is wanted] for wanted in (True, False))
    if len(weights) != 1 or len(configs) > 1:
        raise InputError("give the folder that holds pytorch_model.bin and config.json, or these two files")
    config = configs[0] if configs else weights[0].with_name("config.json")
    if not config.is_file():
        raise InputError(f"{config} is missing; give the config.json that was published with the weights")
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{config} is not JSON ({reason_of(error)})") from None
    return convert(read_foreign(weights[0]), values, bake=bake)


def load(folder: str | Path, truncation: float = 1.0, bake: bool = False) -> Imported:
    """A folder with their `pytorch_model.bin` (or .safetensors) and `config.json`; see `convert`."""
    folder = Path(folder)
    files = [folder / name for name in ("pytorch_model.safetensors", "pytorch_model.bin") if (folder / name).is_file()]
    if not files:
        raise InputError(f"{folder} has no pytorch_model.bin; give the folder that holds it and config.json")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} has no config.json; put the one published with the weights there") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{folder / 'config.json'} is no JSON: {reason_of(error)}") from None
    return convert(read_foreign(files[0]), config, truncation, bake)


def convert(
    state: Mapping[str, Tensor], config: Mapping[str, Any], truncation: float = 1.0, bake: bool = False
) -> Imported:
    """Their state dict -> ours, with the statistics of one truncation in place and all 51 rows in `statistics`.

    Ours iterates once from the stored u to find sigma, their hook reuses its stored v: the same number only where u
    has converged. `bake` divides every weight by their sigma instead and returns plain layers (`G_sn` False): exact,
    but not for further training.
    """
    shape = shape_of(config)
    z_dim, attention = shape["z_dim"], shape["attention"]
    renamed: dict[str, Tensor] = {"shared.weight": need(state, "embeddings.weight", FORMAT).t().contiguous()}
    statistics: dict[str, Tensor] = {}
    worst = 0.0
    for key, value in state.items():
        owner, _, last = key.rpartition(".")
        ours = our_name(owner, attention)
        if last in ("running_means", "running_vars"):
            statistics[f"{ours}.stored_{'mean' if last == 'running_means' else 'var'}"] = value
        elif last == "weight_orig":
            weight, u = reordered(ours, value, z_dim), reordered(ours, need(state, f"{owner}.weight_u", FORMAT), z_dim)
            theirs = their_sigma(value, state[f"{owner}.weight_u"], need(state, f"{owner}.weight_v", FORMAT))
            worst = max(worst, abs(float(our_sigma(weight, u) / theirs) - 1))
            renamed |= _layer(ours, weight, u, theirs, bake)
        elif last == "gamma":
            renamed[f"{ours}.gamma"] = value.reshape(())
        elif last in ("weight", "bias") and owner != "embeddings":
            name = "gain" if last == "weight" else "bias"
            renamed[f"{ours}.{name}"] = reordered(ours, value, z_dim)
    renamed |= at_truncation(statistics, truncation)
    return Imported(
        "biggan",
        {**_values(renamed, shape, bake), "statistics": len(next(iter(statistics.values())))},
        renamed,
        notes=_notes(bake, worst),
        statistics=statistics,
        parts={"hub": {name.replace(".", "/"): rows for name, rows in statistics.items()}},
        presets=("biggan-deep",),
        alike=("deep",),
        told=TOLD,
    )


def shape_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What their config.json says about the network; raises InputError if it is another file."""
    try:
        return {
            "z_dim": int(config["z_dim"]),
            "attention": int(config["attention_layer_position"]),
            "ch": int(config["channel_width"]),
            "eps": float(config["eps"]),
            "resolution": 4 << sum(bool(layer[0]) for layer in config["layers"]),
        }
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"this config.json is not that of {FORMAT} ({error!r}); take the one of the weights") from None


def our_name(owner: str, attention: int) -> str:
    """The name of their module in our network; `attention` is the attention block's place in their list of layers."""
    fixed = {"generator.gen_z": "linear", "generator.bn": "output_layer.0", "generator.conv_to_rgb": "output_layer.2"}
    if owner in fixed:
        return fixed[owner]
    parts = owner.split(".")
    if parts[:2] != ["generator", "layers"]:
        return owner
    try:
        index, inner = int(parts[2]), parts[3:]
        if index == attention:
            return ".".join([f"blocks.{index - 1}.1", *(ATTENTION[name] for name in inner)])
        block = f"blocks.{index - (index > attention)}.0"
        kind, number = inner[0].split("_")
        rest = [{"scale": "gain", "offset": "bias"}[name] for name in inner[1:]]
        return ".".join([block, f"{kind}{int(number) + 1}", *rest])
    except (ValueError, KeyError, IndexError):
        raise InputError(
            f"{owner!r} is no layer of {FORMAT} with attention at {attention}; give the config.json of these weights"
        ) from None


def reordered(ours: str, tensor: Tensor, z_dim: int) -> Tensor:
    """Columns of a condition from [z, y] to [y, z]; rows of the first layer from (4, 4, C) to (C, 4, 4)."""
    takes_condition = ours == "linear" or (".bn" in ours and ours.split(".")[-1] in ("gain", "bias"))
    if takes_condition and tensor.dim() == 2:
        tensor = torch.cat([tensor[:, z_dim:], tensor[:, :z_dim]], 1)
    if ours == "linear":
        grid = tensor.view(4, 4, -1, *tensor.shape[1:])
        tensor = grid.permute(2, 0, 1, *range(3, grid.dim())).reshape(tensor.shape)
    return tensor


def their_sigma(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """torch's hook in evaluation mode: u^T W v with both vectors as stored."""
    return u @ weight.flatten(1) @ v


def our_sigma(weight: Tensor, u: Tensor) -> Tensor:
    """One power iteration from u, as our layers take it: |W v| with v = u W / |u W|."""
    matrix = weight.flatten(1)
    v = torch.nn.functional.normalize(u @ matrix, dim=0)
    return (matrix @ v).norm()


def at_truncation(statistics: Mapping[str, Tensor], truncation: float) -> dict[str, Tensor]:
    """Batch-norm statistics for a truncation in (0, 1], to be loaded over G's.  [51, C] each -> [C] each

    Between two rows they are interpolated. (The original interpolates with the weights swapped, and at 0.14, 0.28,
    0.56, 0.58 and 0.94 takes the row next to the right one, because 50 t is a hair below a whole number.)
    """
    if not 0 < truncation <= 1:
        raise InputError(f"truncation={truncation}, expected a number in (0, 1]; 1 is untruncated")
    return {key: interpolated(rows, truncation) for key, rows in statistics.items()}


def interpolated(rows: Tensor, truncation: float) -> Tensor:
    """The row at `truncation` of statistics on an even grid from 0 to 1.  [S, C] -> [C]"""
    place = truncation * (len(rows) - 1)
    if abs(place - round(place)) < 1e-6:
        return rows[round(place)].clone()
    low = int(place)
    return torch.lerp(rows[low], rows[low + 1], place - low)


def _layer(name: str, weight: Tensor, u: Tensor, sigma: Tensor, bake: bool) -> dict[str, Tensor]:
    if bake:
        return {f"{name}.weight": weight / sigma}
    return {f"{name}.weight": weight, f"{name}.u0": u[None], f"{name}.sv0": sigma.reshape(1)}


def _values(G: Mapping[str, Tensor], shape: Mapping[str, Any], bake: bool) -> dict[str, Any]:
    return {
        "resolution": shape["resolution"],
        "channels": 3,
        "num_classes": G["shared.weight"].shape[0],
        "dim_z": shape["z_dim"],
        "shared_dim": G["shared.weight"].shape[1],
        "deep": True,
        "rgb": "paper",
        "G_ch": shape["ch"],
        "G_attention": [4 << (shape["attention"] // 2)],
        "G_sn": not bake,
        "sn_eps": shape["eps"],
        "bn_eps": shape["eps"],
        "final_bn_eps": shape["eps"],
    }


def _notes(bake: bool, worst: float) -> list[str]:
    notes = ["a generator only: its discriminator was never published"]
    if bake:
        return [*notes, "weights were divided by the published sigmas: exact, not meant for further training"]
    if worst > 1e-4:
        notes.append(f"sigma differs by up to {worst:.1e} from the published one; bake the weights to be exact")
    return notes
