"""Files of a web folder: read safely, and replaced by rename, so that no request reads an incomplete file."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from n2k_fcgi.files import NEW_SUFFIX, replacement

LARGEST = 1024 * 1024
"""The most bytes that are read of a file: rules and scripts have some KB."""


class Written(NamedTuple):
    """One file, and whether it had to be written."""

    path: Path
    changed: bool


def regular(path: Path, *, is_link_followed: bool = True) -> BinaryIO:
    """Open *path* for reading. Raises OSError, also if it is not a regular file: a pipe or device could block us forever."""
    # O_NONBLOCK: opening a pipe returns at once, also without a writer.
    more = os.O_NONBLOCK | (0 if is_link_followed else os.O_NOFOLLOW)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | more))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def content(path: Path, *, is_link_followed: bool = True) -> bytes:
    """The content of *path*. Raises OSError, also if it is no regular file, or larger than LARGEST."""
    with regular(path, is_link_followed=is_link_followed) as file:
        held = file.read(LARGEST + 1)
    if len(held) > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST} bytes", str(path))
    return held


def read(path: Path, *, is_link_followed: bool = True) -> bytes | None:
    """``content``; None: the file does not exist."""
    try:
        return content(path, is_link_followed=is_link_followed)
    except FileNotFoundError:
        return None


def put(path: Path, before: bytes | None, content: bytes, mode: int) -> Written:
    """Give *path*, whose content is *before*, this *content* and *mode*; replace it only if it differs. Raises OSError."""
    if before == content:
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
        return Written(path, False)
    with replacement(path, mode, beside=beside(path)) as file:
        file.write(content)
    return Written(path, True)


def beside(path: Path) -> Path:
    """Where this process writes *path* before its rename: not the name of a file of the site."""
    return path.with_name(f"{path.name}.{os.getpid()}{NEW_SUFFIX}")


def is_file(path: Path) -> bool:
    """Whether it is a regular file, and no link to one."""
    return path.is_file() and not path.is_symlink()


def folder_for(path: Path) -> None:
    """Make the folder of *path*, and the one above, if they are missing; a web server may enter them. Raises OSError."""
    for folder in (path.parent.parent, path.parent):
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o755)  # whatever the umask is


def touch(path: Path) -> None:
    """Make *path*, or give it the time of now. Raises OSError."""
    folder_for(path)
    if read(path) is None:
        put(path, None, b"", 0o644)
    os.utime(path)
