"""Files of a web folder, read and replaced by rename, so that no request ever meets half a file."""

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.files import NEW_SUFFIX, replacement

LARGEST = 1024 * 1024
"""Bytes of a file that is read: rules and scripts have some KB."""


class Written(NamedTuple):
    """One file, and whether it had to be written."""

    path: Path
    changed: bool


def content(path: Path) -> bytes:
    """What *path* holds. Raises OSError, also for what is no file, and for a file above LARGEST.

    Whoever can put a pipe or a device in a file's place could have us wait for ever, or read until no memory is left.
    """
    # A pipe opened so is there at once, with nobody at its other end.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        held = file.read(LARGEST + 1)
    if len(held) > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST} bytes", str(path))
    return held


def read(path: Path) -> bytes | None:
    """``content``; None: it is not there."""
    try:
        return content(path)
    except FileNotFoundError:
        return None


def put(path: Path, before: bytes | None, content: bytes, mode: int) -> Written:
    """Have *path*, which holds *before*, hold *content* with *mode*; replaced only when it differs. Raises OSError."""
    if before == content:
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
        return Written(path, False)
    beside = path.with_name(f"{path.name}.{os.getpid()}{NEW_SUFFIX}")  # a name that no file of the site has
    with replacement(path, mode, beside=beside) as file:
        file.write(content)
    return Written(path, True)
