"""How many /name2key.csv are sent at a time, over all workers of a data directory; and which tokens permit it."""

import contextlib
import gc
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from tests.support.asking import wsgi
from tests.support.fastcgi_client import Client, get, request
from tests.support.long_list import ROWS, key_of
from tests.support.processes import eventually
from tests.support.sandbox import MASAKAZU, Sandbox, csv
from tests.support.worker import Worker, set_modes, worker

pytestmark = pytest.mark.unmeasured

CSV = "/name2key.csv"
BUSY = "the limit of simultaneous downloads of this list is reached (setting 'csv_streams'): try again in a minute\n"


@pytest.fixture
def large(sandbox: Sandbox, many_avatars: Path) -> Sandbox:
    """A list of 3 MB, for anybody, one at a time."""
    sandbox.begin_with(many_avatars)
    (sandbox.data_dir / "n2k.ini").write_text("[n2k]\ncsv = open\n")
    return sandbox


@contextlib.contextmanager
def unread(child: Worker) -> Iterator[Client]:
    """A client that has read the beginning of the list and stops."""
    with Client(child.address, receive_buffer=4096) as client:
        kind, _, content = client.send(request(CSV)).record()
        assert kind == 6 and content.startswith(b"Status: 200 OK")
        yield client


def test_one_at_a_time(large: Sandbox) -> None:
    """One more is 429 with a line and Retry-After; lookups are answered; when the first has left, the next gets all of it."""
    with worker(large.data_dir) as child:
        with unread(child):
            for method in ("GET", "HEAD", "GET"):
                answer = get(child.address, CSV, method)
                assert answer.status == "429 Too Many Requests" and answer.headers["Retry-After"] == "60"
                assert answer.body.decode() == (BUSY if method == "GET" else "")
            assert child.ask("/health")[0] == 200 and child.ask("/?name=name000007.last") == (200, key_of(7))
        assert eventually(lambda: get(child.address, CSV, "HEAD").status == "200 OK")
        for _ in range(3):
            assert len(get(child.address, CSV).body.splitlines()) == ROWS


def test_a_whole_list_frees_its_slot(large: Sandbox) -> None:
    """So do HEAD, the first lines for a script, and a grid without avatars."""
    with worker(large.data_dir) as child:
        for _ in range(3):
            assert get(child.address, CSV).status == get(child.address, CSV, "HEAD").status == "200 OK"
            assert get(child.address, f"{CSV}?grid=Nowhere").body == b""
            assert len(get(child.address, CSV, HTTP_X_SECONDLIFE_SHARD="Production").body) <= 2048


def test_scripts_do_not_wait(large: Sandbox) -> None:
    """Their few lines are made in one step, not in a stream."""
    with worker(large.data_dir) as child, unread(child):
        assert get(child.address, CSV, HTTP_X_SECONDLIFE_SHARD="Production").status == "200 OK"


def test_all_workers_share_the_slots(large: Sandbox) -> None:
    """A list that one worker sends counts for the other; a killed worker releases its slot."""
    with worker(large.data_dir) as one, worker(large.data_dir) as two:
        with unread(one):
            assert get(two.address, CSV).status == "429 Too Many Requests"
            one.signal(signal.SIGKILL)
            one.exit_code()
            assert len(get(two.address, CSV).body.splitlines()) == ROWS
        with unread(two):
            (large.data_dir / "n2k.ini").write_text("[n2k]\ncsv = open\ncsv_streams = 2\n")
            assert eventually(lambda: get(two.address, CSV).status == "200 OK")
            with unread(two):
                assert get(two.address, CSV).status == "429 Too Many Requests"


def test_three_hundred_unread_lists(large: Sandbox) -> None:
    """With more slots, memory grows by less than 0.1 MB per list, lookups are answered, and all lists are complete."""
    (large.data_dir / "n2k.ini").write_text("[n2k]\ncsv = open\ncsv_streams = 300\n")
    with worker(large.data_dir) as child, ExitStack() as stack:
        assert len(get(child.address, CSV).body.splitlines()) == ROWS
        before = child.status("RssAnon")
        clients = [stack.enter_context(unread(child)) for _ in range(300)]
        assert get(child.address, CSV).status == "429 Too Many Requests"
        for n in (1, 500, ROWS):
            assert child.ask(f"/?name=name{n:06}.last") == (200, key_of(n))
        assert child.status("RssAnon") - before < 300 * 100
        for client in clients[:3]:
            while client.record()[0] != 3:
                pass


