"""A generator as one file for other programs: ONNX or torch.export, with what a sample is made from as inputs.

Of a model that seeds sample: `z` latents, `y` classes, `h` features of instances, `truncation` (the clamp form); of a
model of pairs: `image`.  The number of rows is free, and of pairs the size.  What was written is compared with the
model before it takes its place.  Not here: drawing latents (rng.py, or whoever runs the file).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas import __version__, rng, translation
from ganvas.errors import InputError
from ganvas.files import write_atomic
from ganvas.gan import GAN, Given, Request

Kind = Literal["onnx", "torch"]
TOLERANCE = 1e-4  # of a pixel in [-1, 1], the largest difference that passes
OPSET = 20
FREE = 1e4  # a truncation that truncates nothing


@dataclass(frozen=True)
class Exported:
    """What was written.  difference: the largest of a pixel, over rows that the export has not seen"""

    path: Path
    inputs: dict[str, list[int | str]]  # name -> shape, with words for what is free
    difference: float


class Sampler(nn.Module):
    """z [N, Z], y [N], h [N, F], truncation [] -> images [N, C, H, W] in [-1, 1]; what a model lacks is left out.

    What a class becomes is worked out once, for all classes: a table whose rows `y` picks.
    """

    def __init__(self, gan: GAN) -> None:
        super().__init__()
        self.gan, self.classes = gan, gan.config.num_classes
        example = gan.blank(1, gan.device).given.h
        self.features = 0 if example is None else example.shape[1]
        rows = max(self.classes, 1)
        y = torch.arange(self.classes, device=gan.device) if self.classes else None
        h = None if example is None else torch.zeros(rows, self.features, device=gan.device)
        with torch.no_grad():
            self.code = gan.code(Request([0] * rows, Given(y=y, h=h)))
        if not is_dataclass(self.code) or not isinstance(getattr(self.code, "z", None), Tensor):
            raise InputError(f"{gan.title} has no latents that a file could take; nothing is written")
        self.tables = [f.name for f in fields(self.code) if self.is_table(f.name)]
        for name in self.tables:
            self.register_buffer(f"table_{name}", getattr(self.code, name).to(gan.device), persistent=True)
        self.clamps = clamps(gan)

    def is_table(self, name: str) -> bool:
        """Whether a field of a code follows from the class alone."""
        return name not in ("z", "h") and isinstance(getattr(self.code, name), Tensor)

    @property
    def names(self) -> list[str]:
        """Inputs in their order."""
        has = {"z": True, "y": self.classes, "h": self.features, "truncation": self.clamps}
        return [name for name, there in has.items() if there]

    def forward(self, *given: Tensor) -> Tensor:
        """In the order of `names`."""
        asked = dict(zip(self.names, given))
        z = asked["z"]
        if self.clamps:
            z = torch.minimum(torch.maximum(z, -asked["truncation"]), asked["truncation"])
        y = asked["y"] if self.classes else torch.zeros_like(z[:, 0], dtype=torch.int64)
        made = {name: getattr(self, f"table_{name}")[y] for name in self.tables}
        if self.features:
            made["h"] = asked["h"]
        return self.gan.decode(replace(self.code, z=z, **made))

    def example(self, n: int, seed: int) -> tuple[Tensor, ...]:
        """Inputs for n rows."""
        draw = rng.generator("export", seed)
        values = {"z": torch.randn(n, self.code.z.shape[1], generator=draw), "truncation": torch.tensor(0.8)}
        if self.classes:
            values["y"] = torch.randint(self.classes, (n,), generator=draw)
        if self.features:
            values["h"] = nn.functional.normalize(torch.randn(n, self.features, generator=draw), dim=1)
        return tuple(values[name].to(self.gan.device) for name in self.names)

    def free(self) -> dict[str, dict[int, str]]:
        """Name -> axis -> what is free there."""
        return {name: {} if name == "truncation" else {0: "n"} for name in self.names}


class Translator(nn.Module):
    """image [N, C, H, W] -> its translation, [N, C', H, W], both in [-1, 1]."""

    names = ("image",)

    def __init__(self, gan: GAN, to: str) -> None:
        super().__init__()
        self.gan, self.net = gan, translation.generator(gan, to)

    def forward(self, *given: Tensor) -> Tensor:
        return self.net(given[0])

    def example(self, n: int, seed: int) -> tuple[Tensor, ...]:
        """Inputs for n rows; other seeds have other sizes."""
        height, width = (side + 16 * seed for side in self.gan.config.shape[1:])
        draw = rng.generator("export", seed)
        return ((torch.rand(n, self.net.channels_in, height, width, generator=draw) * 2 - 1).to(self.gan.device),)

    def free(self) -> dict[str, dict[int, str]]:
        """Name -> axis -> what is free there."""
        return {"image": {0: "n", 2: "height", 3: "width"}}


def export(gan: GAN, out: Path, to: Kind, domain: str = "b", about: dict[str, Any] | None = None) -> Exported:
    """Writes the generator, after comparing what is written with the model.  Raises InputError where they differ.

    domain: of a model of pairs, which generator.  about: facts for the file's metadata.
    """
    gan = gan.cpu().eval().requires_grad_(False)
    module: Any = Sampler(gan) if gan.seeds_suffice else Translator(gan, domain)
    module.eval()
    facts = {"ganvas": __version__, "title": gan.title, "classes": gan.class_names, **(about or {})}
    found: list[float] = []

    def write(path: Path) -> None:
        run = (write_onnx if to == "onnx" else write_torch)(module, path, facts)
        found.append(max(difference(module, run, n, seed) for n, seed in ((1, 1), (3, 2))))
        if not found[0] <= TOLERANCE:
            raise InputError(
                f"what was exported differs by {found[0]:.2g} from the model, at most {TOLERANCE:g} passes"
            )

    write_atomic(out, write)
    shapes = {name: shape(t, module.free()[name]) for name, t in zip(module.names, module.example(1, 0))}
    return Exported(out, shapes, found[0])


def write_onnx(module: Any, path: Path, facts: dict[str, Any]) -> Callable[..., Tensor]:
    """The ONNX file.  -> a function that runs it"""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f"{error.name} is not installed; pip install 'ganvas[export]'") from None
    with in_one_line("onnx"):
        program = torch.onnx.export(
            module, module.example(2, 0), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=list(module.names), output_names=["images"], dynamic_shapes=(axes(module),),
        )  # fmt: skip
        assert program is not None
        program.save(str(path))
    model = onnx.load(str(path))
    named: dict[str, str] = {}
    for one in model.graph.input:
        for axis, word in module.free()[one.name].items():
            named[one.type.tensor_type.shape.dim[axis].dim_param] = word
    for one in (*model.graph.input, *model.graph.output):
        for dim in one.type.tensor_type.shape.dim:
            if dim.dim_param in named:
                dim.dim_param = named[dim.dim_param]
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(*given: Tensor) -> Tensor:
        feeds = {name: t.numpy() for name, t in zip(module.names, given)}
        return torch.from_numpy(session.run(None, feeds)[0])

    return run


