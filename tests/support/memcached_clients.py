"""The clients of memcached that people have, each doing a round of everything; each returns how much it did."""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymemcache.client.base import Client as Pymemcache

PHP = Path(__file__).with_name("memcached_client.php")
PHP_TOLD = [
    "set: true", 'get: "text"', "object: true", "same object: true", "add: false", "replace: false", "large: true",
    "setMulti: true", 'getMulti: {"m1":1,"m2":2.5}', "number: true", "increment: 8", "decrement: 0", "touch: true",
    "uncompressed: true", 'append: "abc"', "gone: false", "cas: true", "old cas: false", 'value: "new"', "delete: true",
    "deleted: false", 'result: "NOT FOUND"', "version: 1", "stats: true", "flush: true", "flushed: false",
    'session: {"visits":1}', 'session: {"visits":2}', 'session: {"visits":3}', 'stored: "visits|i:3;"',
]  # fmt: skip
"""What the script prints, a line for each call."""


def run(*command: object, codes: tuple[int, ...] = (0,)) -> str:
    """What a program prints, which must end with one of these *codes*."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in codes, done.stdout + done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout


class Called:
    """A client; which of its methods were called."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._client, name)


def round_of_pymemcache(address: tuple[str, int]) -> int:
    """Every method that has an answer; return how many. Raises AssertionError for a wrong answer, as the others do."""
    with contextlib.closing(Pymemcache(address, default_noreply=False)) as connected:
        client = Called(connected)
        assert client.set("a", b"text", expire=100, flags=5) and client.get("a") == b"text"
        assert not client.add("a", b"x") and not client.replace("none", b"x")
        _, cas = client.gets("a")
        assert client.cas("a", b"new", cas) is True
        assert client.cas("a", b"newer", cas) is False and client.cas("none", b"x", cas) is None
        assert client.append("a", b"2") and client.prepend("a", b"1") and client.get("a") == b"1new2"
        assert client.set_many({f"k{number}": b"%d" % number for number in range(100)}) == []
        asked = [f"k{number}" for number in range(200)]
        assert client.get_many(asked) == {f"k{number}": b"%d" % number for number in range(100)}
        assert client.gets_many(asked).keys() == {f"k{number}" for number in range(100)}
        assert client.incr("k1", 5) == 6 and client.decr("k1", 100) == 0 and client.incr("none", 1) is None
        assert client.touch("k1", 50)
        assert client.delete("k1") and not client.delete("k1") and client.delete_many(["k2", "k3"])
        assert client.set("big", bytes(60_000), noreply=True) and client.get("big") == bytes(60_000)
        assert client.stats()[b"curr_items"] == 99 and client.version().startswith(b"1.6.")
        assert client.cache_memlimit(64) and client.raw_command("mn", end_tokens="MN\r\n") == b""
        assert client.flush_all() and client.get("a") is None
        client.quit()
        return len(client.names)


def round_of_pylibmc(address: tuple[str, int]) -> int:
    """Every method that has an answer, through libmemcached; return how many."""
    import pylibmc  # late: it has no wheels for later versions of Python

    host, port = address
    connected = pylibmc.Client([f"{host}:{port}"], behaviors={"cas": True})
    client = Called(connected)
    try:
        assert client.set("a", {"x": [1, None]}, time=100) and client.get("a") == {"x": [1, None]}
        assert not client.add("a", 1) and not client.replace("none", 1)
        _, cas = client.gets("a")
        assert client.cas("a", "new", cas) and not client.cas("a", "newer", cas)
        assert client.set_multi({f"k{n}": n for n in range(100)}) == []
        assert client.get_multi([f"k{n}" for n in range(200)]) == {f"k{n}": n for n in range(100)}
        assert client.add_multi({"k1": 0, "new": 0}) == ["k1"]
        client.incr_multi(["k1", "k2"], delta=10)
        assert client.get("k2") == 12 and client.delete_multi(["k1", "new"])
        assert client.set("n", "10") and client.incr("n", 5) == 15 and client.decr("n", 100) == 0
        assert client.set("s", b"b") and client.append("s", b"c") and client.prepend("s", b"a") and client.get("s") == b"abc"
        assert client.touch("s", 100) and client.delete("s") and not client.delete("s")
        assert client.get_stats()[0][1]["curr_items"] == b"101"
        assert client.flush_all() and client.get("a") is None
        return len(client.names)
    finally:
        connected.disconnect_all()


def round_of_php(address: str | tuple[str, int]) -> int:
    """PHP's extension: objects, numbers, cas, sessions; over TCP or a unix socket. Return how many calls it made."""
    where = address if isinstance(address, tuple) else (address, 0)
    assert run("php", "-d", "memcached.sess_binary_protocol=Off", PHP, *where).splitlines() == PHP_TOLD
    return len(PHP_TOLD)


PYTHON: dict[str, Callable[[tuple[str, int]], int]] = {"pymemcache": round_of_pymemcache, "pylibmc": round_of_pylibmc}
"""By name."""
IS_MISSING = {"pylibmc"} if sys.version_info >= (3, 13) else set()
"""Those of PYTHON that this version of Python has no wheels of."""
