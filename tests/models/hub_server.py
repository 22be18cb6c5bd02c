"""A model hub of one process: the few addresses that huggingface_hub asks to make, write, list and read a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_a_test"


@dataclass
class Repository:
    """One repository; each commit is a whole set of files."""

    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)

    def commit(self, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(f"{len(self.commits)} {sorted(files)}".encode(), usedforsecurity=False).hexdigest()
        self.commits.append((sha, files))
        return sha

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit of a revision: main is the newest, v1 the first."""
        if revision == "main":
            return self.commits[-1]
        if revision == "v1":
            return self.commits[0]
        return next((one for one in self.commits if one[0] == revision), None)


class Hub(ThreadingHTTPServer):
    """The repositories, what was uploaded but belongs to none yet, and what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.status: int | None = None  # of every answer, where one is wanted

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes | Any = b"", **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if not isinstance(body, bytes):
            self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if self.server.status is not None:
            return self.answer(self.server.status)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.file(*found.groups())
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/]+)", path):
            return self.listed(*found.groups())
        return self.answer(404, X_Error_Code="RepoNotFound")

    def found(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit; None after an answer that there is none."""
        if name not in self.server.repositories:
            self.answer(401, X_Error_Code="RepoNotFound")
            return None
        commit = self.server.repositories[name].at(revision)
        if commit is None:
            self.answer(404, X_Error_Code="RevisionNotFound")
        return commit

    def file(self, name: str, revision: str, path: str) -> None:
        commit = self.found(name, revision)
        if commit is None:
            return None
        sha, files = commit
        if path not in files:
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=sha)
        tag = f'"{hashlib.sha256(files[path]).hexdigest()}"'
        return self.answer(200, files[path], X_Repo_Commit=sha, ETag=tag)

    def listed(self, name: str, what: str, revision: str) -> None:
        commit = self.found(name, revision)
        if commit is None:
            return None
        sha, files = commit
        if what == "revision":
            return self.answer(200, {"id": name, "sha": sha, "siblings": [{"rfilename": path} for path in files]})
        rows = [{"type": "file", "path": path, "size": len(raw), "oid": sha} for path, raw in files.items()]
        return self.answer(200, rows)

    def do_PUT(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.blobs[self.path.rpartition("/")[2]] = raw
        self.answer(200)

    def do_POST(self) -> None:
        self.server.asked.append(f"POST {self.path}")
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "who are you"})
        if path == "/api/repos/create":
            return self.made(json.loads(raw))
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if path.endswith("/preupload/main"):
            files = [one["path"] for one in json.loads(raw)["files"]]
            mode = {True: "lfs", False: "regular"}
            chosen = [{"path": f, "uploadMode": mode[f.endswith(".safetensors")], "shouldIgnore": False} for f in files]
            return self.answer(200, {"files": chosen})
        if path.endswith(".git/info/lfs/objects/batch"):
            wanted = json.loads(raw)["objects"]
            places = [
                one | {"actions": {"upload": {"href": f"{self.server.address}/lfs/{one['oid']}"}}} for one in wanted
            ]
            return self.answer(200, {"transfer": "basic", "objects": places})
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path)
        return self.committed(found[1], raw) if found else self.answer(404)

    def made(self, asked: dict[str, Any]) -> None:
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        new = name not in self.server.repositories
        if new:
            self.server.repositories[name] = Repository()
            self.server.repositories[name].commit({".gitattributes": b""})
        self.answer(200 if new else 409, {"url": f"{self.server.address}/{name}", "name": name, "id": name})

    def committed(self, name: str, raw: bytes) -> None:
        repository = self.server.repositories[name]
        files = dict(repository.commits[-1][1])
        for line in raw.splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif step["key"] == "lfsFile":
                files[value["path"]] = self.server.blobs[value["oid"]]
            elif step["key"] == "deletedFile":
                del files[value["path"]]
        sha = repository.commit(files)
        self.answer(200, {"success": True, "commitOid": sha, "commitUrl": f"{self.server.address}/{name}/commit/{sha}"})
