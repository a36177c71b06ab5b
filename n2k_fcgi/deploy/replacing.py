"""Files of a web folder, read and replaced by rename, so that no request ever meets half a file."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Written(NamedTuple):
    """One file, and whether it had to be written."""

    path: Path
    changed: bool


def read(path: Path) -> bytes | None:
    """What *path* holds; None: it is not there. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def put(path: Path, before: bytes | None, content: bytes, mode: int) -> Written:
    """Have *path*, which holds *before*, hold *content* with *mode*; replaced only when it differs. Raises OSError."""
    if before == content:
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
        return Written(path, False)
    with _taking_the_place_of(path) as fd, os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)
        file.write(content)
        file.flush()
        os.fsync(fd)
    return Written(path, True)


@contextlib.contextmanager
def _taking_the_place_of(path: Path) -> Iterator[int]:
    """A new file beside *path*, renamed over it when the block ends well."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield fd
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
