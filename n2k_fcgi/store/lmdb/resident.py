"""Resident memory: the pages of a map count as the process's own, and hosts end processes that hold too many."""

import os

IMPORT_RESIDENT = 80 * 1024 * 1024
"""Bytes above which an import gives the pages of its maps back."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """What a watchdog sees of this process, pages of its maps included; 0 where /proc does not tell."""
    try:
        fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return int(os.read(fd, 128).split()[1]) * _PAGE
    finally:
        os.close(fd)
