"""Requests without an answer are sent again, and no write is done twice."""

import threading

import pytest

from n2k_fcgi.client import Client
from n2k_fcgi.errors import (
    BadRequest,
    BatchRefused,
    ConditionFailed,
    HandleClosed,
    NoSuchEntry,
    ServerUnreachable,
    StoreBusy,
    TooManyRequests,
    UnexpectedAnswer,
)
from n2k_fcgi.model.keyvalue.operations import Condition
from tests.client.conftest import Running
from tests.support.foreground import closed_port
from tests.support.keyvalue import client_of
from tests.support.lossy_proxy import Canned, Fate, LossyProxy

BUSY = b"another process is writing, try again\n"
PAGE = Canned(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})


def ids(proxy: LossyProxy) -> list[str]:
    """The request ids that the proxy saw."""
    return [seen.headers["x-kv-request-id"] for seen in proxy.seen]


@pytest.mark.parametrize("fate", [Fate.LOSE_ANSWER, Fate.CUT_ANSWER, Fate.LOSE_REQUEST, PAGE], ids=str)
def test_a_lost_answer_is_repeated_and_nothing_is_done_twice(kv: Client, proxy: LossyProxy, fate: Fate | Canned) -> None:
    """Of every kind of write; the repeat has the first answer, and the id of the first request."""

    def lossy() -> None:
        proxy.plan = [fate, fate]

    lossy()
    first = kv.put("k", "1", condition=Condition(exists=False))
    assert first.created and len(proxy.seen) == 3 and len(set(ids(proxy))) == 1
    lossy()
    assert kv.incr("k", 5) == 6
    lossy()
    second = kv.append("k", "0")
    lossy()
    assert kv.cas("k", "60", "7").version > second.version
    lossy()
    kv.touch("k", None)
    lossy()
    assert [kv.assign_id("k"), kv.assign_id("other", "x")] == [1, 2]
    lossy()
    with kv.batch() as batch:
        batch.incr("k")
        batch.put("new", "", condition=Condition(exists=False))
        batch.incr("k")
    assert [(done.number, done.created) for done in batch.results] == [(8, False), (None, True), (9, False)]
    lossy()
    kv.delete("new")
    found = kv.get("k")
    assert found is not None and found.text == "9" and found.version == batch.results[2].version
    assert len(kv.changes().changes) == 11
    lossy()
    leased = [*kv.sequence("s", 10), *kv.sequence("s", 10)]
    assert leased == sorted(set(leased))


@pytest.mark.parametrize("fate", [Fate.LOSE_ANSWER, PAGE], ids=str)
def test_a_refusal_is_repeated_too(kv: Client, proxy: LossyProxy, fate: Fate | Canned) -> None:
    """With its error."""
    version = kv.put("k", "x").version
    proxy.plan = [fate]
    with pytest.raises(ConditionFailed) as failed:
        kv.put("k", "y", condition=Condition(exists=False))
    assert failed.value.version == version
    proxy.plan = [fate]
    with pytest.raises(NoSuchEntry):
        kv.delete("none")
    proxy.plan = [fate]
    with pytest.raises(BatchRefused), kv.batch() as batch:
        batch.delete("none")
        batch.delete("k")


def test_reads_are_repeated(kv: Client, proxy: LossyProxy) -> None:
    """All of them, without an id."""
    kv.put("k", "x")
    del proxy.seen[:]
    for read in (lambda: kv.get("k"), lambda: list(kv.scan()), kv.count, kv.space, kv.changes, kv.version):
        expected = read()
        for fate in (Fate.LOSE_ANSWER, Fate.CUT_ANSWER, PAGE, Canned(500, b"<html>", {"Content-Type": "text/html"})):
            proxy.plan = [fate]
            assert read() == expected
    assert len(proxy.seen) == 6 * 9 and not any("x-kv-request-id" in seen.headers for seen in proxy.seen)


def test_each_write_has_an_id_of_its_own(kv: Client, proxy: LossyProxy) -> None:
    """The same call again is another write."""
    assert [kv.incr("n", initial=1), kv.incr("n", initial=1), kv.incr("n", initial=1)] == [1, 2, 3]
    assert len(set(ids(proxy))) == 3


