"""Swaps while clients read: every answer is of one dataset, and none is older than the last swap that was acknowledged."""

import http.client
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest

from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from tests.support import memcached
from tests.support.keyvalue import without_limits
from tests.support.long_list import key_of
from tests.support.processes import SECONDS, eventually
from tests.support.sandbox import Sandbox, csv
from tests.support.standalone import Standalone, serving

pytestmark = pytest.mark.unmeasured

SWAPS = 200
NAMES = ["red", "green", "blue", "black", "white"]
"""An answer that is older than the last swap by less than all of them is recognised."""
KEYS = 20
LONG = 10
"""Values of 4 KB each; the answer to a command that asks for all of them ``TIMES`` times waits for its reader."""
TIMES = 40


class Swaps:
    """Which swaps were begun and which were acknowledged."""

    def __init__(self) -> None:
        self.begun = self.acknowledged = 0
        self.is_over = False
        self.wrong: list[str] = []

    def look(self, values: Callable[[], Iterator[str]]) -> None:
        """Ask once. All values must be of one dataset: of one that was live between the request and the first of them."""
        before = self.acknowledged
        answer = values()
        first = next(answer)
        allowed = {NAMES[number % len(NAMES)] for number in range(before, self.begun + 1)}
        seen = {first, *answer}
        if len(seen) != 1 or not seen <= allowed:
            self.wrong.append(f"{seen} after {before} swaps, {self.begun} begun")

    def follow(self, values: Callable[[], Iterator[str]]) -> int:
        """Ask until the swaps are over; return how often."""
        count = 0
        while not self.is_over:
            self.look(values)
            count += 1
        return count

    def one_more(self) -> None:
        """Wait for the next swap, or for the end."""
        before = self.acknowledged
        assert eventually(lambda: self.is_over or self.acknowledged > before)


def asked(connection: http.client.HTTPConnection, method: str, target: str, token: str, body: str = "") -> bytes:
    """The body of an answer on a connection that stays. Raises AssertionError for an error."""
    kind = "application/json" if body.startswith("{") else "text/plain"
    connection.request(method, target, body, {"X-N2K-Token": token, "Content-Type": kind})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status in (200, 201), (answer.status, text)
    return text


def one_value(connection: http.client.HTTPConnection, token: str) -> Iterator[str]:
    """One key."""
    yield asked(connection, "GET", "/db/key-7?ns=shop", token).decode()


def listed(connection: http.client.HTTPConnection, token: str) -> Iterator[str]:
    """A list with values, which has all of them."""
    entries = json.loads(asked(connection, "GET", "/db?ns=shop&prefix=key-&values=1", token))["entries"]
    assert len(entries) == KEYS
    return (entry["text"] for entry in entries)


def together(connection: http.client.HTTPConnection, token: str) -> Iterator[str]:
    """Many keys of one request."""
    body = json.dumps({"keys": [f"key-{number}" for number in range(KEYS)]})
    entries = json.loads(asked(connection, "POST", "/db?ns=shop&op=get&format=json", token, body))["entries"]
    assert len(entries) == KEYS
    return (entry["text"] for entry in entries)


def values_of(client: memcached.Client, command: bytes, count: int) -> Iterator[str]:
    """The values in the answer to ``get``, as they come."""
    client.sendall(command)
    for _ in range(count):
        head = client.line()
        assert head.startswith(b"VALUE "), head
        yield client.line().strip().decode()
    assert client.line() == b"END\r\n"


def got(client: memcached.Client, swaps: Swaps) -> Iterator[str]:
    """``gets`` of one key."""
    return values_of(client, b"gets key-7\r\n", 1)


def many_got(client: memcached.Client, swaps: Swaps) -> Iterator[str]:
    """One ``get`` of all keys."""
    return values_of(client, b"get %b\r\n" % b" ".join(b"key-%d" % number for number in range(KEYS)), KEYS)


def meta_got(client: memcached.Client, swaps: Swaps) -> Iterator[str]:
    """``mg``."""
    head = client.ask(b"mg key-7 v c\r\n")
    assert head.startswith(b"VA "), head
    yield client.line().strip().decode()


