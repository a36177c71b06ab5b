"""A snapshot over HTTP is one state, whatever is written while it is read."""

from collections.abc import Callable, Iterator

import pytest

from n2k_fcgi import KeyValue, open_keyvalue
from n2k_fcgi.client import Client
from n2k_fcgi.errors import NeverQuiet
from tests.client.conftest import Running
from tests.support.keyvalue import client_of
from tests.support.lossy_proxy import LossyProxy, Seen
from tests.support.sandbox import Sandbox


@pytest.fixture
def name(running: Running) -> str:
    """A namespace with more than a page: pairs of keys, one at each end, that are always equal."""
    name = running.fresh()
    with open_keyvalue(running.data_dir, name) as kv:
        for start in range(0, 1500, 500):
            with kv.batch() as batch:
                for number in range(start, start + 500):
                    batch.put(f"m{number}", "")
        write_pair(kv, 0)
    return name


@pytest.fixture
def kv(running: Running, proxy: LossyProxy, name: str) -> Iterator[Client]:
    """A client of it."""
    with client_of(running.data_dir, proxy.url, name) as client:
        yield client


@pytest.fixture
def beside(running: Running, name: str) -> Iterator[KeyValue]:
    """Another program that writes."""
    with open_keyvalue(running.data_dir, name) as opened:
        yield opened


def write_pair(kv: KeyValue, number: int) -> None:
    """Write both keys at once."""
    with kv.batch() as batch:
        batch.put("a", str(number))
        batch.put("z", str(number))


def before_some(times: int, work: Callable[[int], object]) -> Callable[[Seen], None]:
    """Work before each of the first *times* requests."""
    turns = iter(range(times))

    def before(seen: Seen) -> None:
        turn = next(turns, None)
        if turn is not None:
            work(turn)

    return before


def test_a_snapshot_is_of_one_state(kv: Client, proxy: LossyProxy, beside: KeyValue) -> None:
    """The one after the last write, of both ends of the namespace."""
    proxy.before = before_some(6, lambda turn: write_pair(beside, turn + 1))
    with kv.snapshot() as snapshot:
        pair = [snapshot.get("a"), snapshot.get("z")]
        assert [item and item.text for item in pair] == ["6", "6"] and snapshot.count().keys == 1502


def test_what_is_added_and_removed_meanwhile(kv: Client, proxy: LossyProxy, beside: KeyValue) -> None:
    """Before and behind the page that was read: it is added and removed in the snapshot, too."""

    def write(turn: int) -> None:
        beside.put(f"a{turn}", "")
        beside.put(f"y{turn}", "")
        beside.delete(f"m{turn}")
        beside.delete(f"m{1499 - turn}")

    proxy.before = before_some(5, write)
    with kv.snapshot() as snapshot:
        assert list(snapshot.scan()) == list(beside.scan())


def test_the_namespace_may_be_emptied_meanwhile(running: Running, kv: Client, proxy: LossyProxy, name: str) -> None:
    """It is read again."""

    def work(turn: int) -> None:
        if turn == 2:
            box = Sandbox(running.data_dir)
            box.store.keyvalue.namespace(name).flush(0)
            box.close()

    proxy.before = before_some(3, work)
    with kv.snapshot() as snapshot:
        assert list(snapshot.keys()) == []


def test_endless_writing_is_an_error(kv: Client, proxy: LossyProxy, beside: KeyValue) -> None:
    """After a bounded number of rounds."""
    proxy.before = before_some(10**6, lambda turn: write_pair(beside, turn))
    with pytest.raises(NeverQuiet, match="50 times in a row"), kv.snapshot():
        pass
    assert len(proxy.seen) < 200
