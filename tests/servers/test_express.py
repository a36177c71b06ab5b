"""The fast path of FastCGI beside the way of every other request: the same answers, and made by it where it is meant to be."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.servers.fastcgi.express import LARGEST, Express, asked
from n2k_fcgi.servers.fastcgi.records import Malformed, decode_pairs
from n2k_fcgi.servers.fastcgi.request import Request
from n2k_fcgi.servers.fastcgi.server import Server
from n2k_fcgi.servers.gateway import Reply as Gateway
from n2k_fcgi.servers.limits import Counters
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.web.decoding import LOOKUP_VARIABLES
from n2k_fcgi.web.responses import Answer
from tests.support.asking import cgi_environ, over_fastcgi, wsgi
from tests.support.fastcgi_client import KEEP, PARAMS, STDIN, Client, begin, pairs, record, request, stream
from tests.support.golden import Reply, all_cases, prepare, run_all
from tests.support.processes import SECONDS, Child, eventually, listening, running
from tests.support.sandbox import GOVERNOR, Sandbox, csv

WORKER = """
import json, sys
from n2k_fcgi.servers.fastcgi.serving import serve
from n2k_fcgi.servers.limits import Counters
from n2k_fcgi.servers.listeners import inherited
from n2k_fcgi.servers.live import LiveApplication
counters, application = Counters(), LiveApplication({"data_dir": sys.argv[1]}, buffered_logs=True)
with inherited() as listener:
    direct = application if sys.argv[2] == "express" else None
    serve(application, listener, owns_listener=False, direct=direct, counters=counters)
application.close()
print(json.dumps([counters.requests, counters.express]))
"""


class Worker(Child):
    """A worker that tells at its end how many requests there were, and how many of them took the fast path."""

    def body(self, data: bytes) -> bytes:
        """The body of the answer to *data*."""
        with Client(self.address) as client:
            return client.send(data).answer().body

    def end(self) -> list[int]:
        """Stop it: requests, and those of the fast path."""
        self.signal(signal.SIGTERM)
        counts: list[int] = json.loads(self.process.communicate(timeout=SECONDS)[0])
        return counts


@contextmanager
def worker(data_dir: Path, folder: Path, way: str = "express") -> Iterator[Worker]:
    """The worker over *data_dir*."""
    command = [sys.executable, "-c", WORKER, str(data_dir), way]
    folder.mkdir(exist_ok=True)
    stderr = folder / "stderr"
    with listening(folder) as bound, stderr.open("wb") as errors, running(command, stdin=bound, stderr=errors) as process:
        yield Worker(process, str(folder / "socket"), stderr)


@pytest.fixture
def people(sandbox: Sandbox) -> Path:
    """A directory with one avatar."""
    sandbox.import_text(csv((GOVERNOR, "Governor Linden")))
    sandbox.store.close()
    return sandbox.data_dir


@pytest.mark.parametrize("mount", ["", "/sub"])
@pytest.mark.parametrize("way", ["express", "through WSGI"])
def test_every_golden_case_both_ways(tmp_path: Path, way: str, mount: str) -> None:
    """The same answers over a real socket; by the fast path every GET that mod_fcgid would send in one piece, else none."""
    golden = prepare(tmp_path / "data")
    cases = all_cases()
    gets = sum(case["method"] == "GET" and "send" not in case and "LARGE" not in case["target"] for case in cases)
    with worker(golden.data_dir, tmp_path / "run", way) as child:
        assert run_all(over_fastcgi(child.address, mount), golden) == len(cases)
        assert child.end() == [len(cases), gets if way == "express" else 0]
    assert gets > len(cases) / 2


class Watched(dict[str, Any]):
    """An environ that keeps the names which are asked for."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's."""
        self.read.add(name)
        return super().get(name, default)


