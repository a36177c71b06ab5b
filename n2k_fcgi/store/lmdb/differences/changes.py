"""What the join finds, as lines by key: rows of the dump that are not live as they are, and keys that the dump lacks.

A line is a key of 16 bytes, one byte of ``Kind``, and what that kind has.
"""

from enum import Enum
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.store.lmdb.building.runs import Runs
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.building.spill import IN_MEMORY

CAME = Struct(">cIB")
"""Kind, place, number of the origin; the spelling follows."""

_AT = Struct(">cI")


class Kind(bytes, Enum):
    """What a line says of its key."""

    GONE = b"g"
    """The dump does not have its live name, or one of the replaced grid."""
    CAME = b"c"
    """A row of the dump: its place in the dump (4 bytes), number of its origin (1), spelling."""
    LATE = b"l"
    """A row that came after names above it had been compared; as CAME."""
    SHARED = b"s"
    """A row of a name that several keys have, in the dump or live; as CAME."""
    MARK = b"m"
    """The row at a place, which is a line already, is SHARED too."""
    CONFIRMED = b"i"
    """The place of the row that has its live name."""


class Line(NamedTuple):
    """A row of the dump."""

    place: int
    origin: int
    spelling: bytes
    kind: Kind
    """CAME, LATE or SHARED."""


class Changes:
    """Collects lines."""

    def __init__(self, path: Path, sizes: Sizes) -> None:
        self.runs = Runs(path, KEY_BYTES, sizes, memory=IN_MEMORY)
        self._lines: list[bytes] = []
        self._most = sizes.block_rows

    def came(self, key: bytes, row: Line) -> None:
        """Add a row of the dump."""
        self._add(key + CAME.pack(row.kind.value, row.place, row.origin) + row.spelling)

    def at(self, key: bytes, kind: Kind, place: int) -> None:
        """Add a MARK or CONFIRMED."""
        self._add(key + _AT.pack(kind.value, place))

    def gone(self, keys: list[bytes]) -> None:
        """Add keys that are GONE."""
        self._lines += [key + Kind.GONE.value for key in keys]

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) >= self._most:
            self.flush()

    def flush(self) -> None:
        """Hand over what was collected."""
        self.runs.add(self._lines)
        self._lines = []


class Found(NamedTuple):
    """All lines of one key."""

    rows: list[Line]
    """In the order of the dump."""
    is_gone: bool
    confirmed: int | None
    """The place of the row that has its live name, where that is known."""


def found_in(values: list[bytes]) -> Found:
    """Read the lines of one key, without the key."""
    rows, marked, is_gone, confirmed = [], set(), False, None
    for value in values:
        kind = Kind(value[:1])
        if kind is Kind.GONE:
            is_gone = True
        elif kind in (Kind.MARK, Kind.CONFIRMED):
            place = _AT.unpack(value)[1]
            if kind is Kind.MARK:
                marked.add(place)
            else:
                confirmed = place
        else:
            _, place, origin = CAME.unpack_from(value)
            rows.append(Line(place, origin, value[CAME.size :], kind))
    rows.sort()
    return Found([row._replace(kind=Kind.SHARED) if row.place in marked else row for row in rows], is_gone, confirmed)
