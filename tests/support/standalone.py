"""``n2k serve`` as a child process, on a free port of loopback: not on 0, whose port a client could get before granian."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.asking import over_http
from tests.support.coverage import measured
from tests.support.foreground import free_port
from tests.support.processes import SECONDS, eventually

WITHOUT_GRANIAN = "import n2k_fcgi.servers.http as h, n2k_fcgi.cli as c; h.why_no_granian = lambda: 'none'; c.main()"
"""A program for ``serving``: Werkzeug's server, as where granian is not installed."""


class Standalone(NamedTuple):
    """Where it listens, and its first process."""

    host: str
    port: int
    process: "subprocess.Popen[str]"


@contextmanager
def serving(
    data_dir: Path, *options: str, program: tuple[str, ...] = ("-m", "n2k_fcgi"), said: Path = Path(os.devnull)
) -> Iterator[Standalone]:
    """Serve until the block ends; then SIGTERM must end it with exit code 0. Standard error goes to the file *said*."""
    command = [sys.executable, *program, "--dir", str(data_dir), "serve", "--port", str(free_port()), *options]
    with (
        said.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, **measured()}) as server,
    ):
        try:
            assert server.stdout is not None
            url = urlsplit(server.stdout.readline().strip())
            assert url.hostname and url.port
            _wait_until_it_answers(url.hostname, url.port, url.path.rstrip("/"))
            yield Standalone(url.hostname, url.port, server)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                assert server.wait(SECONDS) == 0
            finally:
                server.kill()


def _wait_until_it_answers(host: str, port: int, mount: str) -> None:
    def answers() -> bool:
        with suppress(OSError):
            return bool(over_http(host, port, mount)("GET", "/health", {}, b"").status)
        return False

    assert eventually(answers), "the server does not answer"
