"""The container files: read, held against the command line and against what they promise; and a root without writes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganvas.cli import parser

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
TOKEN = "a-token-of-a-test"


def steps(text: str) -> list[tuple[str, str]]:
    """The instructions of a container file, lines that go on joined."""
    whole = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in whole.splitlines()) if word]


def of(found: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for name, rest in found if name == word]


CONTAINERFILE = steps((DEPLOY / "Containerfile").read_text(encoding="utf-8"))
(SPACE_TEXT,) = re.findall(r"```dockerfile\n(.*?)```", PAGE, re.DOTALL)
SPACE = steps(SPACE_TEXT)
ENTRYPOINT: list[str] = json.loads(of(CONTAINERFILE, "ENTRYPOINT")[0])
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
DEPLOYMENT, SERVICE = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
POD = DEPLOYMENT["spec"]["template"]["spec"]


def asked(words: list[str]) -> Any:
    """What the command line makes of the words of a container."""
    assert words[:2] == ["ganvas", "serve"]
    return parser().parse_args(words[1:])


def test_every_command_is_one_of_the_command_line() -> None:
    commands = [json.loads(of(CONTAINERFILE, "CMD")[0]), *(one["command"] for one in COMPOSE["services"].values())]
    for command in [*commands, POD["containers"][0]["args"]]:
        args = asked([*ENTRYPOINT, *command])
        assert (args.host, args.port, args.runs, args.read_only) == ("0.0.0.0", 8000, Path("/runs"), True)
    (entry,), (more,) = of(SPACE, "ENTRYPOINT"), of(SPACE, "CMD")
    args = asked([*json.loads(entry), *json.loads(more)])
    assert (args.models, args.allow_host, args.read_only) == (["user/name"], ["user-space.hf.space"], True)
    assert f"app_port: {args.port}" in PAGE


def test_the_commands_of_the_page_run_what_the_image_has() -> None:
    lines = re.findall(r"^podman run .* ganvas(?: (.*))?$", PAGE, re.MULTILINE)
    assert [asked([*ENTRYPOINT, *line.split()]).models for line in lines] == [[], ["/models/mine"], []]
    for line in re.findall(r"^podman run .*", PAGE, re.MULTILINE):
        assert all(word in line for word in ("--read-only --tmpfs /tmp", "-e GANVAS_TOKEN", "127.0.0.1:8000:8000"))


def test_nobody_is_root_and_what_is_copied_is_there() -> None:
    for found in (CONTAINERFILE, SPACE):
        users = of(found, "USER")
        assert re.fullmatch(r"[1-9]\d{3,}(:[1-9]\d{3,})?", users[-1])
        assert not of(found, "ADD")
        last = max(i for i, (word, _) in enumerate(found) if word == "USER")
        assert not [word for word, _ in found[last:] if word == "RUN"]
    sources = [word for rest in of(CONTAINERFILE, "COPY") if "--from" not in rest for word in rest.split()[:-1]]
    assert {"ganvas", "pyproject.toml", "constraints.txt"} <= set(sources)
    kept = (ROOT / ".dockerignore").read_text().split()
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in kept


def test_an_extra_is_one_that_the_package_has() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = [rest.partition("=")[2].strip('"') for rest in of(CONTAINERFILE, "ARG") if rest.startswith("EXTRAS")]
    named = [extras, *re.findall(r"\[([a-z,]+)\]", " ".join(of(SPACE, "RUN"))), *re.findall(r"EXTRAS=(\S+)", PAGE)]
    for name in ",".join(named).split(","):
        assert name in project["optional-dependencies"]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_compose_gives_nothing_away(name: str) -> None:
    services = COMPOSE["services"]
    one = {**services[services[name].get("extends", {}).get("service", name)], **services[name]}
    assert one["read_only"] is True
    assert one["user"] == "10001:10001"
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["tmpfs"][0].startswith("/tmp:size=")
    assert one["environment"]["GANVAS_TOKEN"].startswith("${GANVAS_TOKEN:?")
    assert all(port.startswith("127.0.0.1:") for port in one["ports"])
    assert all(volume.endswith(":ro") for volume in one["volumes"])
    assert (DEPLOY / one["build"]["context"] / one["build"]["dockerfile"]).resolve() == DEPLOY / "Containerfile"


def test_kubernetes_gives_nothing_away() -> None:
    (one,) = POD["containers"]
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert (
        f"{POD['securityContext']['runAsUser']}:{POD['securityContext']['runAsGroup']}" == of(CONTAINERFILE, "USER")[0]
    )
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert one["env"][0]["valueFrom"]["secretKeyRef"]["name"] == "ganvas"
    mounts = {mount["name"]: mount["mountPath"] for mount in one["volumeMounts"]}
    assert mounts == {"tmp": "/tmp"}
    assert [(volume["name"], set(volume) - {"name"}) for volume in POD["volumes"]] == [("tmp", {"emptyDir"})]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert one[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert one["ports"] == [{"name": "http", "containerPort": 8000}]


def test_the_service_finds_the_pods() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"].items() <= labels.items()
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert SERVICE["spec"]["ports"][0]["targetPort"] == POD["containers"][0]["ports"][0]["name"]
    assert DEPLOYMENT["spec"]["replicas"] > 1
    assert SERVICE["metadata"]["name"] in asked([*ENTRYPOINT, *POD["containers"][0]["args"]]).allow_host


# Refuses what a read-only root refuses, but below one folder, for all that goes through Python.
READ_ONLY = """
import errno, os, sys
allowed = (sys.argv[1] + os.sep, "/dev/", "/proc/")

