"""What a request may say, and what answers look like: the types behind the API's description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ganvas.errors import InputError
from ganvas.rng import TruncationForm
from ganvas.serve.deliver import Format

MOST_SEED = 2**63 - 1
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Name = Annotated[str, Field(max_length=200)]


def as_list(value: Any) -> Any:
    """One class is a list of one."""
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


Classes = Annotated[
    Annotated[list[Name | int], Field(max_length=4096)] | None,
    BeforeValidator(as_list),
    Field(description="one for all images or one each, by name or index; none: drawn from the seed"),
]


class Asked(BaseModel):
    """What every request for images may say."""

    model_config = ConfigDict(extra="forbid")

    classes: Classes = None
    truncation: float | None = Field(
        default=None, gt=0, le=100, description="as in `ganvas sample`; none: the prior itself"
    )
    truncation_form: TruncationForm = "resample"
    format: Format = "png"
    columns: int | None = Field(default=None, ge=1, le=4096, description="of the picture of several images")
    gap: int = Field(default=0, ge=0, le=64, description="pixels between the images of one picture")
    scale: int = Field(default=1, ge=1, le=16, description="each pixel becomes so many, along both sides")


class SampleAsked(Asked):
    """Images of seeds: `seeds`, or `n` from `seed` on."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"seed": 7, "n": 4, "classes": ["3"], "truncation": 0.8, "format": "png"}]},
    )

    seed: Seed = 0
    n: int = Field(default=1, ge=1, le=100_000)
    seeds: list[Seed] | None = Field(default=None, min_length=1, max_length=100_000)

    def all_seeds(self) -> list[int]:
        """One seed an image."""
        if self.seeds is not None:
            return self.seeds
        if self.seed + self.n - 1 > MOST_SEED:
            raise InputError(f"seed {self.seed} and n {self.n} go beyond the largest seed, 2^63 - 1")
        return list(range(self.seed, self.seed + self.n))


class InterpolateAsked(Asked):
    """From each seed to the next in `steps` images; the last seed's own image stands at the end."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"seeds": [1, 2], "steps": 12, "format": "gif"}]}
    )

    seeds: list[Seed] = Field(min_length=2, max_length=256)
    steps: int = Field(default=8, ge=1, le=1000)


class MixAsked(Asked):
    """Images between two seeds, or among four at the corners of a square: left to right is u, top to bottom v."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"seeds": [1, 2, 3, 4], "u": [0.25], "v": [0.5]}]}
    )

    seeds: list[Seed] = Field(min_length=2, max_length=4)
    u: list[Annotated[float, Field(ge=0, le=1)]] = Field(default=[0.5], min_length=1, max_length=4096)
    v: list[Annotated[float, Field(ge=0, le=1)]] = Field(default=[0.0], min_length=1, max_length=4096)

    @model_validator(mode="after")
    def _square(self) -> MixAsked:
        if len(self.seeds) == 3:
            raise ValueError("3 seeds given, expected 2 or 4")
        if len(self.v) not in (1, len(self.u)):
            raise ValueError(f"{len(self.u)} values of u and {len(self.v)} of v given, expected as many, or one v")
        return self


class TowardAsked(Asked):
    """Images on the way from a code that was found to the image of a seed: 0 the code's own, 1 the seed's.

    classes: one, of the seed's image, and of the code where its class stands apart (not in StyleGAN2's w).
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"seed": 7, "weights": [0.0, 0.5, 1.0], "classes": ["3"]}]}
    )

    seed: Seed = 0
    weights: list[Annotated[float, Field(ge=0, le=1)]] = Field(default=[0.0], min_length=1, max_length=4096)

    @model_validator(mode="after")
    def _one_class(self) -> TowardAsked:
        if self.classes is not None and len(self.classes) != 1:
            raise ValueError(f"{len(self.classes)} classes given, expected one")
        if self.truncation is not None:
            raise ValueError("truncation given, but the code was found without one; leave it out")
        return self


class Size(BaseModel):
    """What a model makes."""

    channels: int
    height: int
    width: int


class ScoreShown(BaseModel):
    """A number, and how it was made."""

    name: str
    value: float | None
    spread: float | None = None
    protocol: dict[str, Any]


class ModelShown(BaseModel):
    """A model at hand."""

    id: str
    title: str = Field(description="the paper")
    paper: str
    preset: str | None
    size: Size | None = Field(description="null: it makes points")
    points: int | None = Field(default=None, description="coordinates of a point")
    classes: list[str]
    abilities: list[str] = Field(description="of sample, interpolate, mix, like, translate, judge, project")
    domains: dict[str, int] = Field(description="of a model of pairs: channels of what becomes a, and b")
    parameters: dict[str, int]
    images_seen: int | None
    best: str | None
    data: str | None
    scores: list[ScoreShown]
    licence: str | None
    notes: list[str]
    made_by: str | None = Field(description="the command that trained it, of a model that ships")
    picture: str | None = Field(description="address of its picture")
    example: str = Field(description="a command that uses it")


class ModelsShown(BaseModel):
    """All models at hand."""

    models: list[ModelShown]


class Wrong(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"error": "no model 'x'; GET /api/models lists them"}]})

    error: str


class Health(BaseModel):
    """That the server answers, and how long its line is."""

    status: str
    version: str
    waiting: int
