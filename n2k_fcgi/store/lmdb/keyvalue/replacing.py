"""Fresh files in place of others: compacting a namespace while it is served, dropping it, making it.

A fresh file is written row by row. (LMDB's own compact copy needs a thread, which some hosts do not grant, and leaves
half-full pages: 200,000 rows took 40 MB and 27 MB.) Writers wait meanwhile; readers do not.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import lmdb

from n2k_fcgi.errors import NamespaceFull, StoreFull
from n2k_fcgi.files import Modes, refuse_os_error, refuse_when_low, sync_folder
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.datadir import DROPPED, FRESH_SUFFIX
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.store.lmdb.empty_file import FORMAT_DB_KEY, put_format
from n2k_fcgi.store.lmdb.environment import (
    is_there,
    meaning,
    open_reader,
    refuse_other_format,
)
from n2k_fcgi.store.lmdb.growing_map import GrowingMap
from n2k_fcgi.store.lmdb.keyvalue.file import NamespaceFile, is_made
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    COUNTERS,
    FORMATS,
    LOG,
    REPLACED,
    SEQUENCE,
    TERMS,
    Buffer,
    pack_terms,
    unpack_terms,
)
from n2k_fcgi.store.lmdb.keyvalue.writing import Writing
from n2k_fcgi.store.lmdb.lockfile import lock_of, reserve

SPARE = 256 * 1024
"""Bytes of the disk that must be free beside those of a fresh file: its lock file, and what the writers of others add."""

PART = 2 * 1024 * 1024
"""Bytes of rows that one transaction copies: LMDB holds the pages that it writes in memory."""


def compact(file: NamespaceFile, *, keep_log: bool) -> tuple[int, int]:
    """Make *file* as small as its rows are, while it is served; return its bytes before and after.

    *keep_log*: with the log of changes. Raises NamespaceFull, StoreBusy.
    """

    def count_log(transaction: lmdb.Transaction) -> None:
        if not keep_log:
            writing = Writing(transaction, 0, most_changes=0)
            writing.counters.changes, writing.counters.floor = 0, writing.counters.version
            writing.finish()

    with in_our_words(file.path), file.exclusive(), _fresh(file) as fresh:
        before = file.path.stat().st_size
        file.settle()
        with file.read() as source:
            refuse_when_low(fresh.path.parent, file.used_bytes() + SPARE)
            put_rows(source, fresh, lambda db_key: keep_log or db_key[:1] != LOG)
        _finish(fresh, file.modes, count_log)
        file.replace(fresh.path)
    return before, file.path.stat().st_size


def drop(file: NamespaceFile) -> None:
    """Remove *file*. What must not repeat is kept in a small file beside it, for the next ``create``.

    Raises NoSuchNamespace, NamespaceFull, StoreBusy.
    """

    def flush(transaction: lmdb.Transaction) -> None:
        writing = Writing(transaction, 0, most_changes=1)
        writing.counters.requests = writing.counters.changes = 0
        writing.flush()
        writing.finish()

    with in_our_words(file.path), file.exclusive(), _fresh(file) as fresh:
        file.settle()
        with file.read() as source:
            put_rows(source, fresh, _outlives_a_drop)
        _finish(fresh, file.modes, flush)
        file.remove(fresh.path, _dropped(file))


def create(file: NamespaceFile, terms: Terms) -> bool:
    """Make *file*, with what a ``drop`` kept; False: it exists and is left alone. Atomic, and durable when this returns.

    Raises NamespaceFull, StoreBusy.
    """
    with file.alone():
        if is_made(file.path):
            return False
        with _fresh(file) as fresh:
            with _kept(file) as source:
                if source is not None:
                    put_rows(source, fresh)
            _finish(fresh, file.modes, lambda transaction: transaction.put(TERMS, pack_terms(terms)))
            lock_of(fresh.path).rename(lock_of(file.path))
            fresh.path.rename(file.path)
        dropped = _dropped(file)
        dropped.unlink(missing_ok=True)
        sync_folder(dropped.parent)
    return True


def dropped_terms(file: NamespaceFile) -> Terms | None:
    """Return what the owner had set for *file* before its ``drop``; None: it was not dropped."""
    with _kept(file) as source:
        return None if source is None else unpack_terms(source.get(TERMS))


@contextlib.contextmanager
def _fresh(file: NamespaceFile) -> Iterator[GrowingMap]:
    """An empty file beside *file*, removed at the end unless it was renamed.

    It is open all the time, so that no process takes its lock file for one that needs to be initialised.
    """
    path = file.path.with_suffix(FRESH_SUFFIX)
    with in_our_words(path):
        try:
            _remove(path)  # of a killed run
            reserve(path, file.modes)
            with closing(GrowingMap.open(path, file.modes, sync=Sync.OFF)) as fresh:
                yield fresh
        finally:
            _remove(path)


def _remove(path: Path) -> None:
    for each in (path, lock_of(path)):
        each.unlink(missing_ok=True)


@contextlib.contextmanager
def in_our_words(path: Path) -> Iterator[None]:
    """Raise N2KErrors about the file *path* that is being written: NamespaceFull if there is no space."""
    try:
        yield
    except NamespaceFull:
        raise
    except StoreFull as error:
        raise NamespaceFull(path=path, why=error.why) from None
    except lmdb.Error as error:  # of a sync
        raise meaning(path, error, NamespaceFull) from None
    except OSError as error:
        refuse_os_error(path, error)


def put_rows(source: lmdb.Transaction, fresh: GrowingMap, kept: Callable[[bytes], bool] = lambda db_key: True) -> None:
    """Append the rows of *source* that are *kept* to the empty file *fresh*, but not the mark of a killed compaction."""
    rows = ((db_key, value) for db_key, value in source.cursor() if bytes(db_key) != REPLACED and kept(bytes(db_key)))
    while part := list(_part(rows)):
        fresh.write(partial(_append, part))


def _append(rows: list[tuple[Buffer, Buffer]], transaction: lmdb.Transaction) -> None:
    transaction.cursor().putmulti(rows, append=True)


def _part(rows: Iterator[tuple[Buffer, Buffer]]) -> Iterator[tuple[Buffer, Buffer]]:
    """Yield the next rows, of PART bytes."""
    size = 0
    for row in rows:
        yield row
        size += len(row[0]) + len(row[1])
        if size >= PART:
            return


def _finish(fresh: GrowingMap, modes: Modes, change: Callable[[lmdb.Transaction], object]) -> None:
    """Make the last *change*, note the format, and sync the file."""

    def finish(transaction: lmdb.Transaction) -> None:
        change(transaction)
        put_format(transaction, FORMATS)

    fresh.write(finish)
    for made in (fresh.path, lock_of(fresh.path)):
        made.chmod(modes.file)
    fresh.env.sync(True)


def _outlives_a_drop(db_key: bytes) -> bool:
    return db_key[:1] == SEQUENCE or db_key in (COUNTERS, TERMS)


@contextlib.contextmanager
def _kept(file: NamespaceFile) -> Iterator[lmdb.Transaction | None]:
    """Read what a ``drop`` kept; None: nothing."""
    path = _dropped(file)
    if not is_there(path):
        yield None
        return
    with closing(open_reader(path)) as env, env.begin(buffers=True) as source:
        refuse_other_format(path, bytes(source.get(FORMAT_DB_KEY, b"")), FORMATS)
        yield source


def _dropped(file: NamespaceFile) -> Path:
    return file.path.with_name(DROPPED)