class Failing:
    """An application that raises where its own last resort failed."""

    def __init__(self, problem: BaseException) -> None:
        self._problem = problem

    max_body = 0

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        """As the others."""
        raise self._problem

    def lookup(self, environ: Any) -> None:
        """As the others."""
        raise self._problem

    def answer(self, environ: Any) -> Answer:
        """As the others."""
        raise self._problem

    has_counted = False

    def keep_house(self) -> None:
        """Nothing."""

    def note_counts(self) -> None:
        """Nothing is counted."""

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize("problem", [MemoryError(), OSError(24, "Too many open files"), SystemExit(3), StopIteration()])
@pytest.mark.parametrize("target", ["/?name=a+b", "/health"])
def test_what_an_application_raises_gets_the_answer_that_wsgi_gives(problem: BaseException, target: str) -> None:
    """A plain 500, or 503 for lack of memory; never a connection that ends without an answer."""
    application = Failing(problem)
    fast = Express(application, Server(application, Counters()))(request(target))
    slow = b"".join(Gateway(application, cgi_environ("GET", target, {}, b"")).advance())
    status = b"503 " if isinstance(problem, MemoryError) else b"500 "
    assert isinstance(fast, bytes) and slow in fast and slow.startswith(b"Status: " + status)


@pytest.mark.parametrize("begun", [False, True])
def test_a_list_that_nobody_reads_gives_its_slot_back(people: Path, begun: bool) -> None:
    """Its connection may end before a block is asked for: another caller gets the list."""
    application = LiveApplication({"data_dir": str(people), "csv_streams": "1", "csv": "open"})
    express = Express(application, Server(application, Counters()))
    asked_for = request("/name2key.csv")
    try:
        for _ in range(3):
            running = express(asked_for)
            assert isinstance(running, Request) and running.reply is not None
            assert b"429" in bytes(express(asked_for) or b"")  # type: ignore[arg-type]  # the slot is taken
            if begun:
                running.reply.advance()
            running.reply.close()
    finally:
        application.close()


