"""The clients that people have, each doing a round of everything; docs/memcached.md shows how many of whose tests pass."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pymemcache
import pytest
from pymemcache.client.base import Client as Pymemcache

from n2k_fcgi.store.base import Store
from tests.support.memcached import serving
from tests.support.processes import REPOSITORY, Child

PAGE = (REPOSITORY / "docs" / "memcached.md").read_text("utf-8")


def run(*command: object) -> str:
    """What a program prints, which must end well."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout


def documented(program: str) -> str:
    """The row of the conformance table for *program*: how many tests pass."""
    found = re.search(rf"(?m)^\| {re.escape(program)} \|.*\| ([^|]*) \|$", PAGE)
    assert found, f"docs/memcached.md has no row for {program}"
    return found[1]


def test_memccapable(on_port: Child) -> None:
    """libmemcached's own test of servers, all of the text protocol."""
    _, number = on_port.address
    told = run("memccapable", "-a", "-h", "127.0.0.1", "-p", number)
    results = re.findall(r"(?m)^(ascii [\w ]+?)\s*\[(\w+)\]", told)
    assert [name for name, result in results if result != "pass"] == []
    assert documented("`memccapable -a`") == f"{len(results)} of {len(results)}"


def test_pymemcache_s_own_tests(on_port: Child, tmp_path: Path) -> None:
    """The integration tests that its wheel ships."""
    _, number = on_port.address
    tests = Path(pymemcache.__file__).parent / "test" / "test_integration.py"
    options = (
        "--server",
        "127.0.0.1",
        "--port",
        number,
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        tests.parent,
        "-c",
        "/dev/null",
    )
    told = run(sys.executable, "-m", "pytest", *options, tests)
    passed = re.search(r"(\d+) passed", told)
    assert passed and "failed" not in told
    assert documented("pymemcache's integration tests") == f"{passed[1]} of {passed[1]}"


def test_pymemcache(on_port: Child) -> None:
    """A round of everything."""
    with contextlib.closing(Pymemcache(on_port.address, default_noreply=False)) as client:
        use_pymemcache(client)


def use_pymemcache(client: Pymemcache) -> None:
    """Every method that has an answer."""
    assert client.set("a", b"text", expire=100, flags=5) and client.get("a") == b"text"
    assert not client.add("a", b"x") and not client.replace("none", b"x")
    _, cas = client.gets("a")
    assert (
        client.cas("a", b"new", cas) is True
        and client.cas("a", b"newer", cas) is False
        and client.cas("none", b"x", cas) is None
    )
    assert client.append("a", b"2") and client.prepend("a", b"1") and client.get("a") == b"1new2"
    assert client.set_many({f"k{number}": b"%d" % number for number in range(100)}) == []
    assert client.get_many([f"k{number}" for number in range(200)]) == {f"k{number}": b"%d" % number for number in range(100)}
    assert client.incr("k1", 5) == 6 and client.decr("k1", 100) == 0 and client.incr("none", 1) is None
    assert client.touch("k1", 50)
    assert client.delete("k1") and not client.delete("k1") and client.delete_many(["k2", "k3"])
    assert client.set("big", bytes(60_000), noreply=True) and client.get("big") == bytes(60_000)
    assert client.stats()[b"curr_items"] == 99 and client.version().startswith(b"1.6.")
    assert client.flush_all() and client.get("a") is None


@pytest.mark.parametrize("kind", ["port", "unix"])
def test_php(store: Store, tmp_path: Path, kind: str) -> None:
    """PHP's extension: objects, numbers, cas, sessions, over TCP and a unix socket."""
    with serving(tmp_path / "data", listen="127.0.0.1:0" if kind == "port" else "") as server:
        where = server.address if kind == "port" else (server.address, 0)
        script = Path(__file__).parent / "clients.php"
        told = run("php", "-d", "memcached.sess_binary_protocol=Off", script, *where)
    assert told.splitlines() == [
        "set: true", 'get: "text"', "object: true", "same object: true", "add: false", "replace: false", "large: true",
        "setMulti: true", 'getMulti: {"m1":1,"m2":2.5}', "number: true", "increment: 8", "decrement: 0", "touch: true",
        "uncompressed: true", 'append: "abc"', "gone: false", "cas: true", "old cas: false", 'value: "new"', "delete: true",
        "deleted: false", 'result: "NOT FOUND"', "version: 1", "stats: true", "flush: true", "flushed: false",
        'session: {"visits":1}', 'session: {"visits":2}', 'session: {"visits":3}', 'stored: "visits|i:3;"',
    ]  # fmt: skip
