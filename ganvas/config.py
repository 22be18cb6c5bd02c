"""A paper's settings: the fields that every paper has, when a field applies, and how plain values become a `Config`.

No paper stands here.  A paper's own Config adds its fields below these and says with `only` when they count.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ganvas.errors import InputError, in_words

Policy = Literal["color", "translation", "cutout"]
Condition = dict[str, Any]  # field -> the value that it must have, or a tuple of values, or ANY: anything but nothing
ANY = "anything but nothing"
LIMITED = (  # for few images
    "augment", "augment_policy", "ada_target", "ada_speed", "lecam", "lecam_decay", "shift_consistency",
)  # fmt: skip
WIDTHS = ("_width", "_ch", "_dim", "dim_z")  # endings of names of widths of layers
LARGEST_WIDTH = 65_536  # of a layer: a slip of the finger, or a damaged file
LARGEST = {"resolution": 4096, "width": 4096, "channels": 4096, "num_blocks": 1000, "num_layers": 1000}
COUNTS = ("_width", "_ch", "D_steps", "_ratio", "n_critic", "n_critic_long")  # endings of names that are at least 1


def only(default: Any, *, either: bool = False, **when: Any) -> Any:
    """A field that counts only where other fields have these values (all of them, or with `either` one of them).

    Given where it does not count, it is refused; the card and the dry run leave it out.
    """
    return Field(default, json_schema_extra={"when": dict(when), "either": either})


class Config(BaseModel):
    """Fields that the engine reads, the same for every paper; a paper's Config adds its own below these.

    Unknown keys, impossible values and values that would be ignored raise `InputError` (use `configure`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    WHEN: ClassVar[dict[str, Condition]] = {}  # for fields of this class: what a paper adds to when they count
    LACKS: ClassVar[tuple[str, ...]] = ()  # fields of this class that a paper has no use for

    # data
    resolution: int = 32  # pixels per side; 0 for points
    channels: int = 3  # image channels (1 grey, 3 RGB); of points: their coordinates
    conditional: bool = False  # use the classes of the data, where they have any
    num_classes: int = 0  # filled in from the data if conditional; 0: unconditional
    flip: bool = only(False, resolution=ANY)  # mirror each real image with probability 1/2

    # length and optimisers
    images: int = 1_000_000  # real images shown to D in all; schedules are measured against it
    batch: int = 64  # real images per optimiser step
    accumulate: int = 1  # parts a batch is split into, gradients added up
    optimizer: Literal["adam", "rmsprop", "rmsprop_tf1"] = "adam"
    G_lr: float = 1e-4
    D_lr: float = 1e-4
    beta1: float = only(0.0, optimizer="adam")
    beta2: float = only(0.9, optimizer="adam")
    eps: float = 1e-8  # added to the root of the second moment
    lr_schedule: Literal["constant", "linear", "cosine"] = "constant"  # linear and cosine end at 0 after `images`

    # averaging of G
    ema: float = 0.0  # decay per iteration; 0: off, the live G is what samples
    ema_start: int = only(0, ema=ANY)  # iterations before which the average is a plain copy
    ema_ramp: bool = only(False, ema=ANY)  # decay at most (1 + i) / (10 + i) after i iterations: short runs move too
    ema_buffers: Literal["average", "copy"] = only("average", ema=ANY)  # batch-norm statistics and the like

    # few images
    augment: Literal["none", "diffaugment", "ada"] = only("none", resolution=ANY)  # of what D is shown, real and fake
    augment_policy: tuple[Policy, ...] = only(("color", "translation", "cutout"), augment="diffaugment")  # parts of it
    ada_target: float = only(0.6, augment="ada")  # of E[sign D(x)]: above it, more is augmented
    ada_speed: int = only(500_000, augment="ada")  # images in which the probability can go from 0 to 1
    lecam: float = 0.0  # weight of LeCam's regulariser
    lecam_decay: float = only(0.99, lecam=ANY)  # of the means of D's scores that it leans on
    shift_consistency: float = only(0.0, resolution=ANY)  # weight of |D(x) - D(x shifted)|^2 on real images

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (C, H, W), or (D,) for points."""
        return (self.channels, self.resolution, self.resolution) if self.resolution else (self.channels,)

    def reading(self) -> dict[str, Any]:
        """What the paper's reader must know besides the shape; most need nothing."""
        return {}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.batch < 1 or self.accumulate < 1 or self.batch % self.accumulate:
            raise ValueError(f"batch={self.batch} cannot be split into accumulate={self.accumulate} equal parts")
        for name, value in self:
            if isinstance(value, int) and value > LARGEST.get(name, LARGEST_WIDTH if name.endswith(WIDTHS) else value):
                raise ValueError(f"{name}={value:,}, expected {LARGEST.get(name, LARGEST_WIDTH):,} or less")
        for name, value in self:  # no field of any paper means something below 0, and no width or count at 0
            least = 1 if name.endswith(COUNTS) or name in ("channels", "dim_z") else 0
            if isinstance(value, int | float) and value < least:
                raise ValueError(f"{name}={value}, expected {least} or more")
        if self.images < 1:
            raise ValueError(f"images={self.images}, expected at least 1")
        if not self.augment_policy:
            raise ValueError("augment_policy=(), expected some of color, translation, cutout; or set augment=none")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema={self.ema}, expected a decay in [0, 1)")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"beta1={self.beta1}, beta2={self.beta2}, expected numbers in [0, 1)")
        return self

    def conditions(self, name: str) -> list[tuple[Condition, bool]]:
        """When a field counts: conditions that must all hold, each with whether one of its parts is enough."""
        extra = type(self).model_fields[name].json_schema_extra
        found: list[tuple[Condition, bool]] = []
        if isinstance(extra, dict) and isinstance(when := extra.get("when"), dict):
            found.append((dict(when), bool(extra["either"])))
        return found + ([(self.WHEN[name], False)] if name in self.WHEN else [])

    def unmet(self, name: str) -> str | None:
        """Why a field does not count here, in words: "lipschitz=penalise"; None where it counts."""
        if name in self.LACKS:
            return "other papers"
        for condition, either in self.conditions(name):
            held = [_holds(getattr(self, key), wanted) for key, wanted in condition.items()]
            if not (any(held) if either else all(held)):
                texts = [_in_words(key, wanted) for (key, wanted), h in zip(condition.items(), held) if not h]
                return (" or " if either else " and ").join(texts)
        return None

    def counting(self) -> dict[str, Any]:
        """The fields that count, with their values: what a card, a dry run and a model folder hold."""
        return {name: value for name, value in self.model_dump().items() if self.unmet(name) is None}


K = TypeVar("K", bound=Config)


def _holds(value: Any, wanted: Any) -> bool:
    if wanted is ANY:
        return bool(value)
    return value in wanted if isinstance(wanted, tuple) else value == wanted


def _in_words(key: str, wanted: Any) -> str:
    if wanted is ANY:
        return {"resolution": "images", "num_classes": "classes"}.get(key, f"{key} set")
    return f"{key}={' or '.join(map(_plain, wanted)) if isinstance(wanted, tuple) else _plain(wanted)}"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def configure(kind: type[K], values: dict[str, Any], given: Collection[str] | None = None) -> K:
    """A checked Config from plain values; raises InputError in one line that lists the known keys or the bad value.

    given: the keys that somebody asked for, which must count (all, if not said); others that do not count, such as a
    preset's under another network, take their defaults.
    """
    unknown = sorted(set(values) - set(kind.model_fields))
    if unknown:
        known = ", ".join(sorted(kind.model_fields))
        raise InputError(f"unknown key {', '.join(unknown)} for {kind.__module__.split('.')[-1]}; known keys: {known}")
    given = values.keys() if given is None else given
    config = _checked(kind, values)
    idle = {name: reason for name in values if (reason := config.unmet(name)) is not None}
    for name in given:
        if name in idle and values[name] != kind.model_fields[name].default:
            raise InputError(f"{name}={_plain(values[name])} given, but it counts only with {idle[name]}; leave it out")
    return _checked(kind, {name: value for name, value in values.items() if name not in idle}) if idle else config


def _checked(kind: type[K], values: dict[str, Any]) -> K:
    try:
        return kind(**values)
    except ValidationError as error:
        raise InputError(in_words(error)) from None
