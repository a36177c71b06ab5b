"""Building a dataset: sorted, appended to a file of its own in bounded memory, sealed, and put in place by one rename."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import lmdb

from n2k_fcgi.errors import DatasetExists
from n2k_fcgi.files import Modes, open_new, refuse_os_error, sync_folder, try_lock
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.store.datadir import DATASET_SUFFIX, FRESH_SUFFIX
from n2k_fcgi.store.keyvalue import Dataset
from n2k_fcgi.store.lmdb.empty_file import put_format
from n2k_fcgi.store.lmdb.environment import is_there, open_environment
from n2k_fcgi.store.lmdb.growing_map import FIRST_MAP, GrowingMap
from n2k_fcgi.store.lmdb.keyvalue.dataset import DatasetFile
from n2k_fcgi.store.lmdb.keyvalue.replacing import PART, in_our_words
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    COUNTERS,
    FORMATS,
    HEADER_SIZE,
    LARGEST,
    NUMBER,
    VALUE,
    Counters,
    expiry_key,
    pack_counters,
    pack_entry,
    unpack_entry,
)
from n2k_fcgi.store.lmdb.keyvalue.sorting import Row, sorted_rows
from n2k_fcgi.store.lmdb.sealing import seal


def build(folder: Path, name: str, entries: Iterable[Entry], modes: Modes) -> Dataset:
    """Make the dataset *name* of *entries* in *folder*, on the disk when this returns; of several with one key the last.

    Nothing is there under its name before it is whole. Raises DatasetExists, NamespaceFull, StoreUnreadable.
    """
    path = folder / f"{name}{DATASET_SUFFIX}"
    _make(folder, modes)
    with _unfinished(path, modes) as fresh, in_our_words(fresh):
        rows = ((entry.key, pack_entry(entry._replace(version=0))) for entry in entries)
        with sorted_rows(rows, folder) as ordered:
            _write(fresh, ordered)
        seal(fresh)
        fresh.rename(path)
        sync_folder(folder)
    return DatasetFile(path).described()


def _make(folder: Path, modes: Modes) -> None:
    try:
        folder.mkdir(mode=modes.directory)
        folder.chmod(modes.directory)
        sync_folder(folder.parent)
    except FileExistsError:
        return
    except OSError as error:
        refuse_os_error(folder, error)


@contextlib.contextmanager
def _unfinished(path: Path, modes: Modes) -> Iterator[Path]:
    """The file that becomes *path*, locked as long as it is written; that of a killed build is replaced."""
    fresh = path.with_name(path.stem + FRESH_SUFFIX)
    taken = _opened(fresh, modes)
    try:
        if taken is None or is_there(path):
            raise DatasetExists(dataset=path.stem)
        yield fresh
    finally:
        if taken is not None:
            fresh.unlink(missing_ok=True)
            os.close(taken)


def _opened(fresh: Path, modes: Modes) -> int | None:
    """Make the file and lock it; None: another process is building it."""
    try:
        with contextlib.suppress(FileNotFoundError), fresh.open("rb") as left:
            if not try_lock(left.fileno()):
                return None
            fresh.unlink(missing_ok=True)
        fd = open_new(fresh, modes.file)
    except FileExistsError:  # made just now by another process
        return None
    except OSError as error:
        refuse_os_error(fresh, error)
    if not try_lock(fd):
        os.close(fd)
        return None
    return fd


@dataclass
class _Found:
    """What the rows come to."""

    counters: Counters
    largest: int = 0
    """Bytes of the longest value."""


def _write(fresh: Path, rows: Iterator[Row]) -> None:
    """Write the rows of a dataset to the empty file *fresh*."""
    found = _Found(Counters())
    with closing(GrowingMap(fresh, open_environment(fresh, map_size=FIRST_MAP, sync=False, lock=False))) as file:
        for first in rows:
            part = list(_part(chain([first], rows), found))
            file.write(partial(_append, part))

        def finish(transaction: lmdb.Transaction) -> None:
            transaction.put(COUNTERS, pack_counters(found.counters))
            transaction.put(LARGEST, NUMBER.pack(found.largest))
            put_format(transaction, FORMATS)

        file.write(finish)
        file.env.sync(True)


def _part(rows: Iterator[Row], found: _Found) -> Iterator[tuple[Row, int]]:
    """Yield the next rows, of PART bytes, each with the time when it expires, and count them."""
    part, counters = 0, found.counters
    for key, row in rows:
        entry = unpack_entry(key, row, value=False)
        size = len(key) + len(row) - HEADER_SIZE
        counters.keys += 1
        counters.bytes += size
        found.largest = max(found.largest, len(row) - HEADER_SIZE)
        counters.last_id = max(counters.last_id, entry.id)
        yield (key, row), entry.expires
        part += size
        if part >= PART:
            return


def _append(part: list[tuple[Row, int]], transaction: lmdb.Transaction) -> None:
    transaction.cursor().putmulti([(VALUE + key, row) for (key, row), _ in part], append=True)
    for (key, row), expires in part:
        if expires:
            transaction.put(expiry_key(expires, key), NUMBER.pack(len(key) + len(row) - HEADER_SIZE))
