"""The data file of one generation: its map, opened once per process, and the raw rows of its databases."""

from __future__ import annotations

import contextlib
import os
from itertools import islice
from operator import itemgetter

import lmdb

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import StoreDamaged
from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.model.origins import Origin
from n2k_fcgi.store.lmdb.codec import BARE_NAME_RECORD, NAME_RECORD, unpack_origins
from n2k_fcgi.store.lmdb.environment import meaning, open_reader, refuse_other_format
from n2k_fcgi.store.lmdb.json_text import parsed
from n2k_fcgi.store.lmdb.layout import (
    BASE_KEY,
    FORMAT_KEY,
    FORMER_ORIGINS_KEY,
    GENERATION_DATABASES,
    HELD,
    ID_KEY,
    META,
    ORIGINS_KEY,
    PAST_KEY,
    SIZES_KEY,
    WITH_DIFFERENCES,
)
from n2k_fcgi.store.lmdb.resident import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from _typeshed import StrPath

_PIECE = 512
"""Rows between two checks whether the end was passed."""


class GenerationFile:
    """Reads a published file through its map: no locks, and only the values that are asked for are copied.

    Opened in the process that reads (LMDB forbids crossing ``fork()``), at most once per process at a time.
    """

    def __init__(self, where: StrPath, created: int) -> None:
        """*created*: unix seconds when it was made; up to version 0.1 a dump could have a later time, which is read as this."""
        self.where = os.fspath(where)
        self._created = created
        self.users = 0
        """How many generations of this process read it (``open_files.OpenFiles``)."""
        self.is_open = True
        """Whether it can be read: False once it is closed, or could not be opened again."""
        self._snapshot: contextlib.nullcontext[lmdb.Transaction] | None = None
        # A pruned file has no name any more, but it can be read as long as this is open.
        try:
            self._fd = os.open(self.where, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            refuse_os_error(self.where, error)
        try:
            self._open(self.where)
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def path(self) -> Path:
        """``where`` as a Path."""
        from pathlib import Path  # late: its import takes longer than a lookup, which does without it

        return Path(self.where)

    def refuse_changed(self) -> None:
        """Raise StoreDamaged if a byte is not as it was built. A file without a seal is not read."""
        from n2k_fcgi.store.lmdb.sealing import seal_of  # late: lookups do not need it

        seal_of(self.path, self._fd, verify=True)

    def _open(self, path: str) -> None:
        self._env = open_reader(path)
        try:
            self._databases = {name: self._env.open_db(name, create=False) for name in self._database_names()}
            with self._env.begin(db=self._databases[META]) as transaction:
                self._describe(transaction)
        except lmdb.Error as error:
            self._env.close()
            raise meaning(self.where, error, StoreDamaged) from None
        except BaseException:
            self._env.close()
            raise

    def _describe(self, transaction: lmdb.Transaction) -> None:
        meta = {key: bytes(value) for key, value in transaction.cursor()}
        number = meta.get(FORMAT_KEY)
        refuse_other_format(self.where, number)
        self.has_forms = int(number or b"0") >= WITH_DIFFERENCES
        """Whether the records of names have a form, so that differences can be built against it."""
        self.record = NAME_RECORD if self.has_forms else BARE_NAME_RECORD
        """Bytes of one record in names and former."""
        past = meta.get(PAST_KEY)
        self.past = None if past is None else past.decode().split()
        """Names of the generations that it was built from; None: not known."""
        self.origins = self._believed(meta.get(ORIGINS_KEY, b"[]"))
        """Of current names, by their number."""
        former = meta.get(FORMER_ORIGINS_KEY)
        self.former_origins = self.origins if former is None else self._believed(former)
        """Of former names, by their number."""
        self.sizes: dict[str, Any] = parsed(meta.get(SIZES_KEY, b"{}").decode())
        self.id = meta.get(ID_KEY, b"").decode()
        base = meta.get(BASE_KEY)
        self.base: dict[str, str] | None = None if base is None else parsed(base.decode())
        """Name and id of the generation that these are the differences against; None: it is a whole one."""

    def _believed(self, packed: bytes) -> list[Origin]:
        return [origin._replace(as_of=min(origin.as_of, self._created)) for origin in unpack_origins(packed)]

    def _database_names(self) -> list[bytes]:
        with self._env.begin() as transaction:
            return [name for name in GENERATION_DATABASES if name != HELD or transaction.get(HELD) is not None]

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything inside in one transaction, also if it is nested. No iterator of ``rows`` may be left open."""
        if self._snapshot is not None:
            yield
            return
        with self._env.begin() as transaction:
            self._snapshot = contextlib.nullcontext(transaction)
            try:
                yield
            finally:
                self._snapshot = None

    def begin(self) -> contextlib.AbstractContextManager[Any]:
        """The transaction of the ``snapshot`` around it, else one of its own."""
        return self._snapshot or self._env.begin()

    def reopen(self) -> None:
        """Release the map and its resident pages, unless a ``snapshot`` is open; map the file again, pruned or not.

        No iterator of ``rows`` may be open.
        """
        if self._snapshot is None:
            self.is_open = False
            self._env.close()
            self._open(f"/proc/self/fd/{self._fd}")
            self.is_open = True

    def trim(self, resident_limit: int) -> None:
        """``reopen`` if this process has more resident bytes. Called between two steps of long reading."""
        if self._snapshot is None and resident_bytes() > resident_limit:
            self.reopen()

    def close(self) -> None:
        """Release the map, for good."""
        self.is_open = False
        self._env.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def get(self, database: bytes, db_key: bytes) -> bytes | None:
        """Return one raw value."""
        with self.begin() as transaction:
            value: bytes | None = transaction.get(db_key, db=self._databases[database])
        return value

    def pair(self, first: bytes, second: bytes, db_key: bytes) -> tuple[bytes | None, bytes | None]:
        """Return the raw values of one db_key in two databases."""
        with self.begin() as transaction:
            return transaction.get(db_key, db=self._databases[first]), transaction.get(db_key, db=self._databases[second])

    def has(self, database: bytes) -> bool:
        """Whether this file has the database: one of format 1 has no holders."""
        return database in self._databases

    def entries(self, database: bytes) -> int:
        """Count the db_keys of a database."""
        with self.begin() as transaction:
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

    def backwards(self, database: bytes, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the raw (db_key, value) below *end* and at or above *first*, the last one first."""
        with self._env.begin(db=self._databases[database]) as transaction:
            cursor = transaction.cursor()
            if not (cursor.prev() if cursor.set_range(end) else cursor.last()):
                return
            for db_key, value in cursor.iterprev():
                if db_key < first:
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
                    from bisect import bisect_left  # late: lookups read no chunks

                    del found[bisect_left(found, end, key=itemgetter(0)) :]
                    break
        return found
