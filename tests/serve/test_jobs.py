"""Jobs are processes with folders of their own: they outlive the server, and one that comes after it finds them."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from ganvas import cli, codes
from ganvas.models import folder as model_folder
from ganvas.serve import jobs as jobs_module
from ganvas.serve.jobs import Busy, Jobs, NoJob, alive, birth
from ganvas.serve.limits import Limits
from ganvas.serve.runs import INTERRUPTED, Runs, curves, progress
from ganvas.serve.training import Conflict, ResumeAsked, Training
from tests.serve.conftest import end

SLEEPS = (sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)")
ENDS = (sys.executable, "-c", "import sys; print('ganvas: no such thing'); sys.exit(2)")


def until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Training]:
    """Jobs that sleep instead of training."""
    monkeypatch.setattr(jobs_module, "COMMAND", SLEEPS)
    made = Training(tmp_path / "runs", [], Limits(), "cpu")
    yield made
    end(made)


@pytest.fixture
def jobs(training: Training) -> Jobs:
    return training.jobs


def run_folder(folder: Path, images: int = 100, seen: int = 40) -> None:
    """What a run leaves behind, without its weights."""
    folder.mkdir(parents=True)
    config = {"format": 2, "paper": "wgan", "preset": "wgan-gp-digits", "config": {"images": images}}
    (folder / "config.json").write_text(json.dumps(config))
    lines = [{"images": i, "seconds": i / 10, "D/loss": -i, "G/loss": None} for i in range(10, seen + 1, 10)]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"images": 50, "sec')


def test_a_job_is_found_by_the_server_that_comes_after(jobs: Jobs) -> None:
    job = jobs.start("evaluate", "evaluate-a-1", ["x"], {"model": "a"}, 1)
    later = Jobs(jobs.folder)
    assert later.find("evaluate-a-1") == job
    assert later.runs(job)
    assert later.state(job) == "running"
    later.stop(job)
    until(lambda: not jobs.runs(job))
    assert later.state(job) == "failed"
    jobs.folder.joinpath(job.id, "scores.json").write_text("{}")
    assert later.state(job) == "done"


def test_a_number_that_another_process_has_now_is_not_the_job(jobs: Jobs) -> None:
    job = jobs.start("check", "check-a", ["x"], {}, 1)
    assert alive(job.pid, job.born)
    assert not alive(job.pid, (birth(job.pid) or 0) + 1)
    assert not alive(2**22 + 1, None)


def test_as_many_jobs_run_as_may(jobs: Jobs) -> None:
    jobs.start("train", "train-a", [], {"run": "a"}, 2)
    with pytest.raises(Busy, match="train-a runs already"):
        jobs.start("train", "train-a", [], {"run": "a"}, 2)
    jobs.start("train", "train-b", [], {"run": "b"}, 2)
    with pytest.raises(Busy, match="2 of 2"):
        jobs.start("train", "train-c", [], {"run": "c"}, 2)
    jobs.start("check", "check-d", [], {}, 1)  # another kind


@pytest.mark.parametrize("name", ["..", "../x", "a/../b", "", ".hidden", "x" * 200])
def test_a_jobs_name_is_no_path(jobs: Jobs, name: str) -> None:
    with pytest.raises(NoJob):
        jobs.find(name)


def test_a_log_is_its_last_words_line_by_line(jobs: Jobs) -> None:
    job = jobs.start("train", "train-a", [], {"run": "a"}, 1)
    until(lambda: jobs.lines("train-a"))
    (jobs.folder / job.id / "log.txt").write_text("one\rtwo\rthree\nfour\n\n")
    assert jobs.lines("train-a") == ["three", "four"]


def test_a_run_tells_how_far_it_is(training: Training) -> None:
    run_folder(training.folder / "some")
    shown = training.runs.show("some", whole=True)
    assert (shown.images_seen, shown.images, shown.seconds) == (40, 100, 4.0)
    assert shown.images_per_second == 10.0
    assert shown.curves == {"D/loss": [(10, -10), (20, -20), (30, -30), (40, -40)]}  # type: ignore[attr-defined]
    assert shown.state == "running"  # its log was written just now, by whoever it is
    assert shown.seconds_left == 6.0
    os.utime(training.folder / "some" / "train.jsonl", (0, 0))
    assert training.runs.show("some").state == "stopped"


def test_a_run_that_has_seen_all_is_finished(training: Training) -> None:
    run_folder(training.folder / "some", images=40)
    assert training.runs.show("some").state == "finished"


def test_speed_is_of_late_and_long_logs_are_thinned() -> None:
    lines = [{"images": i, "seconds": float(min(i, 100) + max(0, i - 100) * 2)} for i in range(10, 301, 10)]
    assert progress(lines)["images_per_second"] == 0.5
    assert progress([]) == {"images_seen": 0}
    thin = curves([{"images": i, "a": i} for i in range(10_000)])["a"]
    assert 250 < len(thin) <= 300


def test_what_the_watch_said_is_shown(training: Training) -> None:
    run_folder(training.folder / "some")
    job = training.jobs.start("train", "train-some", [], {"run": "some"}, 1)
    until(lambda: training.jobs.lines(job.id))
    said = "10.0% | 10 images\nat 30 images: warning: D is saturated\n"
    (training.jobs.folder / job.id / "log.txt").write_text(said)
    shown = training.runs.show("some")
    assert shown.sentences == ["at 30 images: warning: D is saturated"]
    assert shown.mine
    assert shown.state == "running"


def test_a_run_whose_process_ends_without_weights_has_failed(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "COMMAND", ENDS)
    job = training.jobs.start("train", "train-gone", [], {"run": "gone", "preset": "p", "data": "d"}, 1)
    until(lambda: not training.jobs.runs(job))
    shown = training.runs.show("gone")
    assert shown.state == "failed"
    assert shown.preset == "p"
    assert shown.sentences == ["ganvas: no such thing"]


@pytest.mark.parametrize(
    ("line", "state"),
    [("ganvas: interrupted", "stopped"), ("ganvas: no space left", "failed"), ("10 images", "stopped")],
)
def test_a_run_that_was_stopped_while_it_started_again_has_not_failed(
    training: Training, monkeypatch: pytest.MonkeyPatch, line: str, state: str
) -> None:
    run_folder(training.folder / "some")
    (training.folder / "some" / "model.safetensors").touch()
    monkeypatch.setattr(jobs_module, "COMMAND", ["/bin/sh", "-c", f"echo '{line}'"])
    job = training.jobs.start("train", "train-some", [], {"run": "some"}, 1)
    until(lambda: not training.jobs.runs(job))
    assert training.runs.show("some").state == state


def test_the_command_says_that_it_was_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(_: object) -> int:
        raise cli.Terminated

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.COMMANDS["papers"], "run", stopped)
        assert cli.main(["papers"]) == 143
    assert capsys.readouterr().err.splitlines()[-1] == INTERRUPTED


def checked(training: Training, name: str = "digits") -> None:
    """As if `ganvas check` had seen them."""
    job = training.check(name)
    (training.jobs.folder / job.id / "report.json").write_text('{"warnings": ["odd"]}')
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: not training.jobs.runs(job))


def test_only_data_that_check_has_seen_are_trained_on(asking: Any, training: Training) -> None:
    client: TestClient = asking(training=training)
    asked = {"preset": "wgan-gp-digits", "data": "digits", "images": 640, "seed": 3, "set": {"G_width": 8}}
    refused = client.post("/api/runs", json=asked)
    assert refused.status_code == 409
    assert "check" in refused.json()["error"]
    checked(training)
    shown = next(one for one in client.get("/api/data").json()["data"] if one["id"] == "digits")
    assert shown["checked"]
    assert shown["warnings"] == ["odd"]
    begun = client.post("/api/runs", json=asked)
    assert begun.status_code == 202
    assert begun.json()["state"] == "starting"
    arguments = training.jobs.find("train-wgan-gp-digits-digits").arguments
    expected = ["train", "wgan-gp-digits", "--data", "digits", "--seed", "3", "--device", "cpu", "--out"]
    assert arguments[:9] == expected
    assert arguments[10:] == ["--images", "640", "--set", "G_width=8"]
    assert client.post("/api/runs", json={**asked, "name": "wgan-gp-digits-digits"}).status_code == 409
    assert "1 of 1" in client.post("/api/runs", json={**asked, "name": "other"}).json()["error"]
    assert client.post("/api/runs/wgan-gp-digits-digits/stop").status_code == 202
    until(lambda: client.get("/api/runs/wgan-gp-digits-digits").json()["state"] == "failed")


IMPOSSIBLE = [
    ({"preset": "no-such"}, 400, "no preset"),
    ({"preset": "mine.toml"}, 400, "no preset"),
    ({"preset": "../x"}, 422, "preset"),
    ({"data": "no-such"}, 400, "no data"),
    ({"data": "/etc"}, 422, "data"),
    ({"name": "../../x"}, 422, "name"),
    ({"name": ".serve"}, 422, "name"),
    ({"name": "-x"}, 422, "name"),
    ({"set": {"no_such_field": 1}}, 400, "no_such_field"),
    ({"set": {"G_width": "a b"}}, 422, "set"),
    ({"resolution": 31}, 400, ""),
    ({"data": "ring8"}, 400, "points"),
]


def test_a_recipe_that_cannot_be_is_refused_before_it_starts(asking: Any, training: Training) -> None:
    checked(training)
    client = asking(training=training)
    for change, status, word in IMPOSSIBLE:
        response = client.post("/api/runs", json={"preset": "wgan-gp-digits", "data": "digits", **change})
        assert response.status_code == status, (change, response.text)
        assert word in response.json()["error"], change
    assert not [job for job in training.jobs.all() if job.kind == "train"]


def test_a_run_is_not_resumed_twice_or_without_need(asking: Any, training: Training, models: Path) -> None:
    client = asking(training=training)
    run_folder(training.folder / "some", images=40)
    (training.folder / "some" / "model.safetensors").write_bytes((models / "plain" / "model.safetensors").read_bytes())
    assert "how many more" in client.post("/api/runs/some/resume", json={}).json()["error"]
    assert client.post("/api/runs/some/resume", json={"images": 80}).status_code == 202
    assert training.jobs.find("train-some").arguments[-2:] == ["--images", "80"]
    assert "runs already" in client.post("/api/runs/some/resume", json={"images": 80}).json()["error"]
    assert client.post("/api/runs/none/stop").status_code == 404


def test_pictures_and_films_come_from_the_runs_folder(asking: Any, training: Training, models: Path) -> None:
    client = asking(training=training)
    folder = training.folder / "some"
    run_folder(folder)
    (folder / "samples").mkdir()
    (folder / "samples" / "000000000020.png").write_bytes((models / "big" / "samples.png").read_bytes())
    assert client.get("/api/runs/some").json()["samples"] == [20]
    assert client.get("/api/runs/some/samples/20").content.startswith(b"\x89PNG")
    assert client.get("/api/runs/some/samples/21").status_code == 404
    assert client.get("/api/runs/some/film").status_code == 404
    (folder / "film.gif").write_bytes(b"GIF89a")
    assert client.get("/api/runs/some/film").content == b"GIF89a"
    assert client.get("/api/runs/..%2Fsome").status_code == 404


def test_an_evaluations_scores_stand_with_the_model(asking: Any, training: Training) -> None:
    client = asking(training=training)
    begun = client.post("/api/models/plain/evaluations", json={"data": "digits", "n": 100, "metrics": "fid"}).json()
    assert begun["state"] == "running"
    job = training.jobs.find(begun["id"])
    assert job.arguments[2:4] == ["--data", "digits"]
    score = {"name": "FD-own", "value": 3.5, "protocol": {"reference": "digits", "sample_count": 100}}
    content = {"format": "ganvas-scores-1", "subject": "plain", "scores": [score]}
    (training.jobs.folder / job.id / "scores.json").write_text(json.dumps(content))
    assert client.delete(f"/api/jobs/{job.id}").status_code == 202
    until(lambda: client.get(f"/api/jobs/{job.id}").json()["state"] == "done")
    assert client.get(f"/api/jobs/{job.id}").json()["result"]["scores"] == [score]
    shown = client.get("/api/models/plain").json()["scores"]
    assert [(one["name"], one["value"], one["protocol"]["reference"]) for one in shown] == [("FD-own", 3.5, "digits")]
    assert "folder" not in json.dumps(client.get("/api/jobs").json())
    bad = client.post("/api/models/plain/evaluations", json={"data": "digits", "metrics": "fid --json x"})
    assert bad.status_code == 422


def test_a_projection_is_a_job_with_an_image_and_a_code(asking: Any, training: Training, models: Path) -> None:
    client = asking(training=training)
    shown = {model["id"]: model["abilities"] for model in client.get("/api/models").json()["models"]}
    assert [name for name in sorted(shown) if "project" in shown[name]] == ["big", "instances", "judging", "plain"]
    picture = Image.effect_noise((8, 8), 80).convert("RGB")
    picture.save(file := io.BytesIO(), "PNG")
    files = {"file": ("x.png", file.getvalue())}
    begun = client.post("/api/models/big/projections?label=kind 2&steps=7", files=files)
    assert begun.status_code == 202
    job = training.jobs.find(begun.json()["id"])
    assert job.arguments[0] == "project"
    assert job.arguments[-6:] == ["--restarts", "2", "--steps", "7", "--class", "2"]
    assert Path(job.arguments[2]).read_bytes().startswith(b"\x89PNG")
    assert client.get(f"/api/jobs/{job.id}/image").status_code == 404
    where = training.jobs.folder / job.id
    (where / "picture.png").write_bytes(b"\x89PNG of the code")
    (where / "picture.safetensors").write_bytes(b"code")
    (where / "projections.json").write_text('{"picture": {"error": 0.5}}')
    training.jobs.stop(job)
    until(lambda: client.get(f"/api/jobs/{job.id}").json()["state"] == "done")
    assert client.get(f"/api/jobs/{job.id}").json()["result"] == {"picture": {"error": 0.5}}
    assert client.get(f"/api/jobs/{job.id}/image").content == b"\x89PNG of the code"
    assert client.get(f"/api/jobs/{job.id}/code").content == b"code"
    with Image.open(io.BytesIO(client.get(f"/api/jobs/{job.id}/given").content)) as given:
        assert given.tobytes() == picture.tobytes()
    for name, query, word in (
        ("pairs", "", "no codes"),
        ("plain", "?label=1", "unconditional"),
        ("big", "?label=x", "unknown"),
    ):
        refused = client.post(f"/api/models/{name}/projections{query}", files=files)
        assert refused.status_code == 400
        assert word in refused.json()["error"]


def test_a_code_that_was_found_goes_toward_a_seed_and_into_a_class(
    asking: Any, training: Training, models: Path
) -> None:
    client = asking(training=training)
    gan = model_folder.load(models / "big", torch.device("cpu"))
    about = {"model": "big", "folder": str((models / "big").resolve())}
    job = training.jobs.start("project", "project-big-1", [], about, 1)

    def toward(**body: Any) -> Any:
        return client.post(f"/api/jobs/{job.id}/toward", json={"format": "npy", **body})

    assert toward().status_code == 404
    code = codes.template(gan, 1, torch.tensor([1]))  # of seed 0
    codes.save(code, training.jobs.folder / job.id / "picture.safetensors")

    def array(response: Any) -> torch.Tensor:
        assert response.status_code == 200, response.text
        return torch.from_numpy(np.load(io.BytesIO(response.content)))

    ends = array(toward(seed=5, weights=[0, 1]))
    torch.testing.assert_close(ends, torch.cat([gan.sample(1, 0, 1), gan.sample(1, 5)]))
    ends = array(toward(seed=5, weights=[0, 0.5, 1], classes=["kind 2"]))
    torch.testing.assert_close(ends[[0, 2]], torch.cat([gan.sample(1, 0, 2), gan.sample(1, 5, 2)]))
    assert not torch.equal(ends[1], ends[0])
    for body, status, word in (
        ({"classes": ["kind 0", "kind 1"]}, 422, "expected one"),
        ({"truncation": 0.5}, 422, "found without one"),
        ({"weights": [1.5]}, 422, "less than or equal to 1"),
        ({"classes": ["x"]}, 400, "unknown class"),
        ({"weights": [0.5] * 65}, 400, "at most 64"),
    ):
        refused = toward(**body)
        assert (refused.status_code, word in refused.json()["error"]) == (status, True), refused.text
    training.jobs.start("project", "project-big-2", [], about | {"folder": "elsewhere"}, 2)
    codes.save(code, training.jobs.folder / "project-big-2" / "picture.safetensors")
    gone = client.post("/api/jobs/project-big-2/toward", json={})
    assert (gone.status_code, "is not here any more" in gone.json()["error"]) == (404, True)


def test_a_job_is_asked_to_leave_once(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the second signal a training leaves without saving."""
    monkeypatch.setattr(
        jobs_module, "COMMAND", ["/bin/sh", "-c", "trap 'echo asked' TERM; echo begun; while :; do sleep 0.02; done"]
    )
    run_folder(training.folder / "some")
    (training.folder / "some" / "model.safetensors").touch()
    job = training.jobs.start("train", "train-some", [], {"run": "some"}, 1)
    until(lambda: training.jobs.lines(job.id))
    for _ in range(3):
        training.stop("some")
        until(lambda: "asked" in training.jobs.lines(job.id))
    time.sleep(0.2)
    assert training.jobs.lines(job.id) == ["begun", "asked"]
    assert training.runs.show("some").state == "stopping"
    with pytest.raises(Conflict, match="some is still being saved"):
        training.resume("some", ResumeAsked())
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: not training.jobs.runs(job))
    assert training.runs.show("some").state == "stopped"
    training.resume("some", ResumeAsked())
    assert training.runs.show("some").state == "running"


def test_a_server_that_only_shows_starts_nothing(client: TestClient) -> None:
    assert client.get("/api/runs").status_code == 403
    assert client.post("/api/runs", json={"preset": "wgan-gp-digits", "data": "digits"}).status_code == 403


def test_data_of_the_command_line_have_names_of_their_own(tmp_path: Path) -> None:
    given = [tmp_path / "a b" / "photos", tmp_path / "c" / "photos", tmp_path / "digits"]
    data = Training(tmp_path / "runs", [str(path) for path in given], Limits()).data
    assert {name: data[name] for name in ("photos", "photos-2", "digits-2")} == {
        "photos": str(given[0]), "photos-2": str(given[1]), "digits-2": str(given[2]),
    }  # fmt: skip
    assert data["digits"] == "digits"


def test_runs_without_a_folder_are_none(tmp_path: Path) -> None:
    assert Runs(tmp_path / "none", Jobs(tmp_path / "none" / ".serve")).names() == []
