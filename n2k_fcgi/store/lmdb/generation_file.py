"""The data file of one generation: its map, opened once per process, and the raw rows of its databases."""

import contextlib
import os
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import lmdb

from n2k_fcgi.errors import StoreDamaged
from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.store.datadir import DATA_FILE
from n2k_fcgi.store.lmdb.codec import unpack_origins
from n2k_fcgi.store.lmdb.environment import meaning, open_reader, refuse_other_format
from n2k_fcgi.store.lmdb.layout import FORMAT_KEY, GENERATION_DATABASES, HELD, META, ORIGINS_KEY, PAST_KEY
from n2k_fcgi.store.lmdb.resident import IMPORT_RESIDENT, resident_bytes

_PIECE = 512
"""Rows between two checks whether the end was passed."""


class GenerationFile:
    """Reads a published file through its map: no locks, and only the values that are asked for are copied.

    Opened in the process that reads (LMDB forbids crossing ``fork()``), at most once per process at a time.
    """

    def __init__(self, folder: Path, created: int, resident_limit: int = IMPORT_RESIDENT) -> None:
        """*created*: unix seconds when it was made; up to version 0.1 a dump could have a later time, which is read as this.

        *resident_limit*: bytes of resident memory of this process above which long reading releases the map's pages.
        """
        self.name = folder.name
        self._created = created
        self._resident_limit = resident_limit
        self.path = folder / DATA_FILE
        self.holds = 0
        """The number of leases on it (``generations.Lease``)."""
        self._snapshot: contextlib.nullcontext[lmdb.Transaction] | None = None
        # A pruned file has no name any more, but it can be read as long as this is open.
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            refuse_os_error(self.path, error)
        try:
            self._open(self.path)
        except BaseException:
            os.close(self._fd)
            raise

    def refuse_changed(self) -> None:
        """Raise StoreDamaged if a byte is not as it was built. A file without a seal is not read."""
        from n2k_fcgi.store.lmdb.sealing import seal_of  # late: lookups do not need it

        seal_of(self.path, self._fd, verify=True)

    def _open(self, path: Path) -> None:
        self._env = open_reader(path)
        try:
            self._databases = {name: self._env.open_db(name, create=False) for name in self._database_names()}
            with self._env.begin(db=self._databases[META]) as transaction:
                past = transaction.get(PAST_KEY)
                self.past = None if past is None else past.decode().split()
                """Names of the generations that it was built from; None: not known."""
                refuse_other_format(self.path, transaction.get(FORMAT_KEY))
                origins = unpack_origins(transaction.get(ORIGINS_KEY, b"[]"))
                self.origins = [origin._replace(as_of=min(origin.as_of, self._created)) for origin in origins]
        except lmdb.Error as error:
            self._env.close()
            raise meaning(self.path, error, StoreDamaged) from None
        except BaseException:
            self._env.close()
            raise

    def _database_names(self) -> list[bytes]:
        with self._env.begin() as transaction:
            return [name for name in GENERATION_DATABASES if name != HELD or transaction.get(HELD) is not None]

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything inside in one transaction, also if it is nested. No iterator of ``rows`` may be left open."""
        if self._snapshot is not None:
            yield
            return
        if self.holds:
            self.trim()
        with self._env.begin() as transaction:
            self._snapshot = contextlib.nullcontext(transaction)
            try:
                yield
            finally:
                self._snapshot = None

    def _begin(self) -> contextlib.AbstractContextManager[Any]:
        """The transaction of the ``snapshot`` around it, else one of its own."""
        return self._snapshot or self._env.begin()

    def reopen(self) -> None:
        """Release the map and its resident pages; map the file again, pruned or not. No iterator of ``rows`` may be open."""
        self._env.close()
        self._open(Path(f"/proc/self/fd/{self._fd}"))

    def trim(self) -> None:
        """``reopen`` if this process has grown, unless a ``snapshot`` is open. Called between two steps of long reading."""
        if self._snapshot is None and resident_bytes() > self._resident_limit:
            self.reopen()

    def close(self) -> None:
        """Release the map, for good."""
        self._env.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def get(self, database: bytes, db_key: bytes) -> bytes | None:
        """Return one raw value."""
        with self._begin() as transaction:
            value: bytes | None = transaction.get(db_key, db=self._databases[database])
        return value

    def has(self, database: bytes) -> bool:
        """Whether this generation has the database: one of format 1 has no holders."""
        return database in self._databases

    def entries(self, database: bytes) -> int:
        """Count the db_keys of a database."""
        with self._begin() as transaction:
            count: int = transaction.stat(self._databases[database])["entries"]
        return count

    def rows(self, database: bytes, first: bytes = b"", end: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the raw (db_key, value) at or above *first* and below *end*, in order."""
        with self._env.begin(db=self._databases[database]) as transaction:
            cursor = transaction.cursor()
            found = cursor.set_range(first) if first else cursor.first()
            if not found:
                return
            for db_key, value in cursor:
                if end is not None and db_key >= end:
                    return
                yield db_key, value

    def chunk(self, database: bytes, first: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Return the first *limit* of ``rows``, read without a step of Python for each."""
        found: list[tuple[bytes, bytes]] = []
        with self._env.begin(db=self._databases[database]) as transaction:
            cursor = transaction.cursor()
            if not (cursor.set_range(first) if first else cursor.first()):
                return found
            rows = cursor.iternext()
            while piece := list(islice(rows, min(_PIECE, limit - len(found)))):
                found += piece
                if end is not None and piece[-1][0] >= end:
                    del found[bisect_left(found, end, key=itemgetter(0)) :]
                    break
        return found

    def chunks(self, database: bytes, limit: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield all rows of a database, at most *limit* at a time, with ``trim`` between; none if there is no such database."""
        start = b""
        while self.has(database) and (rows := self.chunk(database, start, None, limit)):
            yield rows
            start = rows[-1][0] + b"\0"  # the smallest db_key above it
            self.trim()
