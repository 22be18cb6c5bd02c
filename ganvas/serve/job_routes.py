"""Runs, data and jobs, as addresses."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ganvas.presets import presets
from ganvas.serve import making
from ganvas.serve.asked import TowardAsked, Wrong
from ganvas.serve.jobs import Job
from ganvas.serve.routes import PICTURES, Upload, answer, file_of, opened
from ganvas.serve.runs import RunShown, RunWhole
from ganvas.serve.training import GIVEN, DataShown, EvaluateAsked, ProjectAsked, ResumeAsked, TrainAsked, Training

router = APIRouter(prefix="/api")
BUSY: dict[int | str, dict[str, Any]] = {
    409: {"model": Wrong, "description": "Not now: it runs already, or something must come first"}
}


class PresetShown(BaseModel):
    """A table of settings."""

    name: str
    paper: str
    about: str
    data: str
    points: bool
    images: int | None


class JobShown(BaseModel):
    """A job as it is now."""

    id: str
    kind: str
    state: str
    about: dict[str, Any]
    started: float
    log: list[str] = Field(default=[], description="its last lines")
    result: Any = None


class RunsShown(BaseModel):
    """All runs."""

    runs: list[RunShown]


class DataAll(BaseModel):
    """All data at hand."""

    data: list[DataShown]


class PresetsShown(BaseModel):
    """All presets."""

    presets: list[PresetShown]


class JobsShown(BaseModel):
    """All jobs."""

    jobs: list[JobShown]


def training(request: Request) -> Training:
    """The jobs' side of the server.  Raises 403 where there is none."""
    found = request.app.state.station.training
    if found is None:
        raise HTTPException(403, "this server only shows models; start it without --read-only for jobs")
    return found


async def beside(function: Any, *args: Any) -> Any:
    """Work that reads files, beside the loop."""
    return await anyio.to_thread.run_sync(function, *args)


@router.get("/presets", tags=["training"], summary="The presets")
async def all_presets() -> PresetsShown:
    rows = presets().values()
    return PresetsShown(presets=[
        PresetShown(
            name=row.name, paper=row.paper, about=row.about, data=row.data,
            points=row.values.get("resolution") == 0, images=row.values.get("images"),
        )
        for row in rows
    ])  # fmt: skip


@router.get("/data", tags=["training"], summary="The data at hand, and what check said of them")
async def all_data(request: Request) -> DataAll:
    t = training(request)
    return DataAll(data=await beside(lambda: [t.shown(name) for name in t.data]))


@router.post("/data/{name}/check", tags=["training"], summary="Looks data over", status_code=202, responses=BUSY)
async def check(request: Request, name: str) -> JobShown:
    t = training(request)
    return show(t, await beside(t.check, name))


@router.get("/runs", tags=["training"], summary="The runs")
async def all_runs(request: Request) -> RunsShown:
    t = training(request)
    return RunsShown(runs=await beside(lambda: [t.runs.show(name) for name in t.runs.names()]))


@router.post("/runs", tags=["training"], summary="Starts a run", status_code=202, responses=BUSY)
async def start(request: Request, asked: TrainAsked) -> RunShown:
    t = training(request)
    job = await beside(t.start, asked)
    return await beside(t.runs.show, job.about["run"])


@router.get("/runs/{name}", tags=["training"], summary="A run with its curves")
async def one_run(request: Request, name: str) -> RunWhole:
    return await beside(training(request).runs.show, name, True)


@router.post(
    "/runs/{name}/stop", tags=["training"], summary="Saves a run and stops it", status_code=202, responses=BUSY
)
async def stop(request: Request, name: str) -> RunShown:
    t = training(request)
    await beside(t.stop, name)
    return await beside(t.runs.show, name)


@router.post("/runs/{name}/resume", tags=["training"], summary="Goes on with a run", status_code=202, responses=BUSY)
async def resume(request: Request, name: str, asked: ResumeAsked) -> RunShown:
    t = training(request)
    await beside(t.resume, name, asked)
    return await beside(t.runs.show, name)


@router.get(
    "/runs/{name}/samples/{images}", tags=["training"], summary="A picture of a run", response_class=FileResponse,
    responses=file_of("image/png"),
)  # fmt: skip
async def run_picture(request: Request, name: str, images: int) -> FileResponse:
    """images: how many the run had seen, one of the run's `samples`."""
    t = training(request)
    await beside(t.runs.show, name)
    found = {int(p.stem): p for p in t.runs.pictures(name)}
    if images not in found:
        raise HTTPException(404, f"{name} has no picture at {images} images")
    return FileResponse(found[images], media_type="image/png")


@router.get("/runs/{name}/film", tags=["training"], summary="The film of a run", response_class=FileResponse,
            responses=file_of("image/gif"))  # fmt: skip
async def film(request: Request, name: str) -> FileResponse:
    t = training(request)
    run: RunWhole = await beside(t.runs.show, name, True)
    if not run.film:
        raise HTTPException(404, f"{name} has no film yet")
    return FileResponse(t.folder / run.id / "film.gif", media_type="image/gif", headers={"cache-control": "no-cache"})


