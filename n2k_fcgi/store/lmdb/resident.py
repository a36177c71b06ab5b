"""Resident memory: the pages of a map count as the process's own, and hosts kill processes that hold too many."""

import os

IMPORT_RESIDENT = 80 * 1024 * 1024
"""Bytes above which a command that reads or writes many rows releases the pages of its maps."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Return the resident memory of this process, with the pages of its maps; 0 if /proc cannot be read."""
    try:
        fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return int(os.read(fd, 128).split()[1]) * _PAGE
    finally:
        os.close(fd)