def test_a_directory_that_cannot_be_written_has_one_slot(large: Sandbox) -> None:
    """The list is still served, one at a time, and no file is made there."""
    large.data_dir.parent.chmod(0o755)
    set_modes(large.data_dir, 0o555, 0o444)
    try:
        with worker(large.data_dir, nobody=True, N2K_LOG_FILE="-") as child:
            assert len(get(child.address, CSV).body.splitlines()) == ROWS
            with unread(child):
                assert get(child.address, CSV).status == "429 Too Many Requests"
            assert not list(large.data_dir.glob("csv.*"))
    finally:
        set_modes(large.data_dir, 0o755, 0o644)


@pytest.fixture
def people(sandbox: Sandbox) -> Sandbox:
    """An avatar on each of two grids, and the default settings."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    sandbox.import_text(csv((key_of(1), "Only Opensim")), grid="OpenSim", as_of=1)
    return sandbox


@pytest.mark.parametrize(
    ("setting", "scopes", "grid", "status"),
    [
        ("", (), None, 401),
        ("", ("register", "forget"), None, 403),
        ("", ("csv",), None, 200),
        ("", ("admin",), None, 200),
        ("", ("csv",), "Production", 200),
        ("", ("csv",), "OpenSim", 403),
        ("csv = token", (), None, 401),
        ("csv = open", (), None, 200),
        ("csv = open", ("register",), "OpenSim", 200),
        ("csv = off", ("admin",), None, 403),
    ],
)
def test_who_may_have_the_list(people: Sandbox, setting: str, scopes: tuple[str, ...], grid: str | None, status: int) -> None:
    """By default a token with the scope csv, or admin, for that grid; no cache stores an answer that needed a token."""
    token = create_token(people.store.tokens, scopes, grid).text if scopes else ""
    people.close()
    (people.data_dir / "n2k.ini").write_text(f"[n2k]\n{setting}\n")
    application = LiveApplication({"data_dir": str(people.data_dir)})
    try:
        for headers in ({"X-N2K-Token": token}, {"Authorization": f"Bearer {token}"}):
            answer = wsgi(application)("GET", CSV, headers if token else {}, b"")
            assert answer.status == status
            assert (answer.headers["cache-control"] == "no-store") is (setting in ("", "csv = token"))
            assert status != 200 or answer.body.decode() == f"{MASAKAZU},Masakazu Kojima\n"
    finally:
        application.close()


def test_wrong_tokens_are_limited(people: Sandbox) -> None:
    """As everywhere: 401, then 429; a valid token is still accepted."""
    token = create_token(people.store.tokens, ("csv",)).text
    people.close()
    (people.data_dir / "n2k.ini").write_text("[n2k]\nfailure_limit = 3\n")
    application = LiveApplication({"data_dir": str(people.data_dir)})
    try:
        ask = wsgi(application)
        assert [ask("GET", CSV, {}, b"").status for _ in range(5)] == [401] * 3 + [429] * 2
        assert ask("GET", CSV, {"X-N2K-Token": token}, b"").status == 200
    finally:
        application.close()


def test_a_list_that_cannot_begin_keeps_no_slot(people: Sandbox) -> None:
    """The live generation is damaged: 503, and no descriptor is kept, however often it is asked for."""
    people.close()
    (people.data_dir / "n2k.ini").write_text("[n2k]\ncsv = open\n")
    (live,) = (people.data_dir / "generations" / (people.data_dir / "CURRENT").read_text().strip()).glob("data.mdb")
    whole = live.read_bytes()
    live.write_bytes(whole[:5000])
    application = LiveApplication({"data_dir": str(people.data_dir)})
    try:
        ask = wsgi(application)
        assert ask("GET", CSV, {}, b"").status == 503
        gc.collect()  # it may close what other tests of this process left open
        before = len(os.listdir("/proc/self/fd"))
        assert [ask("GET", CSV, {}, b"").status for _ in range(5)] == [503] * 5
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        application.close()
        live.write_bytes(whole)
