"""A hub of one's own: as much of the Hugging Face hub's interface as `push` and `pull` use, in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_secret"


class Hub(ThreadingHTTPServer):
    """The repositories of a hub: for each, its revisions, and their files."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.breaks = 0  # after how many bytes it breaks off once, where it is told to
        self.announced: int | None = None  # a size that it says instead of the right one

    @property
    def address(self) -> str:
        """The hub's address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit(self, name: str, files: dict[str, bytes], *also: str) -> str:
        """Put files into a repository, as its `main` and under other names; return the commit."""
        revisions = self.repositories.setdefault(name, {"main": {}})
        whole = {**revisions["main"], **files}
        oid = hashlib.sha1(repr(sorted(whole.items())).encode()).hexdigest()
        for revision in ("main", oid, *also):
            revisions[revision] = whole
        return oid


class _Answers(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any, status: int = 200) -> None:
        self._answer(status, json.dumps(value).encode(), Content_Type="application/json")

    def do_POST(self) -> None:
        path, body = self.path.partition("?")[0], self._body()
        self.server.asked.append(f"POST {path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json({"error": "Invalid username or password."}, 401)
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            known = name in self.server.repositories
            self.server.repositories.setdefault(name, {"main": {}})
            self._json({"url": f"{self.server.address}/{name}", "name": name}, 409 if known else 200)
        elif "/preupload/" in path:
            files = [
                {
                    "path": each["path"],
                    "uploadMode": "lfs" if each["path"].endswith("pack") else "regular",
                    "shouldIgnore": False,
                }
                for each in json.loads(body)["files"]
            ]
            self._json({"files": files})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.server.address}/lfs/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            name = "/".join(path.split("/")[3:5])
            oid = self.server.commit(name, dict(self._committed(body)))
            self._json({"commitUrl": f"{self.server.address}/{name}/commit/{oid}", "commitOid": oid})
        else:
            self._json({})

    def _committed(self, body: bytes) -> Iterator[tuple[str, bytes]]:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                yield value["path"], base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                yield value["path"], self.server.objects[value["oid"]]

    def do_PUT(self) -> None:
        body = self._body()
        assert hashlib.sha256(body).hexdigest() == self.path.rpartition("/")[2]
        self.server.objects[self.path.rpartition("/")[2]] = body
        self._answer(200)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        owner, name, _, revision, *rest = [*self.path.partition("?")[0].strip("/").split("/"), "", "", ""]
        revisions = self.server.repositories.get(f"{owner}/{name}")
        path = "/".join(part for part in rest if part)
        if revisions is None:
            self._answer(404, X_Error_Code="RepoNotFound")
        elif revision not in revisions:
            self._answer(404, X_Error_Code="RevisionNotFound")
        elif path not in revisions[revision]:
            self._answer(404, X_Error_Code="EntryNotFound")
        else:
            content = revisions[revision][path]
            oid = next(each for each, files in revisions.items() if len(each) == 40 and files == revisions[revision])
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X_Repo_Commit": oid}
            if self.server.announced is not None:
                headers["X_Linked_Size"] = str(self.server.announced)
            wanted = self.headers.get("Range", "")
            begin = int(wanted.removeprefix("bytes=").split("-")[0] or 0) if wanted else 0
            if wanted:
                headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            if self.command == "GET" and self.server.breaks and len(content) > self.server.breaks:
                headers["Content-Length"] = str(len(content) - begin)
                content, self.server.breaks = content[: begin + self.server.breaks], 0
                self.close_connection = True
            self._answer(206 if wanted else 200, content[begin:], **headers)


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Run a hub as long as the block lasts."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
