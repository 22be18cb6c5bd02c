"""The API under requests made of its own description: right ones, wrong ones and harmful files, seeded.

Every answer is of a status, a type and a form that the description names; none is an error of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.generation import GenerationMode
from starlette.testclient import TestClient

from ganvas.serve import jobs as jobs_module
from ganvas.serve.app import create
from ganvas.serve.limits import Limits
from ganvas.serve.shelf import Shelf
from ganvas.serve.training import Training
from tests.serve.conftest import SHELF, end
from tests.serve.test_hostile import HOSTILE, saved
from tests.serve.test_jobs import run_folder

EXAMPLES = 5  # of an address, of right requests and of wrong ones each
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
KNOWN = {"model": [*SHELF], "name": ["digits", "some"], "job": ["check-digits", "train-some"], "images": [10, 40]}
FILES = [*(saved(form) for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP")), *HOSTILE.values()]
SENT = ("method", "url", "params", "headers", "json", "data", "content", "files")


@pytest.fixture(scope="module")
def station(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An application whose jobs end at once, with a run and two jobs."""
    training = Training(tmp_path_factory.mktemp("fuzz") / "runs", [], Limits(), "cpu")
    run_folder(training.folder / "some")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs_module, "COMMAND", ("true",))
        training.check("digits")
        training.jobs.start("train", "train-some", [], {"run": "some"}, 1)
        app = create(shelf, training=training)
        with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as made:
            yield made
    end(training)


@pytest.fixture(scope="module")
def operations(station: TestClient) -> list[Any]:
    """What the description describes, with names in its paths that there are."""
    api = station.get("/openapi.json").json()
    for call in (call for methods in api["paths"].values() for call in methods.values()):
        for one in call.get("parameters", ()):
            if one["in"] == "path":
                one["schema"]["enum"] = KNOWN[one["name"]]
    return [found.ok() for found in schemathesis.openapi.from_dict(api).get_all_operations()]


def asked(client: TestClient, case: Any, file: bytes) -> Any:
    """The answer to a request; what is uploaded is a picture, or means harm."""
    sent = case.as_transport_kwargs(base_url="http://localhost")
    if case.media_type == "multipart/form-data" and sent.get("files"):
        sent |= {"files": {"file": ("x", file)}, "data": None}
        sent["headers"].pop("Content-Type", None)
    if isinstance(sent.get("data"), str | bytes):
        sent["content"] = sent.pop("data")
    try:
        return client.request(**{key: value for key, value in sent.items() if key in SENT})
    except httpx2.InvalidURL:  # longer than this client sends
        return reject()


def run(client: TestClient, operation: Any, mode: GenerationMode) -> set[int]:
    """Asks so many times.  -> the statuses of the answers"""
    statuses = set()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from(FILES))
    def send(case: Any, file: bytes) -> None:
        response = asked(client, case, file)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            assert set(response.json()) == {"error"}
            assert "\n" not in response.json()["error"]

    send()
    return statuses


def test_every_answer_to_a_right_request_is_as_described(station: TestClient, operations: list[Any]) -> None:
    found = {operation.label: run(station, operation, GenerationMode.POSITIVE) for operation in operations}
    good = [label for label, statuses in found.items() if statuses & {200, 202, 204}]
    assert len(good) >= 18, good  # of the others some need what is not there: a film, a projection


def test_every_answer_to_a_wrong_request_is_as_described(station: TestClient, operations: list[Any]) -> None:
    asks = [one for one in operations if one.path_parameters or one.query or one.body]  # what can be asked wrongly
    found = [run(station, operation, GenerationMode.NEGATIVE) for operation in asks]
    assert all(statuses <= {400, 404, 413, 422} for statuses in found), found