def test_the_token_is_in_no_address(kv: Client, proxy: LossyProxy) -> None:
    """In a header only."""
    kv.put("k", "x")
    assert proxy.seen[0].headers["x-n2k-token"].startswith("n2k_") and "n2k_" not in proxy.seen[0].target


def test_retry_after_is_honoured(kv: Client, proxy: LossyProxy) -> None:
    """The request comes again, with its id, after a busy writer and after a limit."""
    limit = Canned(429, b"too many writes from here: try again in 1 s\n", {"Retry-After": "1", "Content-Type": "text/plain"})
    proxy.plan = [Canned(503, BUSY, {"Retry-After": "1", "Content-Type": "text/plain; charset=utf-8"}), limit]
    assert kv.incr("n", initial=7) == 7
    assert len(proxy.seen) == 3 and len(set(ids(proxy))) == 1


def test_what_is_to_wait_longer_than_the_patience_is_an_error_at_once(kv: Client, proxy: LossyProxy) -> None:
    """With the seconds; nothing was written."""
    proxy.plan = [Canned(503, BUSY, {"Retry-After": "60", "Content-Type": "text/plain; charset=utf-8"})]
    with pytest.raises(StoreBusy) as busy:
        kv.put("k", "")
    assert busy.value.retry_after == 60 and str(busy.value) == BUSY.decode().strip()
    body = b'{"error":"too many writes from here: try again in 50 s"}'
    proxy.plan = [Canned(429, body, {"Retry-After": "50", "Content-Type": "application/json"})]
    with pytest.raises(TooManyRequests) as limited:
        kv.put("k", "")
    assert limited.value.retry_after == 50 and len(proxy.seen) == 2 and kv.get("k") is None


def test_without_patience_nothing_is_repeated(running: Running, proxy: LossyProxy) -> None:
    """One attempt, and the error of the connection; nobody listens, or nobody answers."""
    name = running.fresh()
    with client_of(running.data_dir, proxy.url, name, patience=0) as kv:
        proxy.plan = [Fate.LOSE_REQUEST]
        with pytest.raises(ServerUnreachable):
            kv.put("k", "")
        proxy.plan = [PAGE]
        with pytest.raises(UnexpectedAnswer):
            kv.put("k", "")
        assert len(proxy.seen) == 2 and kv.get("k") is None
    with Client(proxy.url, "n2k_x", timeout=0.1, patience=0) as hasty:
        proxy.plan = [Fate.HOLD]
        with pytest.raises(ServerUnreachable):
            hasty.get("k")
    with closed_port() as port:
        address = f"http://127.0.0.1:{port}/n2k/"
        with Client(address, patience=0.3) as kv, pytest.raises(ServerUnreachable, match=f"no answer from {address}db: "):
            kv.get("k")


def test_a_timeout_is_a_lost_answer(running: Running, proxy: LossyProxy) -> None:
    """The write that was done behind it is not done again."""
    name = running.fresh()
    with client_of(running.data_dir, proxy.url, name) as kv:
        kv._connection._timeout = 0.5
        proxy.plan = [Fate.HOLD]
        assert kv.incr("n", initial=1) == 1
        assert len(proxy.seen) >= 2 and len(set(ids(proxy))) == 1
        found = kv.get("n")
        assert found is not None and found.text == "1" and len(kv.changes().changes) == 1


def test_a_lost_answer_of_one_thread_leaves_the_others_alone(kv: Client, proxy: LossyProxy) -> None:
    """Every third answer of many threads is lost, and every write counts once."""
    turns = iter(range(10**6))
    proxy.before = lambda seen: proxy.plan.append(Fate.LOSE_ANSWER) if next(turns) % 3 == 0 else None
    threads = [threading.Thread(target=lambda: [kv.incr("n", initial=1) for _ in range(10)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.before = lambda seen: None
    proxy.plan = []
    found = kv.get("n")
    assert found is not None and found.text == "60"


def test_a_closed_client_sends_nothing(kv: Client, proxy: LossyProxy) -> None:
    """Nor does one with an address that is none."""
    kv.close()
    with pytest.raises(HandleClosed, match="this client is closed"):
        kv.put("k", "")
    for url in ("", "example.com", "ftp://example.com/", "http:///n2k", "http://example.com/?x=1", "http://example.com:x/"):
        with pytest.raises(BadRequest):
            Client(url)
    with pytest.raises(BadRequest):
        Client("http://example.com/", "n2k_\n")
    assert proxy.seen == []
