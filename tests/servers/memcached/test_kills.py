"""kill -9 of ``n2k memcached``: every acknowledged set is there, in the dataset that was live then."""

import contextlib
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.keyvalue.entry import NO_DATASET, Entry
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.store.keyvalue import Range, Terms
from n2k_fcgi.store.lmdb import writer_queue
from tests.support.memcached import Client, made, serving, space_of
from tests.support.processes import SECONDS, eventually

pytestmark = pytest.mark.unmeasured

KILLS = int(os.environ.get("KILLS", "12"))
"""``make test-long`` sets more."""

NAMES = [NO_DATASET, "red", "blue"]
"""What is swapped."""
WRITERS = 4
PIPELINED = 20
"""Sets that a client sends before it reads."""
LONGEST = 0.03
"""Seconds after the first swap in which the server is killed."""

COMMANDS = [b"set %b 0 0 %d\r\n%b\r\n", b"ms %b %d c\r\n%b\r\n"]
"""Every other client hears the version, too."""


class Told(NamedTuple):
    """An answer to a set."""

    first: int
    """Swaps that were acknowledged before it was sent."""
    last: int
    """Swaps that were begun before it was read."""
    version: int | None


class Round:
    """A server's life: clients that store without a pause while another process swaps datasets, and what they were told."""

    def __init__(self, number: int, space: KeyValueSpace) -> None:
        self.prefix = b"%d." % number
        self.told: dict[bytes, Told] = {}
        self.writers: set[int] = set()  # those with an answer
        self.begun = self.done = 0  # swaps; the first is of NAMES[0]
        self._space = space
        self.is_over = False

    def write(self, index: int, address: str | tuple[str, int]) -> None:
        """Store new keys until the server is gone."""
        number = 0
        with Client(address) as client, contextlib.suppress(ConnectionError):
            while True:
                keys = [b"%b%d.%d" % (self.prefix, index, number + each) for each in range(PIPELINED)]
                first, number = self.done, number + PIPELINED
                client.sendall(b"".join(COMMANDS[index % 2] % (key, len(key), key) for key in keys))
                for key in keys:
                    line = client.line()
                    if not line.endswith(b"\n"):
                        return
                    if line == b"STORED\r\n" or line.startswith(b"HD c"):
                        self.told[key] = Told(first, self.begun, int(line[4:]) if line.startswith(b"HD") else None)
                        self.writers.add(index)

    def swap(self) -> None:
        """Swap in this process, each time when something was stored since; the last time when the server is gone."""
        while not self.is_over:
            self.begun += 1
            self._space.use(NAMES[self.begun % len(NAMES)])
            self.done = self.begun
            assert eventually(partial(self._has_told_more, len(self.told)))

    def _has_told_more(self, count: int) -> bool:
        return self.is_over or len(self.told) > count

    def lost(self) -> list[str]:
        """What is not as it was told."""
        found: dict[bytes, list[tuple[str, Entry]]] = {key: [] for key in self.told}
        for name in NAMES:
            self._space.use(name)
            for entry in self._space.scan(Range.of_prefix(self.prefix)):
                found.setdefault(entry.key, []).append((name, entry))
        return [f"{key!r}: {told}, found {found[key]}" for key, told in self.told.items() if not _is_kept(told, found[key])]


def _is_kept(told: Told, found: list[tuple[str, Entry]]) -> bool:
    if len(found) != 1:
        return False
    ((name, entry),) = found
    may_be = {NAMES[number % len(NAMES)] for number in range(told.first, told.last + 1)}
    return name in may_be and entry.value == entry.key and told.version in (None, entry.version)


def test_a_killed_server_loses_no_acknowledged_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four clients that pipeline, whenever it is killed; each is in one dataset, with the version that was told."""
    monkeypatch.setattr(writer_queue, "WRITER_PATIENCE", SECONDS)
    chance = random.Random(KILLS)
    data_dir = tmp_path / "data"
    with made(data_dir, terms=Terms(1_000_000_000, 10_000_000), sync=Sync.ALWAYS) as store:
        space = space_of(store)
        for name in NAMES[1:]:
            store.keyvalue.build(name, [Entry(b"dataset", name.encode())])
        rounds = []
        for number in range(KILLS):
            space.use(NAMES[0])
            rounds.append(turn := Round(number, space))
            with serving(data_dir) as server, ThreadPoolExecutor(WRITERS + 1) as pool:
                jobs = [pool.submit(turn.write, index, server.address) for index in range(WRITERS)]
                jobs.append(pool.submit(turn.swap))
                try:
                    assert eventually(lambda turn=turn: len(turn.writers) == WRITERS and turn.done)
                    time.sleep(chance.uniform(0, LONGEST))
                finally:
                    server.signal(signal.SIGKILL)
                    turn.is_over = True
                for job in jobs:
                    job.result(SECONDS)
            assert [*store.keyvalue.problems(), *turn.lost()] == []
        assert [lost for turn in rounds for lost in turn.lost()] == []  # later kills, too, took nothing
