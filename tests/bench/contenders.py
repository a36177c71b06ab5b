"""What ``bench_kv`` compares: the key-value service in process, py-lmdb alone, sqlite3; all durable, values of 100 bytes."""

import random
import sqlite3
from pathlib import Path
from typing import Protocol

import lmdb

from n2k_fcgi import wiring
from n2k_fcgi.config import load
from n2k_fcgi.model.keyvalue.operations import Increment, Put
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.store.keyvalue import Range, Terms

NAMESPACE = "bench"
KEYS = 20_000
VALUE = b"x" * 100
BATCH = 1_000


def key_of(number: int) -> str:
    """The key with this number."""
    return f"key{number:08d}"


def filled(data_dir: Path) -> KeyValueSpace:
    """The namespace, with KEYS entries."""
    settings = load(environment={}, flags={"data_dir": str(data_dir)}).settings
    store = wiring.open_store(settings)
    store.create()
    if NAMESPACE not in store.keyvalue.names():
        store.keyvalue.create(NAMESPACE, Terms(1 << 30, 10_000_000))
    space = wiring.namespace(store, settings, NAMESPACE)
    if space.get(key_of(KEYS - 1)) is None:
        for first in range(0, KEYS, BATCH):
            space.batch([Put(key_of(number).encode(), VALUE) for number in range(first, first + BATCH)])
    return space


class Contender(Protocol):
    """Each method does its work *count* times."""

    def reads(self, count: int) -> None:
        """Read entries."""

    def writes(self, count: int) -> None:
        """Replace entries, each durably."""

    def batches(self, count: int) -> None:
        """Replace entries, a thousand at a time."""

    def ranges(self, count: int) -> None:
        """Read entries, a thousand at a time."""

    def increments(self, count: int) -> None:
        """Add to a number, each durably."""


class Ours:
    """The key-value service."""

    def __init__(self, folder: str, seed: str) -> None:
        self._space = filled(Path(folder))
        self._random = random.Random(seed)
        self._seed = seed

    def reads(self, count: int) -> None:
        for _ in range(count):
            assert self._space.get(key_of(self._random.randrange(KEYS)))

    def writes(self, count: int) -> None:
        for _ in range(count):
            self._space.apply(Put(key_of(self._random.randrange(KEYS)).encode(), VALUE))

    def batches(self, count: int) -> None:
        for _ in range(count // BATCH):
            keys = (key_of(self._random.randrange(KEYS)).encode() for _ in range(BATCH))
            self._space.batch([Put(key, VALUE) for key in keys])

    def ranges(self, count: int) -> None:
        for _ in range(count // BATCH):
            start = key_of(self._random.randrange(KEYS - BATCH)).encode()
            assert len(self._space.page(Range(start), limit=BATCH, values=True).entries) == BATCH

    def increments(self, count: int) -> None:
        for _ in range(count):
            self._space.apply(Increment(b"counter" + self._seed.encode(), initial=1))


class Lmdb:
    """py-lmdb alone: one row per entry, no metadata."""

    def __init__(self, folder: str, seed: str) -> None:
        Path(folder).mkdir(exist_ok=True)
        self._env = lmdb.open(folder, map_size=1 << 30)
        self._random = random.Random(seed)
        self._seed = seed.encode()
        with self._env.begin(write=True) as transaction:
            if transaction.get(self._key(KEYS - 1)) is None:
                for number in range(KEYS):
                    transaction.put(self._key(number), VALUE)

    @staticmethod
    def _key(number: int) -> bytes:
        return key_of(number).encode()

    def reads(self, count: int) -> None:
        for _ in range(count):
            with self._env.begin() as transaction:
                assert transaction.get(self._key(self._random.randrange(KEYS)))

    def writes(self, count: int) -> None:
        for _ in range(count):
            with self._env.begin(write=True) as transaction:
                transaction.put(self._key(self._random.randrange(KEYS)), VALUE)

    def batches(self, count: int) -> None:
        for _ in range(count // BATCH):
            with self._env.begin(write=True) as transaction:
                for _ in range(BATCH):
                    transaction.put(self._key(self._random.randrange(KEYS)), VALUE)

    def ranges(self, count: int) -> None:
        for _ in range(count // BATCH):
            with self._env.begin() as transaction:
                cursor = transaction.cursor()
                cursor.set_range(self._key(self._random.randrange(KEYS - BATCH)))
                rows = [item for item, _ in zip(cursor.iternext(), range(BATCH), strict=False)]
                assert len(rows) == BATCH

    def increments(self, count: int) -> None:
        for _ in range(count):
            with self._env.begin(write=True) as transaction:
                value = transaction.get(b"counter" + self._seed) or b"0"
                transaction.put(b"counter" + self._seed, b"%d" % (int(value) + 1))


class Sqlite:
    """sqlite3 with a write-ahead log that is synced before a commit returns."""

    def __init__(self, folder: str, seed: str) -> None:
        Path(folder).mkdir(exist_ok=True)
        self._base = sqlite3.connect(f"{folder}/base", timeout=60, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        self._base.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self._random = random.Random(seed)
        self._seed = seed
        if not self._base.execute("SELECT 1 FROM entries WHERE key = ?", (key_of(KEYS - 1),)).fetchone():
            with self._base:
                self._base.execute("BEGIN IMMEDIATE")
                rows = ((key_of(number), VALUE) for number in range(KEYS))
                self._base.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", rows)
                self._base.execute("COMMIT")

    def reads(self, count: int) -> None:
        for _ in range(count):
            key = key_of(self._random.randrange(KEYS))
            assert self._base.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()

    def writes(self, count: int) -> None:
        for _ in range(count):
            key = key_of(self._random.randrange(KEYS))
            self._base.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (key, VALUE))

    def batches(self, count: int) -> None:
        for _ in range(count // BATCH):
            self._base.execute("BEGIN IMMEDIATE")
            rows = ((key_of(self._random.randrange(KEYS)), VALUE) for _ in range(BATCH))
            self._base.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", rows)
            self._base.execute("COMMIT")

    def ranges(self, count: int) -> None:
        for _ in range(count // BATCH):
            start = key_of(self._random.randrange(KEYS - BATCH))
            wanted = "SELECT key, value FROM entries WHERE key >= ? ORDER BY key LIMIT ?"
            assert len(self._base.execute(wanted, (start, BATCH)).fetchall()) == BATCH

    def increments(self, count: int) -> None:
        wanted = "INSERT INTO entries VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1"
        for _ in range(count):
            self._base.execute(wanted, ("counter" + self._seed,))


CONTENDERS: dict[str, type[Contender]] = {"n2k": Ours, "py-lmdb": Lmdb, "sqlite3": Sqlite}