def test_lookups_read_no_other_variables(tmp_path: Path) -> None:
    """All lookups among the golden cases, browsers' and refused ones too: what the fast path leaves out is not missed."""
    golden = prepare(tmp_path / "data")
    application = LiveApplication({"data_dir": str(golden.data_dir)})
    through_wsgi = wsgi(application, "/sub")
    read: list[set[str]] = []

    def ask(method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        environ = Watched(cgi_environ(method, target, headers, body, "/sub"))
        if application.lookup(environ) is not None:
            read.append(environ.read)
        return through_wsgi(method, target, headers, body)

    try:
        run_all(ask, golden)
        for headers in ({"Accept": "text/html"}, {"Accept": "text/html", "X-SecondLife-Owner-Key": GOVERNOR}):
            ask("GET", "/?name=governor.linden", headers, b"")
    finally:
        application.close()
    assert len(read) > 100 and set().union(*read) == set(LOOKUP_VARIABLES)


def decoded(params: bytes) -> dict[str, str]:
    """All variables, or none if they are malformed."""
    found: dict[str, str] = {}
    try:
        decode_pairs(params, found)
    except Malformed:
        return {}
    return found


VARIABLE = st.sampled_from([*LOOKUP_VARIABLES, "REQUEST_TIME", "X", "", "SERVER_PORT", "N" * 200])
VALUE = st.text(st.characters(max_codepoint=255), max_size=300)


@given(st.lists(st.tuples(VARIABLE, VALUE), max_size=12), st.binary(max_size=3))
def test_what_lookups_read_is_decoded_as_all_is(values: list[tuple[str, str]], rest: bytes) -> None:
    """Of a name that comes twice the last counts; names inside of values are none; what is malformed gives nothing."""
    params = b"".join(pairs({name: value}) for name, value in values) + rest
    assert asked(params) == {name: value for name, value in decoded(params).items() if name in LOOKUP_VARIABLES}


def test_a_variable_inside_of_a_value_is_none(people: Path, tmp_path: Path) -> None:
    """A caller who writes the bytes of a variable into a header asks nothing else than what is in the first line."""
    hidden = pairs({"REQUEST_URI": "/?name=governor.linden"}).decode("latin-1")
    with worker(people, tmp_path / "run") as child:
        for size in (0, 200):
            forged = request("/?name=nobody", HTTP_A=hidden + "x" * size, HTTP_USER_AGENT=hidden)
            assert child.body(forged) == b"00000000-0000-0000-0000-000000000000"
        assert child.end() == [2, 2]


def test_what_it_takes_and_what_it_leaves(people: Path, tmp_path: Path) -> None:
    """Whole GETs, whenever their bytes come; not bodies, other methods, kept connections, nor what arrives in pieces."""
    lookup = request("/?name=governor.linden")
    with worker(people, tmp_path / "run") as child:
        assert child.body(lookup) == GOVERNOR.encode()
        with Client(child.address) as client:
            assert eventually(lambda: child.sockets() > 1)  # it was accepted before a byte was there
            assert eventually(child.sleeping)
            assert client.send(lookup).answer().body == GOVERNOR.encode()
            assert client.at_end()
        others = {
            "HEAD": (request("/?name=governor.linden", "HEAD"), b""),
            "POST": (request("/", "POST", b"name=governor.linden"), GOVERNOR.encode()),
        }
        for data, body in others.values():
            assert child.body(data) == body
        with Client(child.address) as client:
            for _ in range(2):
                assert client.send(request("/?name=governor.linden", flags=KEEP)).answer().body == GOVERNOR.encode()
        with Client(child.address) as client:
            client.send(lookup[:40])
            assert eventually(lambda: child.sockets() > 1) and eventually(child.sleeping)
            assert client.send(lookup[40:]).answer().body == GOVERNOR.encode()
        assert child.end() == [7, 2]


def test_malformed_variables_end_the_connection_alone(people: Path, tmp_path: Path) -> None:
    """A pair that is cut off in a request that is whole otherwise: no answer, and the next caller gets one."""
    with worker(people, tmp_path / "run") as child:
        for params in (b"\x0b\x7fREQUEST_URI/?name=x", b"\x0bname=", pairs({"REQUEST_METHOD": "GET"}) + b"\xff\xff\xff\xffkey"):
            with Client(child.address) as client:
                client.send(begin() + stream(PARAMS, 1, params) + record(STDIN, 1))
                assert client.at_end()
            assert child.body(request("/?name=governor.linden")) == GOVERNOR.encode()
        assert child.end()[1] == 3


@pytest.mark.parametrize("size", [LARGEST - 1, LARGEST, LARGEST + 1, 60_000])
def test_a_long_answer_is_whole(sandbox: Sandbox, tmp_path: Path, size: int) -> None:
    """On both sides of the length up to which one record holds it; all of them by the fast path."""
    sandbox.store.keyvalue.create("shop", Terms(200_000, 10))
    token = {"HTTP_X_N2K_TOKEN": create_token(sandbox.store.tokens, ("keyvalue",), namespace="shop").text}
    sandbox.store.close()
    value = bytes(index % 251 for index in range(size))
    with worker(sandbox.data_dir, tmp_path / "run") as child:
        child.body(request("/db/value", "PUT", value, CONTENT_TYPE="application/octet-stream", **token))
        assert child.body(request("/db/value", **token)) == value
        assert child.end() == [2, 1]


def test_settings_that_cannot_be_read_are_told(people: Path, tmp_path: Path) -> None:
    """503 and one line, in the form of the area, by the fast path too; no lookup is tried."""
    (people / "n2k.ini").write_text("[n2k]\nno_such_setting = 1\n")
    with worker(people, tmp_path / "run") as child:
        for target in ("/?name=governor.linden", "/health", "/api/v1/statistics"):
            with Client(child.address) as client:
                answer = client.send(request(target)).answer()
            assert answer.status.startswith("503") and b"no_such_setting" in answer.body, target
            assert (answer.body[:1] == b"{") == target.startswith("/api"), target
        assert child.end() == [3, 3]
