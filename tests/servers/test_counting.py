"""What every front end counts is the same, and outlives the processes that counted it."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from n2k_fcgi.model.statistics import Family
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.service.statistics import StatisticsReader, Usage
from n2k_fcgi.store.counts import LONGEST_LINE
from n2k_fcgi.store.datadir import COUNTED
from n2k_fcgi.store.keyvalue import Terms
from tests.support import memcached, standalone
from tests.support.asking import Ask, over_cgi, over_fastcgi, over_http, wsgi
from tests.support.fastcgi_client import Client, request
from tests.support.memcached import Client as MemcachedClient
from tests.support.processes import REPOSITORY, SECONDS, Child, eventually, listening, running
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv
from tests.support.worker import worker

pytestmark = pytest.mark.unmeasured

UNKNOWN = "00000000-0000-4000-8000-000000000000"
NEW = "00000000-0000-4000-8000-00000000c01d"


@pytest.fixture
def people(sandbox: Sandbox) -> Sandbox:
    """Two avatars, a namespace, and no counts but the import's."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
    sandbox.store.keyvalue.create("shop", Terms(1000, 10))
    return sandbox


def usage(sandbox: Sandbox) -> Usage:
    """What is counted now."""
    try:
        return StatisticsReader(sandbox.store).read()
    finally:
        sandbox.store.close()


# --- the same by every front end ----------------------------------------------------------------------------------------


def requests(register: str, shop: str) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Lookups with hit and miss in every form, errors, registrations, values: method, target, headers, body."""
    for target in (
        *("/?name=masakazu.kojima", "/?name=nobody.here", f"/?key={GOVERNOR}", f"/?key={UNKNOWN}", "/?key=nonsense"),
        *("/name2key/Governor+Linden", "/name2key/Nobody", f"/key2name/{MASAKAZU}", "/name2key?name=Governor+Linden&terse=1"),
        *("/name2key?names=Governor+Linden+Nobody+Here", f"/api/v1/avatars/{GOVERNOR}", f"/api/v1/avatars/{UNKNOWN}"),
        *("/api/v1/avatars?name=governor.linden", f"/api/v1/avatars/{GOVERNOR}/history", "/api/v1/search?prefix=gov"),
        *("/?name=%ff%00&grid=%0a", "/nothing/here", "/health", "/api/v1/statistics", "/name2key.csv", "/api/v1/usage"),
    ):
        yield "GET", target, {}, b""
    yield "PUT", "/health", {}, b""
    yield "POST", "/api/v1/lookup", {}, json.dumps({"names": ["Governor Linden", "Nobody"], "keys": [MASAKAZU]}).encode()
    yield "POST", "/api/v1/lookup", {}, b"{"
    yield "POST", "/?name=Governor+Linden", {}, b""
    token = {"X-N2K-Token": register}
    for name, key in (("New Comer", NEW), ("New Comer", NEW), ("Governor Linden", NEW)):
        yield "POST", "/api/v1/avatars", token, json.dumps({"name": name, "key": key}).encode()
    yield "GET", f"/?name=Also+New&key={UNKNOWN[:-1]}1", token, b""
    yield "POST", "/api/v1/forgotten", token, json.dumps({"key": GOVERNOR}).encode()
    token = {"X-N2K-Token": shop, "Content-Type": "text/plain"}
    for method, target, body in (
        *(("PUT", "/db/a", b"1"), ("GET", "/db/a", b""), ("POST", "/db/a?op=incr", b""), ("GET", "/db/none", b"")),
        *(("PUT", "/db/b", b"x" * 2000), ("DELETE", "/db/a", b""), ("GET", "/db", b""), ("POST", "/db?op=nonsense", b"")),
    ):
        yield method, target, token, body


@contextmanager
def _fastcgi(box: Sandbox, folder: Path) -> Iterator[Ask]:
    with worker(box.data_dir) as child:
        yield over_fastcgi(child.address)
        child.signal(signal.SIGTERM)
        assert child.exit_code() == 0


@contextmanager
def _cgi(box: Sandbox, folder: Path) -> Iterator[Ask]:
    code = "import sys; from n2k_fcgi.servers.cgi import main; main(data_dir=sys.argv[1])"
    yield over_cgi([sys.executable, "-c", code, str(box.data_dir)], {})


HOSTED = """
import json, sys
from n2k_fcgi.servers.hosted import HostedApplication
from tests.support.asking import wsgi
ask = wsgi(HostedApplication(data_dir=sys.argv[1]))
for line in sys.stdin:
    method, target, headers, body = json.loads(line)
    print(ask(method, target, headers, body.encode()).status, flush=True)