@router.post("/models/{model}/evaluations", tags=["jobs"], summary="Scores of a model", status_code=202, responses=BUSY)
async def evaluate(request: Request, model: str, asked: EvaluateAsked) -> JobShown:
    t = training(request)
    entry = request.app.state.station.shelf.find(model)
    return show(t, await beside(t.evaluate, entry, asked))


@router.post(
    "/models/{model}/projections", tags=["jobs"], summary="The code of a picture", status_code=202, responses=BUSY
)
async def project(request: Request, model: str, file: Upload, asked: Annotated[ProjectAsked, Query()]) -> JobShown:
    """A job that looks for the code whose image is nearest; its image and code have addresses of their own."""
    t, s = training(request), request.app.state.station
    entry, picture = s.shelf.find(model), await opened(s, file)
    return show(t, await beside(t.project, entry, asked, picture))


@router.get("/jobs/{job}/image", tags=["jobs"], summary="What a projection found", response_class=FileResponse,
            responses=file_of("image/png"))  # fmt: skip
async def projected_image(request: Request, job: str) -> FileResponse:
    return projected(request, job, ".png", "image/png")


@router.get("/jobs/{job}/code", tags=["jobs"], summary="Its code", response_class=FileResponse,
            responses=file_of("application/octet-stream"))  # fmt: skip
async def projected_code(request: Request, job: str) -> FileResponse:
    return projected(request, job, ".safetensors", "application/octet-stream")


@router.get("/jobs/{job}/given", tags=["jobs"], summary="The picture that was looked for", response_class=FileResponse,
            responses=file_of("image/png"))  # fmt: skip
async def given_image(request: Request, job: str) -> FileResponse:
    return projected(request, job, GIVEN, "image/png")


@router.post("/jobs/{job}/toward", tags=["jobs"], summary="From its code to a seed's image", responses=PICTURES)
async def toward(request: Request, job: str, asked: TowardAsked) -> Response:
    """The code that a projection found, changed: on the way to the image of a seed, in another class."""
    s, t = request.app.state.station, training(request)
    found = t.jobs.find(job)
    code = t.projected(found, ".safetensors")
    if code is None:
        raise HTTPException(404, f"{job} has found nothing yet, or is no projection")
    entry = s.shelf.find(found.about["model"])
    if str(entry.folder.resolve()) != found.about["folder"]:
        raise HTTPException(404, f"the model of {job} is not here any more")
    x = await s.made(request, making.toward(s.shelf, entry, asked, s.limits, code))
    return await answer(s, x, asked, [f"toward{i:04d}" for i in range(len(x))])


def projected(request: Request, job: str, suffix: str, kind: str) -> FileResponse:
    """A file of a projection.  Raises 404 where it is not there."""
    t = training(request)
    path = t.projected(t.jobs.find(job), suffix)
    if path is None:
        raise HTTPException(404, f"{job} has found nothing yet, or is no projection")
    return FileResponse(path, media_type=kind, headers={"cache-control": "no-cache"})


@router.get("/jobs", tags=["jobs"], summary="All jobs, the newest first")
async def all_jobs(request: Request) -> JobsShown:
    t = training(request)
    return JobsShown(jobs=await beside(lambda: [show(t, job) for job in t.jobs.all()]))


@router.get("/jobs/{job}", tags=["jobs"], summary="A job and its result")
async def one_job(request: Request, job: str) -> JobShown:
    t = training(request)
    return await beside(lambda: show(t, t.jobs.find(job), whole=True))


@router.delete("/jobs/{job}", tags=["jobs"], summary="Stops a job", status_code=202)
async def stop_job(request: Request, job: str) -> JobShown:
    t = training(request)
    found = t.jobs.find(job)
    t.jobs.stop(found)
    return show(t, found)


@router.get("/jobs/{job}/sheet", tags=["jobs"], summary="The contact sheet of a check", response_class=FileResponse,
            responses=file_of("image/png"))  # fmt: skip
async def sheet(request: Request, job: str) -> FileResponse:
    t = training(request)
    path = t.sheet(t.jobs.find(job))
    if path is None:
        raise HTTPException(404, f"{job} has no contact sheet")
    return FileResponse(path, media_type="image/png", headers={"cache-control": "no-cache"})


def show(t: Training, job: Job, whole: bool = False) -> JobShown:
    """A job as it is now; whole: with the end of its log and its result."""
    if job.kind == "train":
        state: str = t.runs.show(job.about["run"]).state
    else:
        state = t.jobs.state(job)
    result = t.jobs.result(job)
    return JobShown(
        id=job.id, kind=job.kind, state=state, started=job.started,
        about={key: value for key, value in job.about.items() if key not in ("path", "folder")},
        log=t.jobs.lines(job.id)[-20:] if whole else [],
        result=read_result(result) if whole and state == "done" and result is not None else None,
    )  # fmt: skip


def read_result(path: Any) -> Any:
    """A job's result, which is JSON."""
    from ganvas.files import read_json

    return read_json(path)
