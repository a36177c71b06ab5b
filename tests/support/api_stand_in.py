"""The addresses below /api/v1 that scripts use, as long as the service has none: a front of the real server.

Names and keys are registered with the real server, one by one in its text form, so that its rules, tokens and store decide.
Who was forgotten and which keys are pending is remembered here.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.directory_server import DirectoryServer, n2k

MOST_BYTES = 2048
NULL = "00000000-0000-0000-0000-000000000000"
Answer = tuple[int, Any]


class Refused(Exception):
    """A status for the whole request."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.answer: Answer = (status, {"error": why})


class DirectoryWithApi(DirectoryServer):
    """A real server behind a front that has /api/v1."""

    def __init__(self, template: Path, data_dir: Path, front_port: int) -> None:
        super().__init__(template, data_dir)
        self.front_port = front_port
        self.forgotten: set[str] = set()
        self.pending: list[str] = []

    @property
    def url(self) -> str:
        """The root address: the front's."""
        return f"http://127.0.0.1:{self.front_port}/"

    def ask_real(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """Ask the real server: status, type and body. Raises OSError and HTTPException."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.getheader("Content-Type", ""), reply.read()
        finally:
            connection.close()

    def answer(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Answer a request below /api/v1."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        asked = json.loads(body) if body else {}
        if (method, path) == ("POST", "/api/v1/avatars"):
            return self._register(asked, headers)
        if (method, path) == ("POST", "/api/v1/pending"):
            self.pending += asked["keys"]
            return 200, {"new": len(asked["keys"])}
        if (method, path) == ("GET", "/api/v1/pending"):
            self._allow(headers, "register")
            return 200, {"keys": self.pending[: int(query["limit"][0])], "waiting": len(self.pending)}
        if (method, path) == ("POST", "/api/v1/pending/unknown"):
            self._allow(headers, "register")
            before = len(self.pending)
            self.pending = [key for key in self.pending if key not in asked["keys"]]
            return 200, {"dropped": before - len(self.pending)}
        if (method, path) == ("POST", "/api/v1/forgotten"):
            self._allow(headers, "forget")
            self.forgotten.add(asked["key"])
            return 200, {"forgotten": True}
        return 404, {"error": "nothing here"}

    def _allow(self, headers: dict[str, str], scope: str) -> None:
        token = headers.get("X-N2K-Token", "__").split("_")[1]
        lines = [line.split("\t") for line in n2k(self.data_dir, "token", "list").splitlines()]
        scopes = {line[0]: line[1].split(",") for line in lines if line[4] == "active"}
        if token not in scopes:
            raise Refused(401, "a valid token is needed")
        if scope not in scopes[token]:
            raise Refused(403, f"this token does not allow it: it lacks the scope {scope!r}")

    def _register(self, asked: dict[str, Any], headers: dict[str, str]) -> Answer:
        count, refused = 0, []
        for avatar in asked["avatars"]:
            status, why = 409, "the avatar asked to be forgotten"
            if avatar["key"] not in self.forgotten:
                status, why = self._register_one({**asked, **avatar}, headers)
            if status in (401, 403):
                raise Refused(status, why)
            if status == 200:
                count += 1
                self.pending = [key for key in self.pending if key != avatar["key"]]
            else:
                refused.append({"key": avatar["key"], "status": status, "why": why})
        while len(json.dumps({"registered": count, "refused": refused})) >= MOST_BYTES:
            refused.pop()
        return 200, {"registered": count, "refused": refused}

    def _register_one(self, avatar: dict[str, Any], headers: dict[str, str]) -> tuple[int, str]:
        fields = {name: avatar[name] for name in ("name", "key", "grid") if name in avatar}
        kept = {name: value for name, value in headers.items() if name.startswith("X-")}
        kept["Content-Type"] = "application/x-www-form-urlencoded"
        status, _, said = self.ask_real("POST", "/", urlencode(fields).encode(), kept)
        return status, said.decode().strip()


@contextmanager
def directory_with_api(template: Path, data_dir: Path) -> Iterator[DirectoryWithApi]:
    """Serve a copy of *template* in *data_dir* while the block runs."""

    class Front(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                status, kind, data = self._answer(body)
            except (OSError, HTTPException):  # the real server is down: so is this one, for who asks
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def _answer(self, body: bytes) -> tuple[int, str, bytes]:
            headers = dict(self.headers)
            if not self.path.startswith("/api/v1/"):
                status, kind, data = server.ask_real(self.command, self.path, body, headers)
                return status, kind, NULL.encode() if data.decode() in server.forgotten else data
            server.ask_real("GET", "/ready", b"", {})
            try:
                status, said = server.answer(self.command, self.path, body, headers)
            except Refused as refusal:
                status, said = refusal.answer
            return status, "application/json", json.dumps(said).encode() + b"\n"

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as front:
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server = DirectoryWithApi(template, data_dir, front.server_port)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            front.shutdown()
            thread.join()
