"""One published generation, open for reading."""

import contextlib
import os
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice, takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any

import lmdb

from n2k_fcgi.errors import StoreDamaged
from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.store.avatars import MOST_KEYS
from n2k_fcgi.store.datadir import DATA_FILE
from n2k_fcgi.store.lmdb.bulk import BulkLookups
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, last_spellings, unpack_names, unpack_origins, unpack_spellings
from n2k_fcgi.store.lmdb.environment import meaning, open_reader, refuse_other_format
from n2k_fcgi.store.lmdb.layout import FORMAT_KEY, FORMER, GENERATION_DATABASES, HELD, HISTORY, KEYS, META, NAMES, ORIGINS_KEY
from n2k_fcgi.store.lmdb.resident import IMPORT_RESIDENT, resident_bytes

_PIECE = 512
"""Rows between two checks whether the end was passed."""


class Generation(BulkLookups):
    """Reads one generation through its map: no locks, and only the values that are asked for are copied.

    Implements ``store.avatars.GenerationView``. Opened in the process that reads (LMDB forbids crossing ``fork()``), at most
    once per process at a time.
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
        self.rows_read = 0
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

    def _open(self, path: Path) -> None:
        self._env = open_reader(path)
        try:
            self._databases = {name: self._env.open_db(name, create=False) for name in self._database_names()}
            with self._env.begin(db=self._databases[META]) as transaction:
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
        """See ``store.avatars.AvatarIndex``: one transaction. No iterator of ``rows`` may be left open."""
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

    def by_name(self, canonical: str) -> list[Avatar]:
        """See ``store.avatars.AvatarIndex``.

        Both databases are read: a name that is current on one grid may be a former one on another. In Second Life the key
        that had the name first is the winner, whether it still has it or not.
        """
        db_key = canonical.encode()
        try:
            with self._begin() as transaction:
                current = transaction.get(db_key, db=self._databases[NAMES])
                former = transaction.get(db_key, db=self._databases[FORMER])
        except lmdb.Error as error:
            raise meaning(self.path, error, StoreDamaged) from None
        found = [] if current is None else self._named(current, former=False)
        if former is not None:
            found += self._named(former, former=True)
        self.rows_read += len(found)
        return self._holder_first(db_key, found) if len(found) > 1 else found

    def _holder_first(self, name: bytes, found: list[Avatar]) -> list[Avatar]:
        if not self.has(HELD) or (holder := self.get(HELD, name)) is None:
            return found
        first = [avatar for avatar in found if avatar.key == holder and avatar.grid == PRODUCTION][:1]
        if not first and len(found) >= MOST_KEYS:  # it is stored after those that were read
            first = [self._avatar(record, former=former) for former, record in self._claims(name, holder, PRODUCTION)][:1]
        return first + [avatar for avatar in found if avatar not in first]

    def _claims(self, name: bytes, key: bytes, grid: str) -> Iterator[tuple[bool, tuple[int, bytes]]]:
        """Yield the records of one key among those of a name: whether it is a former name, and the record."""
        for database in (NAMES, FORMER):
            value = self.get(database, name) or b""
            at = value.find(key)
            while at >= 0:
                if at % NAME_RECORD == 1 and self.origins[value[at - 1]].grid == grid:
                    yield database == FORMER, (value[at - 1], key)
                at = value.find(key, at + 1)

    def is_called(self, key: bytes, canonical: str, grid: str) -> bool:
        """See ``store.avatars.GenerationView``."""
        return any(True for _ in self._claims(canonical.encode(), key, grid))

    def holder(self, canonical: str) -> bytes | None:
        """Return the key that a name of Second Life belongs to; None if no avatar has or had it."""
        return next((avatar.key for avatar in self.by_name(canonical) if avatar.grid == PRODUCTION), None)

    def by_key(self, key: bytes) -> list[Avatar]:
        """See ``store.avatars.AvatarIndex``."""
        try:
            with self._begin() as transaction:
                value: bytes | None = transaction.get(key, db=self._databases[KEYS])
        except lmdb.Error as error:
            raise meaning(self.path, error, StoreDamaged) from None
        if value is None:
            return []
        avatars = self._unpacked(key, value, former=False)
        self.rows_read += len(avatars)
        return avatars

    def history(self, key: bytes, most: int | None = None) -> list[Avatar]:
        """See ``store.avatars.GenerationView``."""
        try:
            value = self.get(HISTORY, key)
        except lmdb.Error as error:
            raise meaning(self.path, error, StoreDamaged) from None
        if value is None:
            return []
        avatars = self._unpacked(key, value if most is None else last_spellings(value, most), former=True)
        self.rows_read += len(avatars)
        return avatars

    def count(self) -> int:
        """Count its keys."""
        return self.entries(KEYS)

    @property
    def grids(self) -> frozenset[str]:
        """The grids that it has avatars of."""
        return frozenset(origin.grid for origin in self.origins)

    def names_between(self, first: bytes, end: bytes, limit: int, *, reverse: bool) -> list[bytes]:
        """See ``store.avatars.AvatarIndex``; current names only."""
        with self._begin() as transaction:
            cursor = transaction.cursor(self._databases[NAMES])
            if not reverse:
                names = cursor.iternext(values=False) if cursor.set_range(first) else iter(())
                return list(takewhile(lambda name: name < end, islice(names, limit)))
            more = cursor.prev() if cursor.set_range(end) else cursor.last()
            names = cursor.iterprev(values=False) if more else iter(())
            return list(takewhile(lambda name: name >= first, islice(names, limit)))

    def bindings(self, first: bytes, limit: int) -> list[tuple[bytes, list[Avatar]]]:
        """See ``store.avatars.GenerationView``."""
        found: list[tuple[bytes, list[Avatar]]] = []
        avatars = 0
        with self._begin() as transaction:
            cursor = transaction.cursor(self._databases[NAMES])
            for name, value in cursor.iternext() if cursor.set_range(first) else ():
                found.append((name, self._named(value, former=False)))
                avatars += len(found[-1][1])
                if avatars >= limit:
                    break
        self.rows_read += avatars
        return found

    def keys_from(self, first: bytes, limit: int) -> list[tuple[bytes, list[Avatar]]]:
        """See ``store.avatars.GenerationView``."""
        self.trim()
        rows = self.chunk(KEYS, first, None, limit)
        if not rows:
            return []
        history = dict(self.chunk(HISTORY, first, rows[-1][0] + b"\0", limit))  # each key there is among *rows*
        found = []
        for key, value in rows:
            names = self._unpacked(key, value, former=False)
            if key in history:
                names += self._unpacked(key, history[key], former=True)
            found.append((key, names))
        return found

    def ambiguous_names(self, first: bytes, limit: int) -> tuple[list[str], bytes | None]:
        """See ``store.avatars.GenerationView``."""
        self.trim()
        rows = self.chunk(NAMES, first, None, limit)
        names = [name.decode() for name, value in rows if len(value) > NAME_RECORD and self._is_ambiguous(value)]
        return names, rows[-1][0] + b"\0" if len(rows) == limit else None

    def _is_ambiguous(self, value: bytes) -> bool:
        origins = [self.origins[number] for number in value[::NAME_RECORD]]
        return len({origin.grid for origin in origins}) < len(origins) or len({o.as_of for o in origins}) < len(origins)

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

    def _named(self, value: bytes, *, former: bool) -> list[Avatar]:
        """The avatars of a name, the first MOST_KEYS of each grid: in a dump thousands may have it."""
        if len(value) > MOST_KEYS * NAME_RECORD:
            value = self._first_of_each_grid(value)
        return [self._avatar(record, former=former) for record in unpack_names(value)]

    def _first_of_each_grid(self, value: bytes) -> bytes:
        numbers = value[::NAME_RECORD]
        places: dict[str, list[int]] = {}
        for number in set(numbers):
            places.setdefault(self.origins[number].grid, []).extend(islice(_places(numbers, number), MOST_KEYS))
        kept = sorted(place for found in places.values() for place in sorted(found)[:MOST_KEYS])
        return b"".join(value[place * NAME_RECORD : (place + 1) * NAME_RECORD] for place in kept)

    def _avatar(self, record: tuple[int, bytes], *, former: bool) -> Avatar:
        origin = self.origins[record[0]]
        return Avatar(record[1], "", origin.grid, origin.as_of, Provenance.DUMP, former)

    def _unpacked(self, key: bytes, value: bytes, *, former: bool) -> list[Avatar]:
        origins = self.origins
        if value and len(value) == value[1] + 2:  # one name, as nearly always
            origin = origins[value[0]]
            return [Avatar(key, value[2:].decode(), origin.grid, origin.as_of, Provenance.DUMP, former)]
        return [
            Avatar(key, spelling.decode(), origins[number].grid, origins[number].as_of, Provenance.DUMP, former)
            for number, spelling in unpack_spellings(value)
        ]


def _places(numbers: bytes, number: int) -> Iterator[int]:
    """Yield the positions of *number*, in order."""
    place = numbers.find(number)
    while place >= 0:
        yield place
        place = numbers.find(number, place + 1)
