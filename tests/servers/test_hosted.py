"""The application in a server's own process: opened at the first request of each, run by one thread, keeps house at close."""

import gc
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from n2k_fcgi.errors import ForkedTooLate
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.servers.hosted import HostedApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.service.dumps.sample import Sample, csv_lines
from n2k_fcgi.store.keyvalue import Kind, NamespaceStore, Terms
from tests.servers.test_threads import MANY, threaded_werkzeug, threaded_wsgiref
from tests.support.asking import over_http, wsgi
from tests.support.coverage import measured
from tests.support.fastcgi_client import variables
from tests.support.processes import REPOSITORY, SECONDS
from tests.support.sandbox import Sandbox

THREADS, EACH = 8, 25
COUNTED = "/db/count?op=incr&initial=1"
ENTRIES = "/db?ns=shop&count=1"


@pytest.fixture
def token(sandbox: Sandbox) -> str:
    """One of the namespace ``shop``, whose entries anyone may read."""
    sandbox.store.keyvalue.create("shop", Terms(1_000_000, 10_000, is_open=True))
    return create_token(sandbox.store.tokens, ("keyvalue",), namespace="shop").text


FORKING = """
import ctypes, json, os, sys
from n2k_fcgi.servers.hosted import HostedApplication
from tests.support.asking import wsgi

data_dir, token = sys.argv[1:]
application = HostedApplication(data_dir=data_dir, kv_sync="always")
ask = wsgi(application)

def count():
    return ask("POST", "/db/count?op=incr&initial=1", {"X-N2K-Token": token}, b"").body.decode()

def opened():
    fds = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return sum(os.readlink(fd).startswith(data_dir) for fd in fds if os.path.islink(fd))

def forked(fork):
    reading, writing = os.pipe()
    child = fork()
    if not child:
        os.write(writing, json.dumps([count(), count()]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        told = json.load(said)
    os.waitpid(child, 0)
    return told

in_c = ctypes.PyDLL(None).fork  # a server in C does not tell Python that it forks
before = opened()
told = [forked(in_c), forked(os.fork)]
between = opened()
told += [count(), forked(os.fork), count(), count(), forked(in_c), count()]
print(json.dumps([before, between, opened() > 0, told]))
"""
FORKING_IN_A_LIST = """
import ctypes, gc, json, os, sys
from n2k_fcgi.servers.hosted import HostedApplication
from tests.support.asking import wsgi
from tests.support.fastcgi_client import variables

data_dir, by_python = sys.argv[1], sys.argv[2] == "python"
application = HostedApplication(data_dir=data_dir, csv="open")
ask = wsgi(application)

def csv():
    return ask("HEAD", "/name2key.csv", {}, b"").status

def opened():
    fds = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    with open("/proc/self/maps") as maps:
        return sum(os.readlink(fd).startswith(data_dir) for fd in fds if os.path.islink(fd)) + maps.read().count(data_dir)

whole = len(ask("GET", "/name2key.csv", {}, b"").body)
blocks = application(dict(variables("/name2key.csv")), lambda *_: None)
sent = len(next(blocks))
end, held = os.pipe()
reading, writing = os.pipe()
child = os.fork() if by_python else ctypes.PyDLL(None).fork()
if not child:
    os.close(held)
    told = [opened(), ask("GET", "/?name=name000007.last", {}, b"").status, csv()] if by_python else []
    if by_python:
        blocks.close()
    os.write(writing, json.dumps(told).encode() + b"\\n")
    os.read(end, 1)  # until the parent is done
    os._exit(0)
os.close(writing)
with os.fdopen(reading) as said:
    told = json.loads(said.readline())
    during = csv()
    sent += sum(map(len, blocks))
    blocks.close()
    after = csv()
os.close(held)
os.waitpid(child, 0)
print(json.dumps([told, during, sent == whole, after]))
"""
TOO_LATE = f"{ForkedTooLate()}\n"