"""


@contextmanager
def _hosted(box: Sandbox, folder: Path) -> Iterator[Callable[..., object]]:
    command = [sys.executable, "-c", HOSTED, str(box.data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdin is not None and process.stdout is not None
        into, out = process.stdin, process.stdout

        def ask(method: str, target: str, headers: dict[str, str], body: bytes) -> object:
            into.write(json.dumps([method, target, headers, body.decode()]) + "\n")
            into.flush()
            return out.readline()

        yield ask
        into.close()
        assert process.wait(SECONDS) == 0


@contextmanager
def _granian(box: Sandbox, folder: Path) -> Iterator[Ask]:
    with standalone.serving(box.data_dir) as server:
        yield over_http(server.host, server.port)


FRONTS = {"fastcgi": _fastcgi, "cgi": _cgi, "hosted": _hosted, "standalone": _granian}
EXPECTED = {
    Family.LOOKUPS: {"hit": 12, "miss": 6},
    Family.GRIDS: {"Production": 12},
    Family.REGISTERS: {"new": 2, "known": 1, "refused": 1},
    Family.LIMITS: {"quota": 1},
    Family.VALUES: {"put": 2, "get": 2, "incr": 1, "delete": 1, "list": 1},
}


@pytest.mark.parametrize("front", FRONTS)
def test_every_front_end_counts_the_same(people: Sandbox, tmp_path: Path, front: str) -> None:
    """Each request once, with its kind and status; bad input too. Of CGI each process is a start, of others one is."""
    register = create_token(people.store.tokens, ("register",)).text
    shop = create_token(people.store.tokens, ("keyvalue",), namespace="shop").text
    people.store.close()
    asked = list(requests(register, shop))
    with FRONTS[front](people, tmp_path) as ask:
        for one in asked:
            ask(*one)
    total = usage(people).counted.total
    for family, counts in EXPECTED.items():
        assert total.of(family) == counts, (family, total.of(family))
    answers = total.of(Family.ANSWERS)
    health = answers.pop("health.200") - (1 if front == "standalone" else 0)  # it is waited for
    assert health == 1 and total.of(Family.STARTS) == {front: len(asked) if front == "cgi" else 1}
    assert answers == {
        **{"lookup.200": 13, "lookup.400": 3, "lookup.404": 2, "search.200": 1, "other.404": 1, "owner.200": 1, "owner.401": 1},
        **{"list.401": 1, "other.405": 1, "register.200": 3, "register.409": 1, "forget.403": 1},
        **{"values.200": 4, "values.201": 1, "values.404": 1, "values.413": 1, "values.400": 1},
    }
    assert sum(answers.values()) + 1 == len(asked) and total.latency().answers == total.answers


def test_memcached_counts_commands_and_names(people: Sandbox, tmp_path: Path) -> None:
    """By name; what is no command is one too. Names that the directory answers are lookups."""
    people.store.close()
    with memcached.serving(people.data_dir, "--directory", "dir:", namespace="shop") as child:
        client = MemcachedClient(child.address)
        client.ask(b"set a 0 0 1\r\n1\r\n")
        client.until(b"get a b\r\n", b"END\r\n")
        client.ask(b"incr a 1\r\n")
        client.ask(b"nonsense\r\n")
        assert client.ask(b"set b 0 0 2000\r\n%b\r\n" % bytes(2000)).startswith(b"SERVER_ERROR")
        client.until(b"get dir:avatar:governor.linden dir:avatar:nobody dir:key:%b\r\n" % MASAKAZU.encode(), b"END\r\n")
        client.ask(b"mn\r\n")
        client.close()
        child.signal(signal.SIGTERM)
        assert child.exit_code() == 0
    total = usage(people).counted.total
    assert total.of(Family.MEMCACHED) == {"set": 2, "get": 2, "incr": 1, "other": 1, "mn": 1}
    assert total.of(Family.LIMITS) == {"quota": 1}
    assert (total.hits, total.misses) == (2, 1) and total.of(Family.STARTS) == {"memcached": 1}


# --- processes that are killed ------------------------------------------------------------------------------------------

QUICK = """
import sys
from n2k_fcgi.servers.fastcgi import main
from n2k_fcgi.servers.limits import DEFAULT
main(DEFAULT._replace(noting=0.2, housekeeping=0.3), data_dir=sys.argv[1])
"""
WORKERS, EACH, LAST = 4, 600, 100


@contextmanager
def _worker(data_dir: Path, folder: Path) -> Iterator[Child]:
    """A worker that notes five times per second."""
    folder.mkdir()
    log = folder / "stderr"
    command = [sys.executable, "-c", QUICK, str(data_dir)]
    with listening(folder) as bound, log.open("wb") as errors, running(command, stdin=bound, stderr=errors) as process:
        yield Child(process, str(folder / "socket"), log)


def _ask(child: Child, count: int) -> None:
    """Every third is a miss."""
    for number in range(count):
        with Client(child.address) as client:
            client.send(request("/?name=nobody" if number % 3 == 2 else "/?name=governor.linden")).answer()


def test_a_kill_costs_what_was_counted_since_the_last_note(people: Sandbox, tmp_path: Path) -> None:
    """Of four workers under load three are killed: all but their last answers are counted, each once."""
    people.store.close()
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(people.data_dir, tmp_path / f"{n}")) for n in range(WORKERS)]
        for child in workers:
            _ask(child, EACH)
        assert eventually(lambda: usage(people).counted.total.answers == WORKERS * EACH), "noted without a further request"
        for child in workers[1:]:
            _ask(child, LAST)
            child.signal(signal.SIGKILL)
            child.process.wait()
        _ask(workers[0], LAST)
        workers[0].signal(signal.SIGTERM)
        assert workers[0].exit_code() == 0
    total = usage(people).counted.total
    certain = WORKERS * EACH + LAST
    assert certain <= total.answers <= certain + LAST * (WORKERS - 1)
    assert total.hits + total.misses == total.answers == total.latency("lookup").answers
    assert total.of(Family.STARTS) == {"fastcgi": WORKERS}


def test_a_worker_tells_of_itself(people: Sandbox, tmp_path: Path) -> None:
    """Its memory, age and answers, while it runs; a killed one is in no list."""
    people.store.close()
    with _worker(people.data_dir, tmp_path / "run") as child:
        _ask(child, 30)
        assert eventually(lambda: [worker.answers for worker in usage(people).workers()] == [30])
        (told,) = usage(people).workers()
        assert (told.pid, told.front) == (child.process.pid, "fastcgi") and told.memory > 10**6 and told.started <= told.seen
    assert usage(people).workers() == []


def test_a_worker_goes_on_counting_with_other_settings(people: Sandbox) -> None:
    """An edit that opens the store anew is no start, and loses nothing."""
    people.store.close()
    application = LiveApplication({"data_dir": str(people.data_dir)}, look_every=0)
    assert wsgi(application)("GET", "/?name=governor.linden", {}, b"").status == 200
    (people.data_dir / "n2k.ini").write_text("[n2k]\nmax_pending = 7\n")
    assert wsgi(application)("GET", "/?name=governor.linden", {}, b"").status == 200
    application.close()
    found = usage(people)
    assert found.counted.total.hits == 2 and found.counted.total.of(Family.STARTS) == {"hosted": 1}
    assert [worker.answers for worker in found.workers()] == [2]


def test_the_server_for_trying_out_notes_too(people: Sandbox) -> None:
    """Werkzeug's, where granian is missing: between its requests."""
    people.store.close()
    code = "import sys; sys.modules['granian'] = None; from n2k_fcgi.__main__ import main; main()"
    with standalone.serving(people.data_dir, program=("-c", code)) as server:
        assert over_http(server.host, server.port)("GET", "/?name=governor.linden", {}, b"").status == 200
        assert eventually(lambda: usage(people).counted.total.hits == 1)


def test_lines_are_merged_by_housekeeping(people: Sandbox, tmp_path: Path) -> None:
    """Without anybody who reads statistics."""
    people.store.close()
    lines = people.data_dir / COUNTED
    with _worker(people.data_dir, tmp_path / "run") as child:
        _ask(child, 10)
        assert eventually(lambda: (people.data_dir / "statistics.mdb").exists() and not lines.exists())
    assert people.store.statistics.read().total.answers == 10


def test_a_cgi_process_writes_one_short_line(people: Sandbox) -> None:
    """After its answer, and opens no file of LMDB for it."""
    people.store.close()
    (people.data_dir / COUNTED).unlink(missing_ok=True)
    with _cgi(people, people.data_dir) as ask:
        ask("GET", "/?name=governor.linden", {}, b"")
        ask("GET", "/?name=nobody", {}, b"")
    lines = [line for line in (people.data_dir / COUNTED).read_text().split("\n") if line]
    assert len(lines) == 2 and all(len(line) < LONGEST_LINE and re.match(r"\d+:\d+ cgi ", line) for line in lines)
    assert not (people.data_dir / "statistics.mdb").exists()