def write_torch(module: Any, path: Path, facts: dict[str, Any]) -> Callable[..., Tensor]:
    """torch.export's file.  -> a function that runs it"""
    with in_one_line("torch.export"):
        program = torch.export.export(module, module.example(2, 0), dynamic_shapes=(axes(module),))
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={"ganvas.json": json.dumps(facts)})
    with path.open("rb") as file:
        again = torch.export.load(file)
    return lambda *given: again.module()(*given)


def axes(module: Any) -> tuple[dict[int, Any] | None, ...]:
    """What is free of each input, as torch.export wants it: it finds the least sizes itself."""
    free = module.free()
    return tuple(dict.fromkeys(free[name], torch.export.Dim.DYNAMIC) or None for name in module.names)


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """What an exporter raises, as one line."""
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"this generator has no form in {what} ({type(error).__name__}: {reason})") from error


def difference(module: Any, run: Callable[..., Tensor], n: int, seed: int) -> float:
    """The largest of a pixel, for inputs of a seed."""
    given = module.example(n, seed)
    with torch.no_grad():
        return float((module(*given) - run(*given)).abs().max())


def clamps(gan: GAN) -> bool:
    """Whether latents of this model may be clamped: not where truncation is something else."""
    try:
        gan.code(Request([0], Given(y=None, h=None) if not gan.config.num_classes else gan.given([0]), 0.5, "clamp"))
    except InputError:
        return False
    return True


def shape(t: Tensor, free: dict[int, str]) -> list[int | str]:
    """A tensor's shape with words where it is free."""
    return [free.get(axis, size) for axis, size in enumerate(t.shape)]