def in_a_process(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run *code* in a Python of its own, since it forks."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=REPOSITORY,
        env={**measured(), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )


def test_nothing_is_open_before_the_first_request_and_each_process_opens_for_itself(sandbox: Sandbox, token: str) -> None:
    """Forked before the first request, by Python and by C, and by Python afterwards: every process counts on.

    A child that C forks afterwards would need its parent's files: it says so, and the parent counts on.
    """
    sandbox.store.close()
    done = in_a_process(FORKING, sandbox.data_dir, token)
    assert json.loads(done.stdout) == [0, 0, True, [["1", "2"], ["3", "4"], "5", ["6", "7"], "8", "9", [TOO_LATE] * 2, "10"]]


@pytest.mark.parametrize(("fork", "child"), [("python", [0, 200, 429]), ("c", [])])
def test_a_list_goes_on_over_a_fork_and_its_child_keeps_nothing(
    sandbox: Sandbox, many_avatars: Path, fork: str, child: list[int]
) -> None:
    """Python's child has nothing open, answers, and closes no slot of its parent, whose list is whole.

    Then the slot is free while the child lives, also one that C forked, which has a copy of its descriptor.
    """
    sandbox.begin_with(many_avatars)
    done = in_a_process(FORKING_IN_A_LIST, sandbox.data_dir, fork)
    assert json.loads(done.stdout) == [child, 429, True, 200] and done.stderr == ""


@contextmanager
def served(sandbox: Sandbox, make: Any, **settings: str) -> Iterator[int]:
    """The application behind a threaded server; its port."""
    sandbox.store.close()
    application = HostedApplication(data_dir=str(sandbox.data_dir), **settings)
    server = make(application)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05} if make is threaded_wsgiref else {})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(SECONDS)
        server.server_close()
        application.here().close()


@pytest.mark.unmeasured
@pytest.mark.parametrize("make", [threaded_wsgiref, threaded_werkzeug])
def test_threads_lose_no_count(sandbox: Sandbox, token: str, make: Any) -> None:
    """Eight at once, from the very first request on."""
    with served(sandbox, make, token_limit="1000000", write_limit="1000000") as port:
        ask = over_http("127.0.0.1", port)

        def work(number: int) -> int:
            return sum(ask("POST", COUNTED, {"X-N2K-Token": token}, b"").status in (200, 201) for _ in range(EACH))

        with ThreadPoolExecutor(THREADS) as pool:
            assert list(pool.map(work, range(THREADS))) == [EACH] * THREADS
        assert ask("GET", "/db/count", {"X-N2K-Token": token}, b"").body == b"%d" % (THREADS * EACH)


@pytest.mark.unmeasured
@pytest.mark.parametrize("make", [threaded_wsgiref, threaded_werkzeug])
def test_a_reader_and_a_sender_that_stop_hold_up_nobody(sandbox: Sandbox, token: str, make: Any) -> None:
    """One has taken a byte of a long list, another has sent half of its value: others get answers, and both end well."""
    sandbox.import_text(b"".join(csv_lines(Sample(MANY, 1).shuffled())))
    with served(sandbox, make, csv="open") as port, socket.socket() as slow, socket.socket() as sender:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for each in (slow, sender):
            each.settimeout(SECONDS)
            each.connect(("127.0.0.1", port))
        slow.sendall(b"GET /name2key.csv HTTP/1.0\r\n\r\n")
        begun = slow.recv(1)
        head = f"PUT /db/half HTTP/1.0\r\nX-N2K-Token: {token}\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n"
        sender.sendall(head.encode() + b"half")
        ask = over_http("127.0.0.1", port)
        for _ in range(20):
            assert ask("GET", "/health", {}, b"").status == 200
        sender.sendall(b"half")
        assert b" 201 " in sender.recv(100)
        response = bytearray(begun)
        while data := slow.recv(1 << 20):
            response += data
        assert response.count(b"\n") > MANY
        assert ask("GET", "/db/half", {"X-N2K-Token": token}, b"").body == b"halfhalf"


@pytest.mark.unmeasured
def test_half_a_body_is_refused(sandbox: Sandbox, token: str) -> None:
    """Its sender goes away: nothing is stored."""
    with served(sandbox, threaded_wsgiref) as port:
        with closing(socket.create_connection(("127.0.0.1", port), SECONDS)) as sender:
            head = f"PUT /db/half HTTP/1.0\r\nX-N2K-Token: {token}\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n"
            sender.sendall(head.encode() + b"half")
            sender.shutdown(socket.SHUT_WR)
            assert b" 400 " in sender.recv(100)
        assert over_http("127.0.0.1", port)("GET", "/db/half", {"X-N2K-Token": token}, b"").status == 404


class Broken:
    """A body whose second piece cannot be read."""

    def __init__(self, problem: Exception) -> None:
        self._pieces: list[Any] = [b"half", problem]

    def read(self, size: int) -> bytes:
        """Return a piece, or raise."""
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return bytes(piece)


