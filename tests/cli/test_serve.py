"""``n2k serve`` with granian: workers are replaced, a stop loses no answer, the access log is optional."""

import http.client
import os
import signal
import threading
from pathlib import Path

import pytest

from n2k_fcgi.model.keys import NULL_KEY
from tests.support.asking import over_http
from tests.support.golden import prepare
from tests.support.parallel import in_parallel
from tests.support.processes import SECONDS, eventually
from tests.support.standalone import Standalone, serving

MASAKAZU = b"a27b84f0-2757-4176-9579-43a181d4a5a0"


def _workers(server: Standalone) -> list[int]:
    """The process ids of the workers: the children that run the same program."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if _is_worker(child)]


def _is_worker(pid: str) -> bool:
    """Whether it runs and its words are a worker's: one that has ended has none."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return bool(words) and b"resource_tracker" not in words
    except (FileNotFoundError, ProcessLookupError):  # it ended just now
        return False


def _ask(server: Standalone) -> bytes:
    return over_http(server.host, server.port)("GET", "/?name=masakazu.kojima", {}, b"").body


@pytest.mark.measured
def test_a_killed_worker_comes_back(tmp_path: Path) -> None:
    """With --workers 2 there are two, a registration by one is known to both, and both are replaced after SIGKILL."""
    golden = prepare(tmp_path / "data")
    with serving(golden.data_dir, "--workers", "2") as server:
        assert eventually(lambda: len(_workers(server)) == 2)
        killed = _workers(server)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: len(_workers(server)) == 2 and not set(_workers(server)) & set(killed))
        assert eventually(lambda: _answers(server))


def _answers(server: Standalone) -> bool:
    try:
        return _ask(server) == MASAKAZU
    except (OSError, http.client.HTTPException):
        return False


def test_a_stop_under_load_cuts_no_answer(tmp_path: Path) -> None:
    """Every answer is complete and right; other clients are not accepted any more. The exit code is 0."""
    golden = prepare(tmp_path / "data")
    each_was_answered = threading.Barrier(4)
    with serving(golden.data_dir) as server:

        def caller(number: int) -> int:
            answered = 0
            while True:
                if answered == 1:
                    each_was_answered.wait(SECONDS)
                if number == 0 and answered == 50:
                    server.process.send_signal(signal.SIGTERM)
                try:
                    assert _ask(server) == MASAKAZU
                except (OSError, http.client.RemoteDisconnected):
                    return answered
                answered += 1

        assert sum(in_parallel(4, caller)) > 50


@pytest.mark.parametrize("asked", [True, False])
def test_an_access_log_is_written_on_demand(tmp_path: Path, asked: bool) -> None:
    """One line per request on standard error with --access-log, none without; no line has the body of a POST."""
    golden = prepare(tmp_path / "data")
    token = golden.placeholders["{TOKEN}"]
    with serving(golden.data_dir, *(["--access-log"] if asked else []), said=tmp_path / "said") as server:
        ask = over_http(server.host, server.port)
        assert ask("GET", "/?name=nobody.here", {}, b"").body == NULL_KEY.encode()
        form = f"name=Log+Me&key=99999999-2222-3333-4444-555555555555&token={token}".encode()
        assert ask("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, form).status == 200
    said = (tmp_path / "said").read_text()
    assert ("GET /" in said) == asked and ("POST /" in said) == asked
    assert token not in said and "Log+Me" not in said
