"""The data file of a generation while it is written: sorted rows are appended, counts checked, the result is durable."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import lmdb

from n2k_fcgi.errors import CountsDisagree, StoreFull, TooManyGrids
from n2k_fcgi.files import Modes, sync_folder
from n2k_fcgi.model.origins import MAX_ORIGINS, Origin
from n2k_fcgi.store import ration
from n2k_fcgi.store.datadir import DATA_FILE
from n2k_fcgi.store.lmdb.codec import pack_origins
from n2k_fcgi.store.lmdb.environment import MAX_DATABASES, meaning
from n2k_fcgi.store.lmdb.layout import (
    BASE_KEY,
    FORMAT,
    FORMAT_KEY,
    FORMER_ORIGINS_KEY,
    GENERATION_DATABASES,
    ID_KEY,
    META,
    ORIGINS_KEY,
    PAST_KEY,
    SIZES_KEY,
)
from n2k_fcgi.store.lmdb.resident import IMPORT_RESIDENT, resident_bytes

MOST_PAST = 1000
"""Generations of the past that are kept: years of nightly imports."""

ID_BYTES = 16

PAGE = os.sysconf("SC_PAGE_SIZE")
"""Bytes of LMDB's pages, which are those of the system (lmdb.h)."""


class Contents(NamedTuple):
    """What a finished file has beside its rows: of a generation, also where the file has only the differences."""

    origins: list[Origin]
    counts: list[int]
    """Of each origin, how many current names are from it."""
    names: int
    keys: int
    past: list[str] | None
    """Names of the generations that it was built from, the latest last; None: not known."""
    own: int = 0
    """The number of the origin of the dump that it was built from."""
    former_origins: list[Origin] | None = None
    """Of former names, where they are others than those of current names."""
    base: tuple[str, str] | None = None
    """Name and id of the generation that these are the differences against."""


class DataFile:
    """A new generation's data file in *folder*. No process reads it before it is published, so ``finish`` syncs it, once.

    Each call is one transaction: below 100,000 rows (5 MB of dirty pages, measured). *first_map*: see ``Sizes``.
    """

    def __init__(self, folder: Path, modes: Modes, first_map: int, name: str = DATA_FILE) -> None:
        self.path = folder / name
        self._modes = modes
        self._passed = self._end = 0
        """Bytes that were written or read back since the pages were dropped; bytes of the file."""
        self._open(first_map)

    def _open(self, map_size: int) -> None:
        try:
            self._env = lmdb.open(
                os.fsencode(self.path),
                subdir=False,
                lock=False,
                sync=False,
                readahead=False,
                map_size=map_size,
                max_dbs=MAX_DATABASES,
                mode=self._modes.file,
            )
            self._databases = {name: self._env.open_db(name) for name in GENERATION_DATABASES}
        except lmdb.Error as error:
            raise meaning(self.path, error, StoreFull) from None

    def trim(self) -> None:
        """Release the pages of the map if this process has grown."""
        if resident_bytes() > IMPORT_RESIDENT:
            self._reopen()

    def _reopen(self, between: Callable[[], None] = lambda: None) -> None:
        """Release the map; *between* is called while nothing is mapped."""
        map_size = self._env.info()["map_size"]
        self._env.close()
        between()
        self._open(map_size)

    def _pass(self, count: int) -> None:
        """Where the disk is rationed, sync what was written and drop the pages, when it is due; then pause.

        LMDB writes its pages by system calls and reads them back through its map. The kernel drops no page that is mapped, so
        the file is closed for that moment.
        """
        self._passed += count
        if ration.is_due(self._passed):
            self._reopen(lambda: ration.let_go(self.path))
            self._passed = 0
        ration.spend()

    def append(self, database: bytes, db_keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Append rows, as columns, in ascending order of db_key, all above those already there.

        Raises CountsDisagree if one was not: LMDB would drop it silently.
        """
        self.append_rows(database, list(zip(db_keys, values, strict=True)))

    def append_rows(self, database: bytes, rows: list[tuple[bytes, bytes]]) -> None:
        """The same for rows as (db_key, value)."""

        def put(transaction: lmdb.Transaction) -> None:
            cursor = transaction.cursor(self._databases[database])
            consumed, added = cursor.putmulti(rows, append=True)
            if (consumed, added) != (len(rows), len(rows)):
                raise CountsDisagree(what=f"appending to {database.decode()}", given=len(rows), kept=added)

        if rows:
            self._write(put)
            self.trim()
            end, self._end = self._end, (self._env.info()["last_pgno"] + 1) * PAGE
            self._pass(self._end - end)

    def get(self, database: bytes, db_key: bytes) -> bytes | None:
        """The value that was appended, or None."""
        with self._env.begin() as transaction:
            value = transaction.get(db_key, db=self._databases[database])
        self._pass(PAGE)
        return None if value is None else bytes(value)

    def entries(self, database: bytes) -> int:
        """How many db_keys were appended to *database*."""
        with self._env.begin() as transaction:
            count: int = transaction.stat(self._databases[database])["entries"]
        return count

    def finish(self, contents: "Contents") -> int:
        """Write what the file has, sync, close; return the bytes of the file. Raises TooManyGrids."""
        if len(contents.origins) > MAX_ORIGINS:
            raise TooManyGrids(limit=MAX_ORIGINS)
        described = _described(contents)

        def describe(transaction: lmdb.Transaction) -> None:
            for db_key, value in described.items():
                transaction.put(db_key, value, db=self._databases[META])

        self._write(describe)
        try:
            self._env.sync(True)
        except lmdb.Error as error:
            raise meaning(self.path, error, StoreFull) from None
        self.close()
        ration.let_go(self.path)
        ration.spend()
        self.path.chmod(self._modes.file)
        sync_folder(self.path.parent)
        return os.stat(self.path).st_size

    def close(self) -> None:
        """Close without finishing; no effect after ``finish``."""
        self._env.close()

    def _write(self, change: Callable[[lmdb.Transaction], None]) -> None:
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    return change(transaction)
            except lmdb.MapFullError:
                self._double()
            except lmdb.Error as error:
                raise meaning(self.path, error, StoreFull) from None

    def _double(self) -> None:
        try:
            self._env.set_mapsize(self._env.info()["map_size"] * 2)
        except lmdb.Error as error:
            self._env.close()  # LMDB has unmapped the old map already
            raise meaning(self.path, error, StoreFull) from None


def _described(contents: Contents) -> dict[bytes, bytes]:
    sizes = {"origins": contents.counts, "own": contents.own, "names": contents.names, "keys": contents.keys}
    described = {
        FORMAT_KEY: str(FORMAT).encode(),
        ORIGINS_KEY: pack_origins(contents.origins),
        SIZES_KEY: json.dumps(sizes).encode(),
        ID_KEY: os.urandom(ID_BYTES).hex().encode(),
    }
    if contents.past is not None:
        described[PAST_KEY] = "\n".join(contents.past[-MOST_PAST:]).encode()
    if contents.former_origins is not None:
        described[FORMER_ORIGINS_KEY] = pack_origins(contents.former_origins)
    if contents.base is not None:
        name, identity = contents.base
        described[BASE_KEY] = json.dumps({"name": name, "id": identity}).encode()
    return described
