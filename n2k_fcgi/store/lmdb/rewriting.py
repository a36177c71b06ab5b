"""Replacing a writable file by a fresh one: the only way to remove deleted rows, which LMDB leaves in free pages."""

from collections.abc import Callable
from contextlib import closing
from itertools import islice

import lmdb

from n2k_fcgi.files import sync_folder
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.datadir import FRESH_SUFFIX
from n2k_fcgi.store.lmdb.empty_file import put_format
from n2k_fcgi.store.lmdb.environment import open_reader
from n2k_fcgi.store.lmdb.growing_map import GrowingMap
from n2k_fcgi.store.lmdb.lockfile import lock_of, reserve
from n2k_fcgi.store.lmdb.writable import WritableFile

ROWS_A_TRANSACTION = 10_000


def rewrite(file: WritableFile, copy: Callable[[lmdb.Transaction, bytes, bytes], None]) -> None:
    """Replace *file* by a fresh one that holds only what *copy* writes for each (db_key, value) of it.

    *copy* may run again for the same rows. Atomic and durable. Other processes notice within LOOK_EVERY seconds, and before
    they write. Raises StoreBusy, StoreFull.
    """
    path, fresh = file.path, file.path.with_suffix(FRESH_SUFFIX)
    with file.alone():
        for left in (fresh, lock_of(fresh)):  # of a killed rewrite
            left.unlink(missing_ok=True)
        reserve(fresh, file.modes)
        with closing(open_reader(path)) as old, closing(GrowingMap.open(fresh, file.modes, sync=Sync.ALWAYS)) as new:
            _copy(old, new, copy, file.formats)
        for made in (fresh, lock_of(fresh)):
            made.chmod(file.modes.file)
        # LMDB's lock file first: a reader of the fresh file with the old lock file would begin from the old file's last
        # transaction. No process can write meanwhile.
        lock_of(fresh).rename(lock_of(path))
        fresh.rename(path)
        sync_folder(path.parent)


def _copy(
    old: lmdb.Environment, new: GrowingMap, copy: Callable[[lmdb.Transaction, bytes, bytes], None], formats: range
) -> None:
    with old.begin() as source:
        all_rows = source.cursor().iternext()
        while rows := list(islice(all_rows, ROWS_A_TRANSACTION)):

            def put(transaction: lmdb.Transaction, rows: list[tuple[bytes, bytes]] = rows) -> None:
                for db_key, value in rows:
                    copy(transaction, db_key, value)
                put_format(transaction, formats)

            new.write(put)
