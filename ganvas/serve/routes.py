"""Models and what they make, as addresses."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, File, Query, Request, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, Response
from PIL import Image
from starlette.exceptions import HTTPException

from ganvas import translation
from ganvas.errors import InputError
from ganvas.models.card import without_head
from ganvas.serve import making
from ganvas.serve.asked import (
    Asked,
    InterpolateAsked,
    MixAsked,
    ModelShown,
    ModelsShown,
    SampleAsked,
    ScoreShown,
    Size,
)
from ganvas.serve.deliver import MEDIA, Format, encoded, uploaded
from ganvas.serve.limits import Limits
from ganvas.serve.shelf import Entry
from ganvas.serve.training import Training

router = APIRouter(prefix="/api")
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The images",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA.values()},
    }
}


def file_of(kind: str) -> dict[int | str, dict[str, Any]]:
    """The description of an answer that is a file of this type."""
    return {200: {"description": "The file", "content": {kind: {"schema": {"type": "string", "format": "binary"}}}}}


Upload = Annotated[UploadFile, File(description="PNG, JPEG, WebP, GIF or BMP")]


def station(request: Request) -> Any:
    """What the routes share."""
    return request.app.state.station


@router.get("/limits", tags=["server"], summary="What one request may ask")
async def limits(request: Request) -> Limits:
    return station(request).limits


@router.get("/models", tags=["models"], summary="The models at hand")
async def models(request: Request) -> ModelsShown:
    s = station(request)

    def work() -> list[ModelShown]:
        return [shown(entry, s.training) for entry in s.shelf.renew().values()]

    return ModelsShown(models=await anyio.to_thread.run_sync(work))


@router.get("/models/{model}", tags=["models"], summary="One model")
async def model(request: Request, model: str) -> ModelShown:
    s = station(request)
    entry = s.shelf.find(model)
    return await anyio.to_thread.run_sync(lambda: shown(entry, s.training))


@router.get("/models/{model}/picture", tags=["models"], summary="Its picture", response_class=FileResponse,
            responses=file_of("image/png"))  # fmt: skip
async def picture(request: Request, model: str) -> FileResponse:
    path = station(request).shelf.find(model).picture()
    if path is None:
        raise HTTPException(404, f"{model} has no picture")
    return FileResponse(path, media_type="image/png", headers={"cache-control": "no-cache"})


@router.get("/models/{model}/card", tags=["models"], summary="Its card", response_class=PlainTextResponse)
async def card(request: Request, model: str) -> PlainTextResponse:
    path = station(request).shelf.find(model).folder / "README.md"
    whole = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return PlainTextResponse(without_head(whole))


@router.get("/models/{model}/sample", tags=["make"], summary="Images of seeds", responses=PICTURES)
async def sample_by_address(request: Request, model: str, asked: Annotated[SampleAsked, Query()]) -> Response:
    return await sampled(request, model, asked)


@router.post("/models/{model}/sample", tags=["make"], summary="Images of seeds", responses=PICTURES)
async def sample(request: Request, model: str, asked: SampleAsked) -> Response:
    return await sampled(request, model, asked)


async def sampled(request: Request, model: str, asked: SampleAsked) -> Response:
    """The answer of both."""
    s = station(request)
    x = await s.made(request, making.sample(s.shelf, s.shelf.find(model), asked, s.limits))
    return await answer(s, x, asked, [f"seed{seed:06d}-{i:03d}" for i, seed in enumerate(asked.all_seeds())])


@router.post("/models/{model}/interpolate", tags=["make"], summary="From seed to seed", responses=PICTURES)
async def interpolate(request: Request, model: str, asked: InterpolateAsked) -> Response:
    s = station(request)
    x = await s.made(request, making.interpolate(s.shelf, s.shelf.find(model), asked, s.limits))
    return await answer(s, x, asked, [f"step{i:04d}" for i in range(len(x))])


@router.post("/models/{model}/mix", tags=["make"], summary="Between two seeds, or among four", responses=PICTURES)
async def mix(request: Request, model: str, asked: MixAsked) -> Response:
    s = station(request)
    x = await s.made(request, making.mix(s.shelf, s.shelf.find(model), asked, s.limits))
    return await answer(s, x, asked, [f"mix{i:04d}" for i in range(len(x))])


@router.post("/models/{model}/like", tags=["make"], summary="Images like a picture", responses=PICTURES)
async def like(request: Request, model: str, file: Upload, asked: Annotated[SampleAsked, Query()]) -> Response:
    """Of a model of instances (IC-GAN): images of seeds that are like the upload."""
    s = station(request)
    order = making.like(s.shelf, s.shelf.find(model), asked, s.limits, await opened(s, file))
    names = [f"like-seed{seed:06d}-{i:03d}" for i, seed in enumerate(asked.all_seeds())]
    return await answer(s, await s.made(request, order), asked, names)


@router.post(
    "/models/{model}/judge", tags=["make"], summary="Images of seeds, each with its map of pixels", responses=PICTURES
)
async def judge(request: Request, model: str, asked: SampleAsked) -> Response:
    """For each seed the image, then what D says of its pixels: white real, black fake."""
    s = station(request)
    x = await s.made(request, making.judge(s.shelf, s.shelf.find(model), asked, s.limits, None))
    names = [f"seed{seed:06d}-{i:03d}-{what}" for i, seed in enumerate(asked.all_seeds()) for what in ("image", "map")]
    return await answer(s, pairs(x), asked, names)


@router.post(
    "/models/{model}/judge-picture", tags=["make"], summary="A picture and its map of pixels", responses=PICTURES
)
async def judge_picture(
    request: Request, model: str, file: Upload, label: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """The picture as the model sees it, then what D says of its pixels.  label: its class, of a model with classes."""
    s = station(request)
    entry = s.shelf.find(model)
    asked = SampleAsked(classes=[label] if label is not None else None)
    x = await s.made(request, making.judge(s.shelf, entry, asked, s.limits, await opened(s, file)))
    return await answer(s, pairs(x), asked, ["image", "map"])


@router.post("/models/{model}/translate", tags=["make"], summary="A picture in the other domain", responses=PICTURES)
async def translate(
    request: Request,
    model: str,
    file: Upload,
    to: Annotated[Literal["a", "b"], Query(description="the domain of the answer")] = "b",
    size: Annotated[Literal["model", "own"], Query(description="of the training images, or the picture's")] = "model",
    format: Annotated[Format, Query()] = "png",
) -> Response:
    s = station(request)
    order = making.translate(s.shelf, s.shelf.find(model), await opened(s, file), to, size == "own")
    return await answer(s, await s.made(request, order), Asked(format=format), ["translated"])


async def opened(s: Any, file: UploadFile) -> Image.Image:
    """The picture of an upload; few are decoded at a time."""
    content = await file.read()
    return await anyio.to_thread.run_sync(uploaded, content, s.limits.upload_pixels, limiter=s.decoding)


async def answer(s: Any, x: Any, asked: Asked, names: list[str]) -> Response:
    """Images in the format that was asked for."""
    form = asked.format
    if x.dim() == 2 and form not in ("png", "npy"):
        raise InputError(f"format {form} given, but this model makes points; expected png (a plot) or npy")
    try:
        content = await s.encode(encoded, x, form, asked.columns, asked.gap, asked.scale, names)
    except (OSError, ValueError) as error:  # WebP has a largest side
        raise InputError(f"the picture cannot be written as {form} ({error}); ask for fewer images, or png") from None
    headers = {"cache-control": "no-store", "x-ganvas-shape": ",".join(map(str, x.shape))}
    return Response(content, media_type=MEDIA[form], headers=headers)


def pairs(x: Any) -> Any:
    """Image and map of each row, one after the other.  [N, 2 C, H, W] -> [2 N, C, H, W]"""
    return x.unflatten(1, (2, -1)).flatten(0, 1)


def shown(entry: Entry, training: Training | None) -> ModelShown:
    """What the gallery and the API say of a model.  training: what this server's evaluations found; None: no jobs"""
    more = training.scores(entry) if training is not None else []
    d, shape, facts = entry.description, entry.config.shape, entry.facts
    able = [name for name in making.abilities(entry) if training is not None or name != "project"]
    points = len(shape) == 1
    seen = facts.get("images_seen", "")
    domains = {to: translation.generator(entry.blank, to).channels_in for to in "ab"} if "translate" in able else {}
    use = "-n 64 --out grid.png" if "sample" in able else "IMAGES --out out"
    scores = [
        ScoreShown(
            name=s.name, value=s.value if math.isfinite(s.value) else None, spread=s.spread,
            protocol=s.protocol.model_dump(mode="json", exclude_defaults=True),
        )
        for s in (*more, *entry.scores)
    ]  # fmt: skip
    return ModelShown(
        id=entry.id,
        title=entry.blank.title,
        paper=d.paper,
        preset=d.preset,
        size=None if points else Size(channels=shape[0], height=shape[1], width=shape[2]),
        points=shape[0] if points else None,
        classes=entry.classes,
        abilities=able,
        domains=domains,
        parameters=entry.blank.parameter_counts(),
        images_seen=int(seen) if seen.isdecimal() else None,
        best=facts.get("best") if facts.get("best") != "none" else None,
        data=d.data.get("name"),
        scores=scores,
        licence=entry.licence,
        notes=d.notes,
        made_by=entry.command,
        picture=f"/api/models/{entry.id}/picture" if entry.picture() else None,
        example=f"ganvas {'sample' if 'sample' in able else 'translate'} {entry.folder.name} {use}",
    )
