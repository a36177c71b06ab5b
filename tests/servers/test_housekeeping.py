"""Between requests a worker removes expired entries of the namespaces that it has open."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from n2k_fcgi import wiring
from n2k_fcgi.errors import StoreBusy
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.servers import asgi
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.store.keyvalue import Kind, NamespaceStore, Terms
from n2k_fcgi.store.lmdb.keyvalue.namespace import SWEPT_IN_HOUSEKEEPING
from tests.support.asking import wsgi
from tests.support.processes import eventually, listening, running
from tests.support.sandbox import Sandbox
from tests.support.worker import Worker, idle_calls

CODE = """\
import sys
from n2k_fcgi.servers.fastcgi import main
from n2k_fcgi.servers.limits import DEFAULT
main(DEFAULT._replace(housekeeping=0.1), data_dir=sys.argv[1])
"""
COUNT = "/db?ns=shop&count=1"


@pytest.fixture
def shop(sandbox: Sandbox) -> NamespaceStore:
    """A namespace that anyone may read."""
    return sandbox.store.keyvalue.create("shop", Terms(1_000_000, 10_000, is_open=True))


def expire(shop: NamespaceStore, count: int) -> None:
    """Store entries that live for a millisecond."""
    now = time.time_ns() // 1_000_000
    for start in range(0, count, 500):
        shop.apply([Put(b"k%d" % n, b"", ttl=1) for n in range(start, min(count, start + 500))], now - 10)


def expired(shop: NamespaceStore) -> int:
    """How many the log reports as swept."""
    return sum(change.kind is Kind.EXPIRE for change in shop.changes(0, 10_000).changes)


@contextmanager
def worker(data_dir: Path, folder: Path) -> Iterator[Worker]:
    """The real worker, which keeps house ten times per second."""
    log = folder / "stderr"
    with (
        listening(folder) as bound,
        log.open("wb") as errors,
        running([sys.executable, "-c", CODE, str(data_dir)], stdin=bound, stderr=errors) as process,
    ):
        yield Worker(process, str(folder / "socket"), log)


def test_a_worker_sweeps_without_requests(sandbox: Sandbox, shop: NamespaceStore, tmp_path: Path) -> None:
    """Of a namespace that was asked for; when there is nothing to sweep it wakes up as before, and writes nothing."""
    with worker(sandbox.data_dir, tmp_path) as child:
        assert child.ask("/health")[0] == 200
        expire(shop, 700)
        assert child.ask(COUNT)[0] == 200
        assert eventually(lambda: expired(shop) == 700)
        idle: list[Counter[str]] = []

        def rests() -> bool:  # not at once: what is swept is seen before the sweep has ended
            idle.append(idle_calls(child, tmp_path / f"trace{len(idle)}", 30))
            waits = sum(count for name, count in idle[-1].items() if "epoll" in name)
            looks = sum(count for name, count in idle[-1].items() if "stat" in name)
            others = sum(idle[-1].values()) - waits - looks
            return waits >= 5 and others <= 3  # three: a transaction asks for the process; the tracer comes and goes

        assert rests() or rests(), idle


def test_one_round_is_bounded_and_waits_for_no_writer(sandbox: Sandbox, shop: NamespaceStore) -> None:
    """Only namespaces that are open, some hundred entries of each, and none while another process writes."""
    expire(shop, SWEPT_IN_HOUSEKEEPING + 100)
    application = LiveApplication({"data_dir": str(sandbox.data_dir)})
    sandbox.store.close()
    application.keep_house()
    assert expired(shop) == 0
    sandbox.store.close()
    assert wsgi(application)("GET", COUNT, {}, b"").status == 200
    with hold(sandbox.data_dir / "keyvalue" / "shop" / "data.writer", PRIVATE, 0) as held:
        assert held
        application.keep_house()
    application.keep_house()
    application.close()
    assert expired(shop) == SWEPT_IN_HOUSEKEEPING


def test_the_standalone_server_keeps_house_after_requests(
    sandbox: Sandbox, shop: NamespaceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once per minute at most; an idle one is not woken."""
    expire(shop, 10)
    swept = []
    for seconds in (asgi.HOUSEKEEPING, 0.0):
        sandbox.store.close()
        monkeypatch.setattr(asgi, "HOUSEKEEPING", seconds)
        server = asgi.Asgi(lambda: LiveApplication({"data_dir": str(sandbox.data_dir)}), lambda application: application)
        assert asyncio.run(one_request(server)) == 200
        swept.append(expired(shop))
    assert swept == [0, 10]


async def one_request(server: asgi.Asgi) -> int:
    """Ask once, then stop the server; return the status."""
    sent: list[asgi.Message] = []

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    async def receive() -> asgi.Message:
        return {"type": "lifespan.shutdown"}

    path, _, query = COUNT.encode().partition(b"?")
    request = {"raw_path": path, "query_string": query, "method": "GET", "http_version": "1.1", "headers": []}
    await server({"type": "http", **request}, receive, send)
    await server({"type": "lifespan"}, receive, send)
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("error", [StoreBusy(path="a"), OSError(5, "a"), MemoryError()])
def test_a_failure_of_housekeeping_ends_no_process(sandbox: Sandbox, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is raised there is logged, and statistics are merged all the same, or the next time."""

    def fail(now: int) -> None:
        raise error

    monkeypatch.setattr(sandbox.store, "keep_house", fail)
    wiring.keep_house(sandbox.store)
    monkeypatch.setattr(sandbox.store.statistics, "merge", lambda: fail(0))
    sandbox.store.counts.add("values.get")
    assert sandbox.store.counts.note() and sandbox.store.counts.wrote
    wiring.keep_house(sandbox.store)
