"""What shows that our server speaks memcached: other people's tests and clients, and what each found."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pymemcache

from tests.support.memcached import made, serving
from tests.support.memcached_clients import IS_MISSING, PYTHON, round_of_php, run
from tests.support.processes import REPOSITORY

SEQUENCES = 150
"""Sequences of commands whose answers are compared with memcached's each time."""
LONGEST_SEQUENCE = 25
"""Commands."""


class Finding(NamedTuple):
    """What one of them found: a row of the table in docs/memcached.md."""

    what: str
    how: str
    result: str
    failed: tuple[str, ...] = ()
    """Names of tests."""


class Conformance:
    """Each is run once, when it is asked for, at a server of its own. *folder*: an empty one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def memccapable(self) -> Finding:
        """libmemcached's own test of servers, all of the text protocol."""
        with self._server("memccapable") as (_, port):
            told = run("memccapable", "-a", "-h", "127.0.0.1", "-p", port, codes=(0, 1))
        results = re.findall(r"(?m)^(ascii [\w ]+?)\s*\[(\w+)\]", told)
        failed = tuple(name for name, result in results if result != "pass")
        counted = f"{len(results) - len(failed)} of {len(results)}"
        return Finding("`memccapable -a`", "libmemcached's test of servers", counted, failed)

    @cached_property
    def pymemcache_tests(self) -> Finding:
        """The integration tests that pymemcache's wheel ships."""
        tests = Path(pymemcache.__file__).parent / "test" / "test_integration.py"
        options = ("-q", "-rfE", "-p", "no:cacheprovider", "--rootdir", tests.parent, "-c", "/dev/null")
        with self._server("pymemcache_tests") as (host, port):
            told = run(sys.executable, "-m", "pytest", "--server", host, "--port", port, *options, tests, codes=(0, 1))
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped)", told.splitlines()[-1])}
        skipped = counts.pop("skipped", 0)
        return Finding(
            "pymemcache's integration tests",
            "`test_integration.py` of its wheel, `--server`, `--port`; what it skips, it skips everywhere (its issue 39)",
            f"{counts['passed']} of {sum(counts.values())}; {skipped} skipped",
            tuple(re.findall(r"(?m)^FAILED (.*)", told)),
        )

    @cached_property
    def python_clients(self) -> list[Finding]:
        """Those that this version of Python has."""
        return [self._round(name, PYTHON[name]) for name in PYTHON if name not in IS_MISSING]

    @cached_property
    def php(self) -> Finding:
        """PHP's extension, over TCP and a unix socket."""
        counts = []
        for name, listen in (("port", "127.0.0.1:0"), ("unix", "")):
            with self._server(f"php-{name}", listen) as address:
                counts.append(round_of_php(address))
        how = "a round of its methods and of sessions, over TCP and over a unix socket"
        return Finding("PHP's memcached", how, " and ".join(map(str, counts)) + " answers, all as they should be")

    @cached_property
    def sequences(self) -> Finding:
        """memcached itself beside ours, as often as ``test_differential.py`` does it."""
        version = run("memcached", "-V").split()[1]
        more = re.search(r"EXAMPLES=(\d+) .*test_differential", (REPOSITORY / "Makefile").read_text("utf-8"))
        assert more
        how = f"generated sequences of up to {LONGEST_SEQUENCE} commands, answers byte for byte"
        counts = f"{SEQUENCES} each time, {int(more[1]):,} with `make test-long`: all the same"
        return Finding(f"memcached {version} beside ours", how, counts)

    @property
    def findings(self) -> list[Finding]:
        """All, in the order of the table."""
        return [self.memccapable, self.pymemcache_tests, *self.python_clients, self.php, self.sequences]

    def _round(self, name: str, use: Callable[[tuple[str, int]], int]) -> Finding:
        with self._server(name) as address:
            return Finding(name, "a round of its methods", f"{use(address)} methods, all as they should be")

    @contextmanager
    def _server(self, name: str, listen: str = "127.0.0.1:0") -> Iterator[tuple[str, int]]:
        """Ours, with an empty namespace; its address."""
        with made(self._folder / name), serving(self._folder / name, listen=listen) as server:
            yield server.address
