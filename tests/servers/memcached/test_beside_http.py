"""``n2k memcached`` beside ``n2k serve``, on one data directory: one store, two protocols."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from n2k_fcgi.model.choices import Scope
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.base import Store
from tests.support import standalone
from tests.support.asking import over_http
from tests.support.golden import Reply
from tests.support.memcached import NAMESPACE, Client

Web = Callable[..., Reply]


@pytest.fixture
def web(store: Store, tmp_path: Path) -> Iterator[Web]:
    """Asks the web server of the directory for an address below ``/db``, with a token of the namespace."""
    token = create_token(store.tokens, [Scope.KEYVALUE], namespace=NAMESPACE).text
    with standalone.serving(tmp_path / "data") as server:
        ask = over_http(server.host, server.port)

        def db(method: str, target: str, body: bytes = b"", kind: str = "text/plain") -> Reply:
            return ask(method, f"/db{target}", {"X-N2K-Token": token, "Content-Type": kind}, body)

        yield db


def test_value_flags_time_and_version_are_the_same(client: Client, web: Web) -> None:
    """Whichever of them wrote; the version is the cas."""
    assert client.ask(b"set a 7 100 3\r\nred\r\n") == b"STORED\r\n"
    shown = web("GET", "/a")
    version = shown.headers["x-kv-version"].encode()
    assert (shown.body, shown.headers["x-kv-flags"], shown.headers["content-type"]) == (
        b"red",
        "7",
        "text/plain; charset=utf-8",
    )
    assert 0 < int(shown.headers["x-kv-ttl-ms"]) <= 100_000
    assert client.everything(b"gets a\r\n") == b"VALUE a 7 3 %b\r\nred\r\nEND\r\n" % version
    assert web("PUT", "/a?flags=4294967295&ttl_ms=200000", b"blue").status == 200
    told = client.everything(b"mg a v f c t\r\n").split()
    assert told[:3] == [b"VA", b"4", b"f4294967295"] and told[5] == b"blue" and 100 < int(told[4][1:]) <= 200
    assert told[3] == b"c" + web("GET", "/a").headers["x-kv-version"].encode()
    assert client.ask(b"cas a 0 0 1 %b\r\nx\r\n" % version) == b"EXISTS\r\n"
    assert client.ask(b"cas a 0 0 1 %b\r\nx\r\n" % told[3][1:]) == b"STORED\r\n"
    assert web("PUT", "/b", b"\xff\x00", "application/octet-stream").status == 201
    assert client.everything(b"get b\r\n") == b"VALUE b 0 2\r\n\xff\x00\r\nEND\r\n"
    assert client.ask(b"touch a -1\r\n") == b"TOUCHED\r\n" and web("GET", "/a").status == 404
    assert web("DELETE", "/b").status == 200 and client.everything(b"get b\r\n") == b"END\r\n"


def test_numbers_go_back_and_forth(client: Client, web: Web) -> None:
    """Unsigned with blanks here, signed there; a negative one is no number here, one above 63 bits is 409 there."""
    assert client.everything(b"set n 0 0 2\r\n10\r\ndecr n 1\r\n") == b"STORED\r\n9\r\n"
    assert web("GET", "/n").body == b"9 "
    assert web("POST", "/n?op=incr&by=-1").body == b"8" and client.ask(b"incr n 2\r\n") == b"10\r\n"
    assert web("POST", "/n?op=incr&by=-11").body == b"-1"
    assert client.ask(b"incr n 1\r\n") == b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
    assert web("POST", "/n?op=incr&by=1").body == b"0" and client.ask(b"decr n 5\r\n") == b"0\r\n"
    assert client.ask(b"incr n 9223372036854775808\r\n") == b"9223372036854775808\r\n"
    assert web("POST", "/n?op=incr").status == 409 and web("POST", "/n?op=incr&by=-1").status == 409
    assert client.ask(b"incr n 9223372036854775809\r\n") == b"1\r\n"  # it wraps
    assert web("POST", "/n?op=incr&by=9223372036854775807").status == 409


def test_a_flush_is_one_change_of_the_log(client: Client, web: Web) -> None:
    """However much there was: the log begins with it. From either side, both see nothing then."""
    client.everything(b"set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\n")
    before = web("GET", "/b").headers["x-kv-version"]
    assert client.ask(b"flush_all\r\n") == b"OK\r\n"
    (change,) = web("GET", "?since=0").body.decode().splitlines()
    version, kind = change.split()
    assert int(version) > int(before) and kind == "flush"
    assert web("GET", f"?since={before}").status == 410 and web("GET", f"?since={version}").body == b""
    assert web("GET", "").body == b"" and web("GET", "/a").status == 404
    assert client.everything(b"set c 0 0 1\r\nx\r\n") == b"STORED\r\n"
    assert web("POST", "?op=flush").status == 200 and client.everything(b"get a c\r\n") == b"END\r\n"
