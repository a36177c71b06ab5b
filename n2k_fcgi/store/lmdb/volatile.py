"""The volatile file: pending keys, conflicts, rate limits, sessions. Written without waiting for the disk.

A power cut may damage it; when LMDB says so, it is replaced by an empty one. That costs a minute of limits, lists that fill
again, and a log-in.
"""

from __future__ import annotations

import contextlib
import os

import lmdb

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import CapturesDamaged, StoreUnreadable
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.datadir import VOLATILE
from n2k_fcgi.store.lmdb.environment import DAMAGE, damaged, is_there, meaning
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, VOLATILE_FORMATS
from n2k_fcgi.store.lmdb.writable import WritableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import StrPath

    from n2k_fcgi.files import Modes
    from n2k_fcgi.store.lmdb.growing_map import Result


class VolatileFile:
    """A ``WritableFile`` that is made when it is missing, and replaced when it is damaged or of an earlier version.

    Raises StoreUnreadable where the data directory cannot be written and the file is not there, or is no regular file.
    """

    def __init__(self, data_dir: StrPath, modes: Modes, name: str = VOLATILE, *, sync: Sync = Sync.OFF) -> None:
        self.file = WritableFile(os.path.join(data_dir, name), modes, sync=sync, formats=VOLATILE_FORMATS)

    @contextlib.contextmanager
    def read(self) -> Iterator[lmdb.Transaction]:
        """One read transaction; values are valid inside it only. A missing file reads as an empty one."""
        if not is_there(self.file.where):
            yield _Empty()  # type: ignore[misc]  # reading makes no file
            return
        self._renewed(self._look)
        with self.file.read() as transaction:
            yield transaction

    def write(self, change: Callable[[lmdb.Transaction], Result]) -> Result:
        """Run *change* in one write transaction; see ``WritableFile.write``."""
        return self._renewed(lambda: self.file.write(change))

    def close(self) -> None:
        """Close; the next use opens again."""
        self.file.close()

    def _look(self) -> None:
        with self.file.read() as transaction:
            transaction.get(CAPTURE_META)

    def _renewed(self, action: Callable[[], Result]) -> Result:
        if not is_there(self.file.where):
            self.file.create()
        if not (self.file.is_open or os.path.isfile(self.file.where)):
            raise StoreUnreadable(path=self.file.where, why="it is no regular file")  # LMDB would wait for a FIFO
        try:
            return self._run(action)
        except CapturesDamaged as problem:
            logs.warning(f"{problem}; it is replaced by an empty one: its data may be lost")
            self.file.empty(only=self.file.identity)  # another process may have replaced it already, and written to it
            return self._run(action)

    def _run(self, action: Callable[[], Result]) -> Result:
        try:
            return action()
        except lmdb.Error as error:  # between two calls that give it our names: a damaged page may be met anywhere
            raise meaning(self.file.where, error, damaged if isinstance(error, DAMAGE) else StoreUnreadable) from None

    def renew(self) -> None:
        """Replace it by an empty file. Other processes notice within a second."""
        self.file.empty()


class _Empty:
    """A transaction, and its cursor, in which nothing is stored."""

    def get(self, db_key: bytes, default: bytes | None = None) -> bytes | None:
        return default

    def cursor(self) -> _Empty:
        return self

    def set_range(self, db_key: bytes) -> bool:
        return False
