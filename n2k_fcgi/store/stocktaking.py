"""Comparing a data directory with ``store.inventory``: unknown and missing files, and wrong modes."""

import os
import stat
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.files import Modes
from n2k_fcgi.store.datadir import CURRENT, DATA_FILE, is_data_directory
from n2k_fcgi.store.inventory import FOLDERS, OF_A_GENERATION, TABLE, Check, files, fits


class Fault(Enum):
    """What is wrong with a file, in the words of ``n2k check``."""

    UNKNOWN = "does not belong to n2k"
    MISSING = "is missing"
    MODE = "has the wrong mode"


class Found(NamedTuple):
    """Something wrong with a file or folder."""

    path: str
    """Below the data directory."""
    fault: Fault
    advice: str = ""
    """'' for a file that does not belong to n2k: it is only reported."""


def is_of_log(path: Path, log: str | None) -> bool:
    """Whether *path* is *log*, the setting ``log_file`` as a path, or one of its rotated files."""
    return log is not None and str(path).startswith(log)


def examined(data_dir: Path, modes: Modes, log: str | None) -> Iterator[Found]:
    """Compare the directory with the table: unknown and missing files, and wrong modes. Read no file.

    Report nothing if it is not a data directory; opening it raises the error.
    """
    if not is_data_directory(data_dir):
        return
    present = set()
    for path, row in files(data_dir):
        name = path.relative_to(data_dir).as_posix()
        if row is not None:
            present.add(row.pattern)
            yield from _wrong_mode(path, name, row.access.mode(modes))
        elif not is_of_log(path, log):
            yield Found(name, Fault.UNKNOWN)
    for folder, _, _ in os.walk(data_dir):
        name = Path(folder).relative_to(data_dir).as_posix()
        if any(fits(name, pattern) for pattern in FOLDERS):
            yield from _wrong_mode(Path(folder), name, modes.directory)
    is_imported = f"{OF_A_GENERATION}/{DATA_FILE}" in present
    for row in TABLE:
        is_needed = row.check is Check.NEEDED or (is_imported and row.check is Check.NEEDED_WHEN_IMPORTED)
        if is_needed and row.pattern not in present:
            how = "run 'n2k generations use'" if row.pattern == CURRENT else "put a backup in its place, or run 'n2k init'"
            yield Found(row.pattern, Fault.MISSING, how)


def _wrong_mode(path: Path, name: str, wanted: int | None) -> Iterator[Found]:
    try:
        status = path.lstat()
    except FileNotFoundError:  # a running command removed it
        return
    if wanted is None or stat.S_ISLNK(status.st_mode):
        return
    mode = stat.S_IMODE(status.st_mode)
    if not mode & stat.S_IWUSR:  # its owner made it read-only
        wanted &= ~0o222
    if not wanted & stat.S_ISGID:  # inherited from the folder around it: harmless
        mode &= ~stat.S_ISGID
    if mode != wanted:
        yield Found(name, Fault.MODE, f"chmod {wanted:o}, it is {mode:o}")