def long_got(client: memcached.Client, swaps: Swaps) -> Iterator[str]:
    """One ``get`` that is answered in parts; after the first value nothing is read until there was a swap."""
    keys = b" ".join([b"long-%d" % number for number in range(LONG)] * TIMES)
    for number, value in enumerate(values_of(client, b"get %b\r\n" % keys, LONG * TIMES)):
        name = value[: len(value) // 800]
        assert value == name * 800
        yield name
        if not number:
            swaps.one_more()


OVER_HTTP = [one_value, listed, together]
OVER_MEMCACHED = [got, many_got, meta_got, long_got]


def test_swaps_under_load(tmp_path: Path) -> None:
    """HTTP and memcached: clients that keep their connections, and two that write: none fails, mixes, or gets an old value."""
    data_dir = tmp_path / "data"
    token = filled(data_dir)
    swaps = Swaps()
    with (
        serving(data_dir, "--workers", "2") as server,
        memcached.serving(data_dir) as other,
        ExitStack() as stack,
        ThreadPoolExecutor(len(OVER_HTTP) + len(OVER_MEMCACHED)) as pool,
    ):
        reads = [partial(way, stack.enter_context(closing(connected(server))), token) for way in OVER_HTTP]
        reads += [partial(way, stack.enter_context(memcached.Client(other.address)), swaps) for way in OVER_MEMCACHED]
        clients = [pool.submit(swaps.follow, read) for read in reads]
        try:
            with closing(connected(server)) as connection, memcached.Client(other.address) as client:
                swap_all(connection, client, token, swaps)
        finally:
            swaps.is_over = True
        counts = [client.result(SECONDS) for client in clients]
        with memcached.Client(other.address) as client:
            assert client.everything(b"get key-7\r\n").startswith(b"VALUE")
        live = NAMES[SWAPS % len(NAMES)]
        assert [name for name in NAMES if other.has_mapped(f"{name}.mdb")] == [live]  # the others are given back
    assert swaps.wrong == []
    assert min(counts) >= 20 and swaps.acknowledged == SWAPS
    box = Sandbox(data_dir)
    assert list(box.store.keyvalue.problems()) == []
    shop = box.store.keyvalue.namespace("shop")
    for name in NAMES:  # each write stayed with the dataset that was live
        shop.use(name, 1)
        for key in (b"http", b"memcached"):
            written = shop.get(key, 1)
            assert written is not None and written.value == name.encode()
    box.close()


def one_name(connection: http.client.HTTPConnection, token: str) -> Iterator[str]:
    """Of one key of the directory."""
    yield asked(connection, "GET", f"/?key={key_of(7)}", token).decode().split()[1]


def all_names(connection: http.client.HTTPConnection, token: str) -> Iterator[str]:
    """Of all keys of the directory, in one request."""
    body = json.dumps({"keys": [key_of(number) for number in range(1, KEYS + 1)]})
    results = json.loads(asked(connection, "POST", "/api/v1/lookup", token, body))["results"]
    assert len(results) == KEYS
    return (result["name"].split()[1] for result in results)


def test_swaps_of_the_directory_under_load(tmp_path: Path) -> None:
    """The same for its generations; a value that is written meanwhile is kept, whichever is live."""
    data_dir = tmp_path / "data"
    token = filled(data_dir)
    box = Sandbox(data_dir, keep=str(len(NAMES)))
    generations = []
    for as_of, colour in enumerate(NAMES, 1):
        box.import_text(csv(*[(key_of(number), f"Avatar{number} {colour}") for number in range(1, KEYS + 1)]), as_of=as_of)
        generations.append(box.store.generations.current_name())
    box.store.generations.use(generations[0])
    box.close()
    swaps = Swaps()
    with serving(data_dir, "--workers", "2") as server, ExitStack() as stack, ThreadPoolExecutor() as pool:
        reads = [partial(way, stack.enter_context(closing(connected(server))), token) for way in (one_name, all_names)]
        clients = [pool.submit(swaps.follow, read) for read in reads]
        try:
            with closing(connected(server)) as connection:
                for number in range(1, SWAPS + 1):
                    swaps.begun = number
                    form = urlencode({"filename": generations[number % len(NAMES)]})
                    asked(connection, "POST", "/api/v1/switchdb", token, form)
                    swaps.acknowledged = number
                    asked(connection, "PUT", "/db?ns=shop&key=writes", token, str(number))
        finally:
            swaps.is_over = True
        counts = [client.result(SECONDS) for client in clients]
        with closing(connected(server)) as connection:
            assert asked(connection, "GET", "/db/writes?ns=shop", token) == str(SWAPS).encode()
    assert swaps.wrong == []
    assert min(counts) >= 20 and swaps.acknowledged == SWAPS


def test_a_swap_while_a_value_is_half_sent(tmp_path: Path) -> None:
    """The value is stored as a whole, and belongs to the dataset that is live when all of it is there."""
    data_dir = tmp_path / "data"
    token = filled(data_dir)
    with serving(data_dir) as server, closing(connected(server)) as slow, closing(connected(server)) as other:
        slow.putrequest("PUT", "/db/key-7?ns=shop")
        for name, value in (("X-N2K-Token", token), ("Content-Type", "text/plain"), ("Content-Length", "10")):
            slow.putheader(name, value)
        slow.endheaders(b"first")
        asked(other, "POST", "/api/v1/switchdb", token, urlencode({"filename": NAMES[1], "namespace": "shop"}))
        assert [*one_value(other, token)] == [NAMES[1]]
        slow.send(b"later")
        assert slow.getresponse().status == 200
        assert [*one_value(other, token)] == ["firstlater"]
        asked(other, "POST", "/api/v1/switchdb", token, urlencode({"filename": NAMES[0], "namespace": "shop"}))
        assert [*one_value(other, token)] == [NAMES[0]]


def filled(data_dir: Path) -> str:
    """A namespace with a dataset of each name, the first of them live; return a token of the owner."""
    box = Sandbox(data_dir)
    without_limits(data_dir)
    shop = box.store.keyvalue.create("shop", Terms(1_000_000, 10_000))
    for name in NAMES:
        text = name.encode()
        entries = [Entry(b"key-%d" % number, text, type=ValueType.TEXT) for number in range(KEYS)]
        box.store.keyvalue.build(name, entries + [Entry(b"long-%d" % number, text * 800) for number in range(LONG)])
    shop.apply([Put(b"other", b"")], 1)
    shop.use(NAMES[0], 1)
    token = create_token(box.store.tokens, (Scope.ADMIN,)).text
    box.close()
    return token


def connected(server: Standalone) -> http.client.HTTPConnection:
    """A connection that stays."""
    return http.client.HTTPConnection(server.host, server.port, timeout=SECONDS)


def swap_all(connection: http.client.HTTPConnection, client: memcached.Client, token: str, swaps: Swaps) -> None:
    """Swap, and write by both protocols between two swaps."""
    for number in range(1, SWAPS + 1):
        swaps.begun = number
        name = NAMES[number % len(NAMES)]
        asked(connection, "POST", "/api/v1/switchdb", token, urlencode({"filename": name, "namespace": "shop"}))
        swaps.acknowledged = number
        asked(connection, "PUT", "/db?ns=shop&key=http", token, name)
        assert client.ask(b"set memcached 0 0 %d\r\n%b\r\n" % (len(name), name.encode())) == b"STORED\r\n"
