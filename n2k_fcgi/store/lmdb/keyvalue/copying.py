"""Compact copies of a namespace, read for as long as the reader likes: no transaction of the namespace waits for it."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import lmdb

from n2k_fcgi.errors import N2KError, NoSuchNamespace, StoreFull, StoreReadOnly, StoreUnreadable
from n2k_fcgi.files import PRIVATE, open_new, refuse_os_error, refuse_when_low, try_lock
from n2k_fcgi.store.datadir import COPY_SUFFIX
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.environment import damaged, open_environment, open_reader, reason
from n2k_fcgi.store.lmdb.growing_map import FIRST_MAP, GrowingMap
from n2k_fcgi.store.lmdb.keyvalue.file import NamespaceFile
from n2k_fcgi.store.lmdb.keyvalue.replacing import SPARE, in_our_words, put_rows


@contextlib.contextmanager
def copied(file: NamespaceFile, target: Path | None) -> Iterator[lmdb.Transaction]:
    """Read a compact copy of *file* at *target*, which is made with mode 0600 and removed at the end.

    Without *target* it is beside *file*, where the next such copy removes it if this process is killed; in the folder for
    temporary files (TMPDIR) if that disk is full or cannot be written. Raises NamespaceFull, NoSuchNamespace,
    StoreUnreadable if *target* exists.
    """
    made = _made(file, target) if target else _made_somewhere(file)
    with made as path, closing(open_reader(path)) as env, env.begin(buffers=True) as transaction:
        try:
            yield transaction
        except (lmdb.Error, BadValue) as error:
            raise damaged(file.path, reason(error)) from None


@contextlib.contextmanager
def _made_somewhere(file: NamespaceFile) -> Iterator[Path]:
    """A copy beside *file*, or else in the folder for temporary files."""
    name = f"{os.urandom(8).hex()}{COPY_SUFFIX}"
    with contextlib.ExitStack() as stack:
        try:
            _remove_unused(file.path.parent)
            path = stack.enter_context(_made(file, file.path.with_name(name)))
        except (StoreFull, StoreReadOnly, StoreUnreadable) as refusal:
            try:
                path = stack.enter_context(_made(file, Path(tempfile.gettempdir()) / f"n2k-{name}"))
            except (OSError, N2KError):  # OSError: there is no such folder
                raise refusal from None
        yield path


@contextlib.contextmanager
def _made(file: NamespaceFile, target: Path) -> Iterator[Path]:
    """A copy at *target*, locked as long as it is in use."""
    try:
        fd = open_new(target, PRIVATE.file)
    except FileNotFoundError:  # its folder: the namespace was never made
        raise NoSuchNamespace(namespace=file.name) from None
    except OSError as error:
        refuse_os_error(target, error)
    try:
        if not try_lock(fd) or not os.fstat(fd).st_nlink:
            raise StoreUnreadable(path=target, why="another process took it for the copy of a killed one")
        with in_our_words(target):
            refuse_when_low(target.parent, file.used_bytes() + SPARE)
            unlocked = open_environment(target, map_size=FIRST_MAP, sync=False, lock=False, mode=PRIVATE.file)
            with closing(GrowingMap(target, unlocked)) as fresh, file.read() as source:
                put_rows(source, fresh)
        yield target
    finally:
        target.unlink(missing_ok=True)
        os.close(fd)


def _remove_unused(folder: Path) -> None:
    """Remove copies of processes that were killed: no process holds their lock."""
    for path in folder.glob(f"*{COPY_SUFFIX}"):
        with contextlib.suppress(OSError), path.open("rb") as left:
            if try_lock(left.fileno()):
                path.unlink()
