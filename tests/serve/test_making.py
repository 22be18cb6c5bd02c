"""What the API makes: the same images as `gan.sample` and its siblings, in the format that was asked for."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from ganvas.gan import GAN, Given
from ganvas.models import folder as model_folder
from ganvas.ops.pixels import to_uint8

CLOSE = {"atol": 1e-5, "rtol": 0}


def loaded(models: Path, name: str) -> GAN:
    return model_folder.load(models / name, torch.device("cpu"))


def floats(response: Any) -> torch.Tensor:
    assert response.status_code == 200, response.text
    return torch.from_numpy(np.load(io.BytesIO(response.content)))


def picture(response: Any) -> np.ndarray:
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


def png(side: int = 8, mode: str = "RGB", seed: int = 0) -> bytes:
    x = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(x).convert(mode).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("name", ["big", "plain", "points"])
def test_samples_are_those_of_gan_sample(client: TestClient, models: Path, name: str) -> None:
    x = floats(client.post(f"/api/models/{name}/sample", json={"seed": 5, "n": 3, "truncation": 0.7, "format": "npy"}))
    torch.testing.assert_close(x, loaded(models, name).sample(3, 5, truncation=0.7), **CLOSE)


def test_seeds_and_classes_are_one_for_each_image(client: TestClient, models: Path) -> None:
    asked = {"seeds": [9, 2], "classes": ["kind 1", 0], "format": "npy"}
    x = floats(client.post("/api/models/big/sample", json=asked))
    gan = loaded(models, "big")
    expected = torch.cat([gan.sample(1, 9, classes="kind 1"), gan.sample(1, 2, classes=0)])
    torch.testing.assert_close(x, expected, **CLOSE)


def test_an_address_and_a_body_ask_for_the_same(client: TestClient) -> None:
    by_address = client.get("/api/models/big/sample?seeds=4&seeds=5&classes=2&truncation=0.5")
    by_body = client.post("/api/models/big/sample", json={"seeds": [4, 5], "classes": 2, "truncation": 0.5})
    assert by_address.status_code == 200
    assert by_address.content == by_body.content


def test_a_picture_has_columns_gaps_and_a_scale(client: TestClient, models: Path) -> None:
    got = picture(client.get("/api/models/plain/sample?n=3&columns=2&gap=1&scale=2"))
    images = to_uint8(loaded(models, "plain").sample(3)).numpy()[:, 0].repeat(2, 1).repeat(2, 2)
    expected = np.full((33, 33), 255, np.uint8)
    expected[:16, :16], expected[:16, 17:], expected[17:, :16] = images
    assert np.abs(got.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("webp", b"RIFF"), ("gif", b"GIF8"), ("zip", b"PK")])
def test_formats(client: TestClient, form: str, start: bytes) -> None:
    response = client.post("/api/models/big/sample", json={"n": 2, "format": form})
    assert response.content.startswith(start)
    assert form in response.headers["content-type"]


def test_webp_loses_nothing(client: TestClient) -> None:
    png, webp = (picture(client.get(f"/api/models/big/sample?n=4&format={form}")) for form in ("png", "webp"))
    assert np.array_equal(png, webp if webp.ndim == png.ndim else webp[..., 0])


def test_a_zip_has_a_picture_for_each_image(client: TestClient) -> None:
    response = client.post("/api/models/big/sample", json={"seeds": [7, 7, 3], "format": "zip"})
    names = zipfile.ZipFile(io.BytesIO(response.content)).namelist()
    assert names == ["seed000007-000.png", "seed000007-001.png", "seed000003-002.png"]


def test_interpolation_has_the_last_seed_at_its_end(client: TestClient, models: Path) -> None:
    asked = {"seeds": [1, 2, 8], "classes": 1, "steps": 3, "format": "npy"}
    x = floats(client.post("/api/models/big/interpolate", json=asked))
    gan = loaded(models, "big")
    expected = torch.cat([gan.interpolate([1, 2, 8], 1, 3), gan.sample(1, 8, classes=1)])
    torch.testing.assert_close(x, expected, **CLOSE)


def test_corners_of_a_mix_are_its_seeds(client: TestClient, models: Path) -> None:
    asked = {"seeds": [1, 2, 3, 4], "classes": 0, "u": [0, 1, 0, 1], "v": [0, 0, 1, 1], "format": "npy"}
    x = floats(client.post("/api/models/big/mix", json=asked))
    torch.testing.assert_close(x, loaded(models, "big").sample(4, 1, classes=0), **CLOSE)


def test_between_two_seeds_lies_the_interpolation(client: TestClient, models: Path) -> None:
    x = floats(client.post("/api/models/plain/mix", json={"seeds": [1, 2], "u": [0.25], "format": "npy"}))
    torch.testing.assert_close(x, loaded(models, "plain").interpolate([1, 2], steps=4)[1:2], **CLOSE)


def test_a_translation_is_that_of_gan_translate(client: TestClient, models: Path) -> None:
    gan = loaded(models, "pairs")
    for to, mode in (("b", "RGB"), ("a", "L")):
        content = png(12, mode)
        response = client.post(f"/api/models/pairs/translate?to={to}&size=own", files={"file": ("x.png", content)})
        expected = np.asarray(gan.translate(Image.open(io.BytesIO(content)), to))
        assert np.abs(picture(response).astype(int) - expected).max() <= 1


def test_a_translation_has_the_models_size_unless_asked_otherwise(client: TestClient) -> None:
    response = client.post("/api/models/pairs/translate", files={"file": ("x.png", png(20))})
    assert picture(response).shape[:2] == (8, 8)


def test_samples_like_a_picture_are_those_of_gan_sample(client: TestClient, models: Path) -> None:
    content = png(20)
    asked = {"seed": 3, "n": 2, "truncation": 0.8, "format": "npy"}
    x = floats(client.post("/api/models/instances/like", params=asked, files={"file": ("x.png", content)}))
    gan = loaded(models, "instances")
    expected = gan.sample(2, 3, truncation=0.8, like=Image.open(io.BytesIO(content)))
    torch.testing.assert_close(x, expected, **CLOSE)
    assert (x - gan.sample(2, 3, truncation=0.8)).abs().max() > 1e-4
    refused = client.post("/api/models/big/like", files={"file": ("x.png", content)})
    assert refused.status_code == 400
    assert "not conditioned on pictures" in refused.json()["error"]


def test_the_judge_shows_image_and_map(client: TestClient, models: Path) -> None:
    x = floats(client.post("/api/models/judging/judge", json={"seeds": [3], "classes": 1, "format": "npy"}))
    gan = loaded(models, "judging")
    image = gan.sample(1, 3, classes=1)
    logits = gan.pixel_scores(image, Given(y=torch.tensor([1])))
    assert logits is not None
    torch.testing.assert_close(x, torch.cat([image, 2 * torch.sigmoid(logits) - 1]), **CLOSE)


def test_the_judge_takes_a_picture(client: TestClient, models: Path) -> None:
    content = png(8, "L")
    got = picture(client.post("/api/models/judging/judge-picture?label=2", files={"file": ("x.png", content)}))
    gan = loaded(models, "judging")
    x = torch.from_numpy(np.asarray(Image.open(io.BytesIO(content))).copy())[None, None] / 127.5 - 1
    logits = gan.pixel_scores(x, Given(y=torch.tensor([2])))
    expected = to_uint8(torch.cat([x, 2 * torch.sigmoid(logits) - 1], 3)).numpy()[0, 0]  # type: ignore[arg-type]
    assert np.abs(got.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("big/sample", {"n": 65}, "at most 64"),
        ("big/sample", {"n": 64, "scale": 16, "classes": ["no"]}, "unknown class"),
        ("big/sample", {"n": 2, "classes": [0, 1, 2]}, "3 classes for 2 images"),
        ("big/sample", {"seed": 2**63 - 1, "n": 2}, "beyond the largest seed"),
        ("plain/sample", {"classes": 1}, "unconditional"),
        ("pairs/sample", {}, "/api/models/pairs/translate"),
        ("plain/judge", {}, "no judge"),
        ("points/sample", {"format": "zip"}, "points"),
        ("big/interpolate", {"seeds": [1, 2], "steps": 64}, "65 images"),
    ],
)
def test_what_cannot_be_done_is_one_line(client: TestClient, path: str, body: dict[str, Any], word: str) -> None:
    response = client.post(f"/api/models/{path}", json=body)
    assert response.status_code == 400
    assert word in response.json()["error"]
    assert "\n" not in response.json()["error"]


def test_pixels_of_a_request_are_bounded(asking: Any) -> None:
    from ganvas.serve.limits import Limits

    client = asking(Limits(pixels=8 * 8 * 4 * 4))
    assert client.get("/api/models/big/sample?n=4&scale=2").status_code == 200
    assert "at most 1,024" in client.get("/api/models/big/sample?n=5&scale=2").json()["error"]


@pytest.mark.parametrize(
    "body", [{"n": 0}, {"seed": -1}, {"truncation": 0}, {"truncation": "x"}, {"oops": 1}, {"u": 1}]
)
def test_what_has_not_the_form_is_422(client: TestClient, body: dict[str, Any]) -> None:
    response = client.post("/api/models/big/sample", json=body)
    assert response.status_code == 422
    assert next(iter(body)) in response.json()["error"]


def test_the_gallery_says_what_each_model_can(client: TestClient) -> None:
    shown = {model["id"]: model for model in client.get("/api/models").json()["models"]}
    assert {name: model["abilities"] for name, model in shown.items()} == {
        "big": ["sample", "interpolate", "mix"],
        "instances": ["sample", "interpolate", "mix", "like"],
        "judging": ["sample", "interpolate", "mix", "judge"],
        "pairs": ["translate"],
        "plain": ["sample", "interpolate", "mix"],
        "points": ["sample", "interpolate", "mix"],
    }
    assert shown["big"]["classes"] == ["kind 0", "kind 1", "kind 2"]
    assert shown["big"]["images_seen"] == 48
    assert shown["pairs"]["domains"] == {"a": 1, "b": 3}
    assert client.get(shown["big"]["picture"]).content.startswith(b"\x89PNG")
    assert "# biggan" in client.get("/api/models/big/card").text
    assert client.get("/api/models/pairs/picture").status_code == 404
