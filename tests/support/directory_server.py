"""The service by HTTP, and commands as users run them, in processes of their own: ``n2k init``, ``import``, ``token``."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from werkzeug.serving import WSGIRequestHandler, make_server

from n2k_fcgi.servers.live import LiveApplication
from tests.support.foreground import free_port

ROOT = Path(__file__).parents[2]
ANSWER_SECONDS = 30.0
"""How long an answer may take on a busy machine."""


def _command(data_dir: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "n2k_fcgi", "--dir", str(data_dir), *arguments]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("N2K_")}


def n2k(data_dir: Path, *arguments: str, text: str = "") -> str:
    """Run one command to its end; what it prints. Raises CalledProcessError when it fails."""
    done = subprocess.run(
        _command(data_dir, *arguments),
        cwd=ROOT,
        env=_environment(),
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def new_data(data_dir: Path, rows: Mapping[str, str]) -> Path:
    """Make a data directory that knows *rows* (name to key, Second Life's grid), with its first token and one to forget."""
    n2k(data_dir, "init")
    (data_dir / "forget_token").write_text(n2k(data_dir, "token", "create", "--scope", "forget").split()[-1], "utf-8")
    n2k(data_dir, "import", "-", text="".join(f"{key},{name}\n" for name, key in rows.items()))
    return data_dir


class Handler(WSGIRequestHandler):
    """Keeps the tests' output clean."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class DirectoryServer:
    """The service on a copy of *template*, by real HTTP, at ``url`` from the first start to the last stop.

    In a thread of this process: a process of its own for each of several hundred tests took longer than all that they do.
    """

    def __init__(self, template: Path, data_dir: Path) -> None:
        self.data_dir = data_dir
        shutil.copytree(template, data_dir)
        self.token, self.forget_token = ((data_dir / name).read_text("utf-8").strip() for name in ("token", "forget_token"))
        self.port = free_port()  # not the kernel's choice: while the server is stopped a client could get that
        self._stop: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """The root address."""
        return f"http://127.0.0.1:{self.port}/"

    def new_token(self, scope: str) -> str:
        """Make a token that allows *scope* only."""
        return n2k(self.data_dir, "token", "create", "--scope", scope).split()[-1]

    def register(self, name: str, key: str) -> None:
        """Register somebody from the command line."""
        n2k(self.data_dir, "register", name, key)

    def revoke(self, token: str) -> None:
        """Make *token* worthless."""
        n2k(self.data_dir, "token", "revoke", token.split("_")[1])

    def ask_about(self, grid: str, *keys: str) -> None:
        """Have the service want the names of *keys* on *grid*."""
        self._json("POST", "api/v1/pending", {"keys": keys, "grid": grid})

    def waiting(self) -> list[str]:
        """The keys whose names the service wants."""
        return list(self._json("GET", "api/v1/pending?limit=1000", None)["keys"])

    def start(self) -> None:
        """Start, on the same port as before."""
        application = LiveApplication({"data_dir": str(self.data_dir)})
        server = make_server("127.0.0.1", self.port, application, request_handler=Handler)
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.005))
        thread.start()

        def stop() -> None:
            server.shutdown()
            thread.join()
            server.server_close()
            application.close()

        self._stop = stop

    def stop(self) -> None:
        """Stop the server if it runs."""
        stop, self._stop = self._stop, lambda: None
        stop()

    def name2key(self, name: str) -> str:
        """Ask the server as any client would."""
        with urlopen(f"{self.url}?name={quote(name)}", timeout=ANSWER_SECONDS) as reply:
            return str(reply.read().decode())

    def key2name(self, key: str) -> str:
        """The other way round."""
        with urlopen(f"{self.url}?key={key}", timeout=ANSWER_SECONDS) as reply:
            return str(reply.read().decode())

    def _json(self, method: str, path: str, body: object) -> Any:
        headers = {"X-N2K-Token": self.token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data, headers, method=method), timeout=ANSWER_SECONDS) as reply:
            return json.load(reply)


@contextmanager
def directory_server(template: Path, data_dir: Path) -> Iterator[DirectoryServer]:
    """Serve a copy of *template* in *data_dir* while the block runs."""
    server = DirectoryServer(template, data_dir)
    try:
        server.start()
        yield server
    finally:
        server.stop()
