"""The authors' checkpoints as model folders: their files in, a folder like any other out.

Here: which files are what, which preset and Config they become.  Not here: how keys map (pretrained/).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas import api
from ganvas import folder as model_folder
from ganvas.api import Recipe
from ganvas.data import grid
from ganvas.errors import InputError
from ganvas.files import empty, must_be_writable, to_be_made
from ganvas.folder import Description
from ganvas.gan import GAN, configure
from ganvas.ops.pixels import to_uint8
from ganvas.papers import PAPERS
from ganvas.pretrained import biggan_deep_hub, biggan_hub, biggan_pytorch
from ganvas.pretrained.foreign import Imported, read_foreign

State = dict[str, Tensor]


def import_model(
    format: str,
    files: Sequence[Path],
    out: Path,
    preset: str | None = None,
    overrides: dict[str, Any] | None = None,
    class_names: list[str] | None = None,
) -> GAN:
    """Reads the files of a foreign format and writes a model folder.  -> the GAN, in evaluation mode

    The Config is the preset's (its training fields), then what the files show, then overrides (epsilons, which no
    file holds).  Raises InputError if a file cannot be read safely, is not of the format, or does not fit; then
    nothing is left behind.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}, expected one of {', '.join(FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} already exists and is not empty; pass another --out")
    must_be_writable(out / model_folder.CONFIG)
    overrides = dict(overrides or {})
    foreign = FORMATS[format](list(files), overrides)
    recipe = recipe_of(foreign, preset, overrides)
    k = recipe.config.num_classes
    if class_names is not None and len(class_names) != k:
        raise InputError(f"{len(class_names)} class names for {k} classes; give one line for each class")
    gan = recipe.on_meta().to_empty(device="cpu")  # every number comes from the files: initialising would be wasted
    fill(gan, foreign)
    gan.class_names = class_names or []
    description = Description(
        paper=recipe.paper,
        preset=recipe.preset,
        config=recipe.config.model_dump(),
        class_names=gan.class_names,
        preprocessing={"resolution": recipe.config.resolution, "channels": recipe.config.channels},
        data={"name": "as published", "count": "?", "fingerprint": "unknown"},
        notes=[f"imported from {format}: {', '.join(p.name for p in files)}", *foreign.notes],
    )
    with whole_or_absent(out):
        write(gan, description, out)
    return gan.eval()


def recipe_of(foreign: Imported, preset: str | None, overrides: dict[str, Any]) -> Recipe:
    """The recipe that imported weights are instances of."""
    found = dict(foreign.values) | {"G_only": foreign.D is None}
    found["statistics"] = len(next(iter(foreign.statistics.values()))) if foreign.statistics else 0
    told = ("sn_eps", "bn_eps", "final_bn_eps", "bias_init")  # what no file holds
    for key, value in overrides.items():
        if key in found and key not in told and found[key] != value:
            raise InputError(f"--set {key}={value} given, but the weights show {key}={found[key]}; leave it out")
    name = preset or default_preset(foreign)
    if name not in api.presets():
        raise InputError(f"unknown preset {name!r}; `ganvas papers` lists them")
    paper, row = api.presets()[name]
    known = PAPERS[paper].config_type.model_fields
    if needed := lacking(found, set(known)):
        raise InputError(f"{name} has no {', '.join(needed)}, which these weights need; leave --preset out")
    if bool(row.values.get("deep")) != bool(found["deep"]):
        kinds = ("BigGAN", "BigGAN-deep") if found["deep"] else ("BigGAN-deep", "BigGAN")
        raise InputError(f"{name} is a {kinds[0]}, these weights are a {kinds[1]}; leave --preset out")
    values = {**row.values, **{k: v for k, v in found.items() if k in known}, **overrides}
    return Recipe(paper, name, configure(PAPERS[paper].config_type, values))


def lacking(found: dict[str, Any], known: set[str]) -> list[str]:
    """What the weights have and a paper's Config cannot say, in order; what such a Config takes for granted is fine."""
    granted = {"D_wide": True, "G_sn": True, "D_placement": "size", "final_bn_eps": found["bn_eps"], "rgb": "paper"}
    return [k for k, v in found.items() if k not in known and v != granted.get(k, 0)]


def default_preset(foreign: Imported) -> str:
    """Whose training values are the likeliest: with a D, a script of BigGAN-PyTorch; else the paper's at that size."""
    values, pair = foreign.values, foreign.D is not None
    if pair and not values["D_wide"]:
        return "sngan-128"
    known = set(PAPERS["sagan"].config_type.model_fields)
    if pair and foreign.paper == "sagan" and values["G_attention"] and not lacking(values, known):
        return "sagan-128-bigganpt"
    fitting = PAPERS["biggan"].FAMILIES["biggan-deep" if values["deep"] else "biggan"](values["resolution"], False)
    return "biggan-128-bigganpt" if pair and fitting == "biggan-128" else fitting


def fill(gan: GAN, foreign: Imported) -> None:
    """Copies imported weights into the networks; every key must fit."""
    parts: dict[str, State] = {"G": foreign.G}
    if foreign.D is not None:
        parts["D"] = foreign.D
    if foreign.statistics:
        parts["hub"] = {name.replace(".", "/"): rows for name, rows in foreign.statistics.items()}
    for name, state in parts.items():
        broken = next((key for key, value in state.items() if not value.isfinite().all()), None)
        if broken is not None:
            raise InputError(f"{broken} of {name} is not finite: such weights make no images; take another checkpoint")
        try:
            getattr(gan, name).load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise InputError(
                f"the weights of {name} do not fit {gan.config.resolution} pixels as read ({reason})"
            ) from None


@contextmanager
def whole_or_absent(out: Path) -> Iterator[None]:
    """If the block fails, the folder and the parents that it made are gone again; an empty one is empty again."""
    made = to_be_made(out)
    try:
        yield
    except BaseException:
        empty(out, made)
        raise


def write(gan: GAN, description: Description, out: Path) -> None:
    """The model folder of a GAN that was not trained here."""
    model_folder.write_weights(out, gan.state_dict(), {"imported": "True"})
    x = gan.sample(16, seed=0, batch=4)
    grid.save(grid.grid(to_uint8(x).numpy()), out / model_folder.PICTURE)
    title = PAPERS[description.paper].title
    model_folder.write_card(
        out, description, title, api.parameter_counts(gan), "Weights as published, not trained here"
    )
    model_folder.write_description(out, description)


def read_biggan_pytorch(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """G*.pth, and if given D*.pth and G_ema*.pth, in any order or as their folder; the average is what samples."""
    paths = [p for f in files for p in (sorted(f.glob("*.pth")) if f.is_dir() else [f])]
    found: dict[str, tuple[Path, State]] = {}
    for path in paths:
        if path.is_file() and ("optim" in path.name or path.name.startswith("state_dict")):
            continue  # the optimisers' state and a pickle of settings: not weights
        state = read_foreign(path)
        kind = "D" if any(k.startswith("embed.") for k in state) else "G_ema" if "ema" in path.name.lower() else "G"
        if kind in found:
            raise InputError(f"{found[kind][0].name} and {path.name} are both a {kind}; give one of them")
        found[kind] = (path, state)
    G = found.get("G_ema") or found.get("G")
    if G is None:
        raise InputError(f"no generator among {', '.join(str(f) for f in files)}; give G_ema.pth or G.pth")
    eps = {k: overrides[k] for k in ("sn_eps", "bn_eps") if k in overrides}
    for key, value in eps.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"--set {key}={value} given, expected a number as 1e-6")
    foreign = biggan_pytorch.convert(G[1], found["D"][1] if "D" in found else None, **eps)
    if "G_ema" in found and "G" in found:
        foreign.notes.append(f"G is the average ({G[0].name}); the live {found['G'][0].name} was left out")
    foreign.values["bias_init"] = "torch"
    return foreign


def read_biggan_deep_hub(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """A folder with pytorch_model.bin and config.json, or these two files; weights are divided by their sigmas."""
    bake = not overrides.get("G_sn", False)
    if len(files) == 1 and files[0].is_dir():
        return biggan_deep_hub.load(files[0], bake=bake)
    configs, weights = ([f for f in files if (f.suffix == ".json") is wanted] for wanted in (True, False))
    if len(weights) != 1 or len(configs) > 1:
        raise InputError("give the folder that holds pytorch_model.bin and config.json, or these two files")
    config = configs[0] if configs else weights[0].with_name("config.json")
    if not config.is_file():
        raise InputError(f"{config} is missing; give the config.json that was published with the weights")
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{config} is not JSON ({error})") from None
    return biggan_deep_hub.convert(read_foreign(weights[0]), values, bake=bake)


def read_biggan_hub(files: list[Path], overrides: dict[str, Any]) -> Imported:
    """One .npz or .safetensors file of the hub module's variables."""
    if len(files) != 1:
        raise InputError(f"{len(files)} files given, expected one .npz or .safetensors of the module's variables")
    return biggan_hub.load(files[0])


FORMATS: dict[str, Callable[[list[Path], dict[str, Any]], Imported]] = {
    "biggan-pytorch": read_biggan_pytorch,
    "biggan-deep-hub": read_biggan_deep_hub,
    "biggan-hub": read_biggan_hub,
}


def read_class_names(path: Path) -> list[str]:
    """One name a line."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
