"""The service as users run it: ``n2k init``, ``n2k import``, ``n2k serve`` in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
"""How long a server may take to answer for the first time, on a busy machine."""


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
    """Make a data directory that knows *rows* (name to key, Second Life's grid), with its first token."""
    n2k(data_dir, "init")
    n2k(data_dir, "import", "-", text="".join(f"{key},{name}\n" for name, key in rows.items()))
    return data_dir


class DirectoryServer:
    """A standalone server on a copy of *template*, at ``url`` from the first start to the last stop."""

    def __init__(self, template: Path, data_dir: Path) -> None:
        self.data_dir = data_dir
        shutil.copytree(template, data_dir)
        self.token = (data_dir / "token").read_text("utf-8").strip()
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

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
        """Start, on the same port as before, and wait until it answers."""
        command = _command(self.data_dir, "serve", "--port", str(self.port))
        self._process = subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().rstrip("/\n").rpartition(":")[2])
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server if it runs."""
        if self._process is None:
            return
        with self._process as process:
            process.terminate()
        self._process = None

    def name2key(self, name: str) -> str:
        """Ask the server as any client would."""
        with urlopen(f"{self.url}?name={quote(name)}", timeout=START_SECONDS) as reply:
            return str(reply.read().decode())

    def key2name(self, key: str) -> str:
        """The other way round."""
        with urlopen(f"{self.url}?key={key}", timeout=START_SECONDS) as reply:
            return str(reply.read().decode())

    def _json(self, method: str, path: str, body: object) -> Any:
        headers = {"X-N2K-Token": self.token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data, headers, method=method), timeout=START_SECONDS) as reply:
            return json.load(reply)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}ready", timeout=START_SECONDS) as reply:
                return bool(reply.status == 200)
        except HTTPError as error:
            error.close()
            return False
        except OSError:
            return False


@contextmanager
def directory_server(template: Path, data_dir: Path) -> Iterator[DirectoryServer]:
    """Serve a copy of *template* in *data_dir* while the block runs."""
    server = DirectoryServer(template, data_dir)
    try:
        server.start()
        yield server
    finally:
        server.stop()
