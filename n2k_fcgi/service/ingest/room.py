"""Free space on the disk for an import, checked before it starts."""

from pathlib import Path

from n2k_fcgi.errors import StoreFull
from n2k_fcgi.files import RESERVE, free_bytes
from n2k_fcgi.service.dumps.reading import Dump

PLAIN_FACTOR, PACKED_FACTOR = 2, 5
"""Bytes that an import takes at least, spills and the new generation together, for a byte of a plain or packed dump.

Measured on a W-Hat-shaped dump of 10,000,000 rows (make bench-import): 2.7 for a byte of it plain, 6.2 as bz2. Less is
asked for, because other dumps repeat themselves more.
"""


def refuse_without_room(folder: Path, dump: Dump) -> None:
    """Raise StoreFull when the disk cannot hold what this dump becomes; a pipe's size is not known beforehand."""
    factor = PLAIN_FACTOR if dump.kind == "plain" else PACKED_FACTOR
    needed = RESERVE + (dump.size or 0) * factor
    free = free_bytes(folder)
    if free < needed:
        raise StoreFull(path=folder, why=f"{free // 1_000_000} MB are free, about {needed // 1_000_000} MB are needed")