def watch(event, args):
    if event == "open":
        path, mode, flags = args
        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"):
        path = args[-1] if event == "os.link" else args[0]
    else:
        return
    if isinstance(path, (str, bytes)) and not os.path.abspath(os.fsdecode(path)).startswith(allowed):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fsdecode(path))

sys.addaudithook(watch)
from ganvas.cli import main
sys.exit(main(sys.argv[2:]))
"""


class Served:
    """`ganvas serve` of one model as the container runs it, but for the port."""

    def __init__(self, folder: Path) -> None:
        (folder / "tmp").mkdir()
        words = [*ENTRYPOINT[1:], "--read-only", "biggan-digits", "--device", "cpu"]
        words[words.index("8000")] = "0"
        env = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": "/nonexistent",
            "TMPDIR": str(folder / "tmp"), "GANVAS_CACHE": str(folder / "tmp" / "ganvas"), "GANVAS_TOKEN": TOKEN,
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(READ_ONLY), str(folder / "tmp"), *words],
            stderr=subprocess.PIPE, text=True, env=env, cwd="/",
        )  # fmt: skip
        assert self.process.stderr is not None
        self.line = self.process.stderr.readline()

    def status(self, path: str, token: str = "", body: bytes | None = None, host: str = "") -> int:
        port = int(self.line.rstrip("/\n").rpartition(":")[2])
        headers = {"content-type": "multipart/form-data; boundary=b"} if body is not None else {}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", body, headers | ({"host": host} if host else {})
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def test_the_server_needs_nothing_but_its_temporary_folder(tmp_path: Path) -> None:
    """As a probe, a person and an upload too large for memory find it; SIGTERM ends it in order."""
    served = Served(tmp_path)
    try:
        assert "1 models on cpu: http://0.0.0.0:" in served.line
        assert TOKEN not in served.line
        assert served.status("/healthz", host="10.1.2.3:8000") == 200
        assert served.status("/metrics") == 401
        assert served.status("/api/models/biggan-digits/sample?seed=3", TOKEN) == 200
        assert served.status("/api/models/biggan-digits/sample?seed=3", TOKEN, host="other.example.org") == 421
        large = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + bytes(3 << 20)
        assert served.status("/api/models/biggan-digits/like", TOKEN, large + b"\r\n--b--\r\n") == 400
    finally:
        code = served.end()
    assert code in (0, 143, -signal.SIGTERM)
    assert not list((tmp_path / "tmp").iterdir())