@pytest.mark.parametrize("problem", [OSError("reset"), ValueError("I/O operation on closed file"), EOFError()])
def test_a_body_that_cannot_be_read_is_the_senders_mistake(sandbox: Sandbox, token: str, problem: Exception) -> None:
    """Whatever a server raises then: 400, nothing is stored, and the next request is answered."""
    sandbox.store.close()
    application = HostedApplication(data_dir=str(sandbox.data_dir))
    told: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        told.append(status[:3])

    environ = dict(variables("/db/half", "PUT", b"halfhalf", HTTP_X_N2K_TOKEN=token, CONTENT_TYPE="text/plain"))
    application({**environ, "wsgi.input": Broken(problem)}, start_response).close()  # type: ignore[attr-defined]
    assert told == ["400"]
    assert wsgi(application)("GET", "/db/half", {"X-N2K-Token": token}, b"").status == 404
    application.here().close()


def test_a_list_that_is_never_closed_gives_back_its_slot(sandbox: Sandbox, many_avatars: Path) -> None:
    """A server that breaks PEP 3333 drops the blocks after the first one: the next caller gets the list."""
    sandbox.begin_with(many_avatars)
    application = HostedApplication(data_dir=str(sandbox.data_dir), csv="open")
    ask = wsgi(application)
    blocks = application(_environ("/name2key.csv"), _no_response)
    assert next(iter(blocks)) and ask("HEAD", "/name2key.csv", {}, b"").status == 429
    del blocks
    gc.collect()
    assert ask("HEAD", "/name2key.csv", {}, b"").status == 200
    application.here().close()


def _expired(shop: NamespaceStore) -> int:
    return sum(change.kind is Kind.EXPIRE for change in shop.changes(0, 10_000).changes)


def _expiring(sandbox: Sandbox) -> NamespaceStore:
    shop = sandbox.store.keyvalue.namespace("shop")
    shop.apply([Put(b"k%d" % n, b"", ttl=1) for n in range(10)], time.time_ns() // 1_000_000 - 10)
    sandbox.store.close()
    return shop


def test_at_the_end_of_an_answer_expired_entries_go_and_the_log_is_written(sandbox: Sandbox, token: str) -> None:
    """Not before its ``close``: until then its caller waits."""
    shop = _expiring(sandbox)
    (sandbox.data_dir / "n2k.ini").write_text("[n2k]\nlog_level = DEBUG\n")
    log = sandbox.data_dir / "log" / "n2k.log"
    application = HostedApplication(data_dir=str(sandbox.data_dir))
    lookup = application(_environ("/?name=a.b"), _no_response)
    assert not log.exists()
    lookup.close()  # type: ignore[attr-defined]
    assert "name2key a.b" in log.read_text()
    application.here()._next_house = 0  # a minute later
    application(_environ(ENTRIES), _no_response).close()  # type: ignore[attr-defined]
    application.here().close()
    assert _expired(shop) == 10


def test_a_sweep_waits_for_no_writer(sandbox: Sandbox, token: str) -> None:
    """While another process writes the namespace, the end of an answer leaves the entries for later."""
    shop = _expiring(sandbox)
    application = HostedApplication(data_dir=str(sandbox.data_dir))
    with hold(sandbox.data_dir / "keyvalue" / "shop" / "data.writer", PRIVATE, 0) as held:
        assert held and wsgi(application)("GET", ENTRIES, {}, b"").status == 200
    application.here().close()
    assert _expired(shop) == 0


def test_an_edited_setting_takes_effect(sandbox: Sandbox) -> None:
    """Noticed at the beginning of an answer, or at its end."""
    application = HostedApplication(data_dir=str(sandbox.data_dir))
    live = application.here()
    live._look_every = live._next_look = 0
    ask = wsgi(application)
    assert ask("GET", "/?name=A+B&key=00000000-0000-4000-8000-00000000c01d", {}, b"").status == 401
    (sandbox.data_dir / "n2k.ini").write_text("[n2k]\nregister = off\n")
    assert ask("GET", "/?name=A+B&key=00000000-0000-4000-8000-00000000c01d", {}, b"").status == 403
    live.close()


def test_a_cgi_process_keeps_house_after_its_answer(sandbox: Sandbox, token: str) -> None:
    """It has no loop either: what it opened is swept before it ends, once the web server has the end of the answer."""
    shop = _expiring(sandbox)
    code = "import sys; from n2k_fcgi.servers.cgi import main; main(data_dir=sys.argv[1])"
    command = [sys.executable, "-c", code, str(sandbox.data_dir)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**measured(), **variables(ENTRIES)}, capture_output=True, timeout=SECONDS, check=True
    )
    assert done.stdout.startswith(b"Status: 200 OK") and done.stderr == b""
    assert _expired(shop) == 10


def _environ(target: str) -> dict[str, Any]:
    return dict(variables(target))


def _no_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    return http.client.responses[int(status[:3])]
