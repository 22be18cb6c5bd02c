"""A client of `ganvas serve` on the standard library and NumPy: images as arrays, the rest as plain values.

```python
from ganvas.client import Client

station = Client("http://127.0.0.1:8000")
x = station.sample("biggan-digits", n=4, classes="7")  # float32 [4, C, H, W] in [-1, 1]
```
"""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganvas.errors import InputError

if TYPE_CHECKING:
    import numpy as np

Classes = int | str | Sequence[int | str] | None


class Client:
    """A server at an address.  What the server refuses raises InputError with the server's own sentence.

    tries: how often a request is sent again that the server was too busy for, after as long as the server says.
    """

    def __init__(
        self, address: str = "http://127.0.0.1:8000", token: str | None = None, timeout: float = 120.0, tries: int = 5
    ) -> None:
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise InputError(f"{address} given, expected an address as http://127.0.0.1:8000")
        self.address, self.token, self.timeout, self.tries = address.rstrip("/"), token, timeout, tries

    def models(self) -> list[dict[str, Any]]:
        """The models at hand; `id` names one."""
        return self.ask("GET", "/api/models")["models"]

    def model(self, model: str) -> dict[str, Any]:
        """One model: size, classes, abilities, scores."""
        return self.ask("GET", f"/api/models/{quoted(model)}")

    def sample(
        self,
        model: str,
        n: int = 1,
        seed: int = 0,
        classes: Classes = None,
        truncation: float | None = None,
        seeds: Sequence[int] | None = None,
    ) -> np.ndarray:
        """As `GAN.sample`: the images of seeds seed, seed + 1, ..., or of `seeds`.  -> float32 [n, C, H, W]"""
        body: dict[str, Any] = {"seed": seed, "n": n} if seeds is None else {"seeds": list(seeds)}
        return self.array(model, "sample", {**body, **conditions(classes, truncation)})

    def interpolate(
        self,
        model: str,
        seeds: Sequence[int],
        steps: int = 8,
        classes: Classes = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """From each seed to the next, the last seed's image at the end.  -> float32 [(seeds - 1) steps + 1, ...]"""
        return self.array(
            model, "interpolate", {"seeds": list(seeds), "steps": steps, **conditions(classes, truncation)}
        )

    def mix(
        self,
        model: str,
        seeds: Sequence[int],
        u: Sequence[float],
        v: Sequence[float] = (0.0,),
        classes: Classes = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Between two seeds (u) or among four (u to the right, v down).  -> float32 [len(u), ...]"""
        body = {"seeds": list(seeds), "u": list(u), "v": list(v), **conditions(classes, truncation)}
        return self.array(model, "mix", body)

    def translate(self, model: str, picture: str | Path | bytes, to: str = "b", size: str = "model") -> bytes:
        """A picture (a path, or a file's bytes) in domain `to`.  size: model, or own.  -> a PNG"""
        content = picture if isinstance(picture, bytes) else read(Path(picture))
        query = urllib.parse.urlencode({"to": to, "size": size})
        return self.ask("POST", f"/api/models/{quoted(model)}/translate?{query}", upload=content)

    def train(self, preset: str, data: str, **asked: Any) -> dict[str, Any]:
        """Starts a run: images, batch, resolution, seed, name, set.  The data must have been checked."""
        return self.ask("POST", "/api/runs", {"preset": preset, "data": data, **asked})

    def check(self, data: str, poll: float = 1.0) -> dict[str, Any]:
        """Looks data over and waits for what is found."""
        return self.wait(self.ask("POST", f"/api/data/{quoted(data)}/check")["id"], poll)

    def evaluate(self, model: str, data: str, poll: float = 2.0, **asked: Any) -> list[dict[str, Any]]:
        """Scores of a model, each with its protocol; waits for them.  asked: metrics, n, seed"""
        job = self.ask("POST", f"/api/models/{quoted(model)}/evaluations", {"data": data, **asked})
        return self.wait(job["id"], poll)["scores"]

    def runs(self) -> list[dict[str, Any]]:
        """The training runs."""
        return self.ask("GET", "/api/runs")["runs"]

    def run(self, name: str) -> dict[str, Any]:
        """A run with its curves."""
        return self.ask("GET", f"/api/runs/{quoted(name)}")

    def stop(self, name: str) -> dict[str, Any]:
        """Saves a run and stops it."""
        return self.ask("POST", f"/api/runs/{quoted(name)}/stop")

    def resume(self, name: str, images: int | None = None) -> dict[str, Any]:
        """Goes on with a run, to so many images in all."""
        return self.ask("POST", f"/api/runs/{quoted(name)}/resume", {"images": images})

    def wait(self, job: str, poll: float = 1.0) -> Any:
        """The result of a job, once it is there.  Raises InputError if it failed."""
        while True:
            found = self.ask("GET", f"/api/jobs/{quoted(job)}")
            if found["state"] == "failed":
                raise InputError(f"{job} failed: {(found['log'] or ['no word'])[-1]}")
            if found["state"] != "running":
                return found["result"]
            time.sleep(poll)

    def array(self, model: str, what: str, body: dict[str, Any]) -> np.ndarray:
        """Images as floats."""
        import numpy as np

        content = self.ask("POST", f"/api/models/{quoted(model)}/{what}", {**body, "format": "npy"})
        return np.load(io.BytesIO(content), allow_pickle=False)

    def ask(self, method: str, path: str, body: Any = None, upload: bytes | None = None) -> Any:
        """One request: JSON as plain values, anything else as bytes.  Raises InputError."""
        content, kind = None, "application/json"
        if upload is not None:
            content, kind = multipart(upload)
        elif body is not None:
            content = json.dumps(body).encode()
        headers = {"content-type": kind, **({"authorization": f"Bearer {self.token}"} if self.token else {})}
        request = urllib.request.Request(self.address + path, content, headers, method=method)
        for attempt in range(self.tries):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    found = response.read()
                    said = response.headers.get_content_type()
                return json.loads(found) if said == "application/json" else found
            except urllib.error.HTTPError as error:
                wait = error.headers.get("retry-after")
                if wait is None or attempt == self.tries - 1:
                    raise InputError(f"{path.split('?')[0]}: {sentence(error)}") from None
                time.sleep(float(wait))
            except OSError as error:
                reason = getattr(error, "reason", error)
                raise InputError(f"{self.address} does not answer ({reason}); is `ganvas serve` running?") from None
        raise AssertionError("unreachable")


def conditions(classes: Classes, truncation: float | None) -> dict[str, Any]:
    """What is asked for besides seeds."""
    listed = [classes] if isinstance(classes, int | str) else classes
    return {"classes": listed if listed is None else list(listed), "truncation": truncation}


def sentence(error: urllib.error.HTTPError) -> str:
    """The server's reason."""
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"


def multipart(content: bytes) -> tuple[bytes, str]:
    """A file as a form.  -> body, content type"""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="picture"\r\n\r\n'
    return head.encode() + content + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def read(path: Path) -> bytes:
    """A file's bytes.  Raises InputError."""
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def quoted(name: str) -> str:
    """A name as a part of an address."""
    return urllib.parse.quote(name, safe="")
