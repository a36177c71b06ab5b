"""The file of statistics, and the lines that wait to be merged into it.

It may be lost as a whole. Lines are merged in one transaction, each once: first their file is renamed, so that nobody adds to
it; its digest is stored with what was in it; and the next merge removes it, when that is certain.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from contextlib import nullcontext

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import N2KError
from n2k_fcgi.files import try_lock
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.statistics import DAYS_KEPT, HOURS_KEPT
from n2k_fcgi.store.counted_lines import parse
from n2k_fcgi.store.counts import ATTEMPTS, MOST_WAITING
from n2k_fcgi.store.datadir import COUNTED, MERGING, OPENING, STATISTICS
from n2k_fcgi.store.lmdb.deaths import survived
from n2k_fcgi.store.lmdb.environment import is_there
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, OF_A_WORKER, OF_ALL_TIME
from n2k_fcgi.store.lmdb.statistics_rows import PREFIXES, changed, counted, firsts, outdated
from n2k_fcgi.store.lmdb.volatile import VolatileFile
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    import lmdb

    from n2k_fcgi.files import Modes
    from n2k_fcgi.model.statistics import Counted

BLOCK = 64 * 1024
MOST_BLOCKS = 2 * MOST_WAITING // BLOCK
"""Of a file of lines that are read, if somebody else has made it larger than processes do."""

_MERGED = CAPTURE_META + b"merged"


class StatisticsFile:
    """Implements ``store.base.StatisticsStore``. The file is open only while it is read or written."""

    def __init__(self, data_dir: str, modes: Modes) -> None:
        self._lines = os.path.join(data_dir, COUNTED)
        self._merging = os.path.join(data_dir, MERGING)
        self._opening = os.path.join(data_dir, OPENING)
        self._mode = modes.file
        # The disk is waited for once a minute, by one process, not by an answer: a power cut must not damage the file.
        self._volatile = VolatileFile(data_dir, modes, STATISTICS, sync=Sync.META)

    def merge(self) -> bool:
        """See ``store.base.StatisticsStore``."""
        try:
            if self._volatile.file.is_busy():
                return False
            with self._survived(whole=True):
                self._volatile.write(self._merge)
                if os.path.exists(self._lines):  # what a killed process had taken away was merged first
                    self._volatile.write(self._merge)
        except (N2KError, OSError) as problem:
            logs.debug(f"statistics are not merged: {problem}")
            return False
        finally:
            self._volatile.close()
        return True

    def read(self, *, hours: int = HOURS_KEPT, days: int = DAYS_KEPT) -> Counted:
        """See ``store.base.StatisticsStore``."""
        now = int(time.time())
        first = firsts(now, hours, days)
        with self._kept_in_place(), self._survived(whole=False) if is_there(self._volatile.file.where) else nullcontext():
            taken = _content(self._merging) or b""
            try:
                with self._volatile.read() as transaction:
                    rows, merged = _wanted(transaction, first), transaction.get(_MERGED)
            finally:
                self._volatile.close()
            waiting = b"" if merged == _digest(taken) else taken
            waiting += _content(self._lines) or b""
        return counted({**rows, **changed(rows.get, parse(waiting, now))}, first)

    def _survived(self, *, whole: bool) -> AbstractContextManager[None]:
        return survived(self._opening, self._mode, self._volatile.renew, whole=whole)

    def _merge(self, transaction: lmdb.Transaction) -> None:
        """Merge what waits. Run again, it does the same: a file that was renamed already is there."""
        now = int(time.time())
        merged = transaction.get(_MERGED)
        waiting = _content(self._merging)
        if waiting is None or merged == _digest(waiting):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._merging)
            self._take_away()
            waiting = _content(self._merging)
        if waiting is None:
            return
        for db_key, value in changed(transaction.get, parse(waiting, now)).items():
            transaction.put(db_key, value)
        for db_key in outdated(_rows(transaction), now):
            transaction.delete(db_key)
        transaction.put(_MERGED, _digest(waiting))

    @contextlib.contextmanager
    def _kept_in_place(self) -> Iterator[None]:
        """Let no process take the lines away inside: they would be read twice, or not at all."""
        with contextlib.ExitStack() as held:
            for _ in range(ATTEMPTS):
                try:
                    fd = _opened(self._lines)
                except OSError:
                    break  # there are none, or they cannot be read, which is found again
                held.callback(os.close, fd)
                if try_lock(fd, shared=True):
                    break
                time.sleep(0.001)  # another process renames them just now
            yield

    def _take_away(self) -> None:
        """Rename the file of lines, unless a process is adding to it just now: then the next merge takes it."""
        with contextlib.suppress(FileNotFoundError):
            fd = _opened(self._lines)
            try:
                if stat.S_ISREG(os.fstat(fd).st_mode) and try_lock(fd):
                    os.rename(self._lines, self._merging)
            finally:
                os.close(fd)


def _opened(path: str) -> int:
    """Open a file of lines, and wait for nothing, whatever is there."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)


def _content(path: str) -> bytes | None:
    """What is in a file of lines; None: there is none, or something else is there."""
    try:
        fd = _opened(path)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        blocks: list[bytes] = []
        while len(blocks) < MOST_BLOCKS and (block := os.read(fd, BLOCK)):
            blocks.append(block)
        return b"".join(blocks)
    finally:
        os.close(fd)


def _digest(content: bytes) -> bytes:
    """What tells these lines from all others, in a copy of the directory too: each has its time and its process."""
    return hashlib.sha256(content).digest()


def _rows(transaction: lmdb.Transaction) -> dict[bytes, bytes]:
    return {prefix + rest: value for prefix in PREFIXES for rest, value in with_prefix(transaction, prefix)}


def _wanted(transaction: lmdb.Transaction, first: Mapping[bytes, bytes | None]) -> dict[bytes, bytes]:
    """The rows of periods from *first* on (see ``statistics_rows.firsts``), of all time, and of workers."""
    rows = {OF_ALL_TIME: bytes(transaction.get(OF_ALL_TIME) or b"")}
    for prefix, start in {**first, OF_A_WORKER: b""}.items():
        if start is not None:
            rows.update((prefix + rest, value) for rest, value in with_prefix(transaction, prefix, start))
    return rows
