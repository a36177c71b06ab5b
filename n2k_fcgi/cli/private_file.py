"""A file for its owner's eyes that never replaces another one, and of which a killed run leaves nothing to read."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from n2k_fcgi.errors import WouldOverwrite
from n2k_fcgi.files import PRIVATE, open_new, refuse_os_error, sync_folder, try_lock
from n2k_fcgi.store.datadir import PART_SUFFIX

_UNFINISHED = ".n2k-about-"
"""How the name begins that an unfinished file has where there are none without a name."""


@contextlib.contextmanager
def new_private_file(path: Path) -> Iterator[BinaryIO]:
    """A file of mode 0600 that appears as *path* when the block ends well, and is on the disk then; else there is none.

    Until then it has no name, so that it ends with this process. Where the system has no such files, the next call for a
    file in that folder removes what a killed one has left. Raises WouldOverwrite if *path* exists by then, StoreFull,
    StoreUnreadable.
    """
    if os.path.lexists(path):  # before the work
        raise WouldOverwrite(path=path)
    try:
        _remove_unfinished(path.parent)
        with _unfinished(path.parent) as (fd, place), os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(fd)
            _publish(place, path)
    except OSError as error:
        refuse_os_error(path, error)
    sync_folder(path.parent)


@contextlib.contextmanager
def _unfinished(folder: Path) -> Iterator[tuple[int, Path]]:
    """A new file in *folder*, to be closed by the caller: its descriptor, and the path that leads to it. Raises OSError."""
    fd = _without_name(folder)
    if fd is not None:
        yield fd, _path_of(fd)
        return
    path = folder / f"{_UNFINISHED}{secrets.token_hex(8)}{PART_SUFFIX}"
    fd = open_new(path, PRIVATE.file)
    try:
        try_lock(fd)  # while it is written, nobody takes it for what a killed run has left
        yield fd, path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _without_name(folder: Path) -> int | None:
    """A file without a name, that can be given one; None: the file system has none, or /proc is missing."""
    try:
        fd = os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, PRIVATE.file)
    except (OSError, AttributeError):  # a file with a name fails, too, where the reason is another
        return None
    if not _path_of(fd).exists():
        os.close(fd)
        return None
    os.fchmod(fd, PRIVATE.file)  # the umask may have taken a part
    return fd


def _path_of(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}")


def _publish(place: Path, path: Path) -> None:
    """Give the file at *place* its name, which a link never takes from another file. Raises WouldOverwrite, OSError."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # With a folder's descriptor Python calls linkat(2), which follows the link in /proc; link(2) does not.
        os.link(place, path.name, dst_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        raise WouldOverwrite(path=path) from None
    except OSError:
        if place.parent != path.parent:
            raise
        if os.path.lexists(path):
            raise WouldOverwrite(path=path) from None
        place.rename(path)  # a file system without links
    finally:
        os.close(folder)


def _remove_unfinished(folder: Path) -> None:
    """Remove what killed runs of this user have left in *folder*."""
    try:
        names = os.listdir(folder)
    except PermissionError:  # it can be written but not read
        return
    for path in [folder / name for name in names if name.startswith(_UNFINISHED) and name.endswith(PART_SUFFIX)]:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                status = os.fstat(fd)
                if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and try_lock(fd):
                    path.unlink()
            finally:
                os.close(fd)
