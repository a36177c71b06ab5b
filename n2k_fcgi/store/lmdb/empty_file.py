"""A writable file as it begins: with its format, and nothing else."""

from __future__ import annotations

from contextlib import closing

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.files import refuse_os_error, sync_folder
from n2k_fcgi.store.datadir import FRESH_SUFFIX
from n2k_fcgi.store.lmdb.environment import open_environment
from n2k_fcgi.store.lmdb.growing_map import LEAST_MAP, GrowingMap
from n2k_fcgi.store.lmdb.layout import CAPTURE_FORMATS, CAPTURE_META, FORMAT_KEY
from n2k_fcgi.store.lmdb.lockfile import lock_of

if TYPE_CHECKING:
    from pathlib import Path

    import lmdb

    from n2k_fcgi.files import Modes

FORMAT_DB_KEY = CAPTURE_META + FORMAT_KEY


def put_format(transaction: lmdb.Transaction, formats: range = CAPTURE_FORMATS) -> None:
    """Store the newest of *formats* as the file's."""
    transaction.put(FORMAT_DB_KEY, str(formats[-1]).encode())


def put_empty(path: Path, modes: Modes, formats: range) -> None:
    """Put an empty file in the place of *path*, for the holder of its writers' queue. Raises StoreFull, StoreUnreadable.

    By one rename: a process that opens it just then, or after a crash, finds a file that has its format.
    """
    fresh = path.with_suffix(FRESH_SUFFIX)
    try:
        fresh.unlink(missing_ok=True)  # of a killed process
        with closing(GrowingMap(fresh, open_environment(fresh, lock=False, map_size=LEAST_MAP, mode=modes.file))) as made:
            made.write(lambda transaction: put_format(transaction, formats))
        fresh.chmod(modes.file)
        lock_of(path).unlink(missing_ok=True)  # its numbers are those of another file
        fresh.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        refuse_os_error(path, error)
    finally:
        fresh.unlink(missing_ok=True)
