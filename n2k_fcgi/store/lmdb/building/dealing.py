"""Sorting rows with random db_keys of one length, more than fit into memory: a radix sort on the disk, first byte first.

Lines (see ``runs``) are dealt by one byte of their db_key into 256 parts and written in the order in which they came. Later
a part is read as a whole, dealt by its next byte, and sorted a few dozen lines at a time, which fit into the processor's
cache. Nothing is sorted twice, as by merging sorted runs.
"""

import marshal
from array import array
from collections.abc import Iterator
from itertools import chain
from operator import itemgetter
from pathlib import Path

from n2k_fcgi.store.lmdb.building.runs import MARSHAL, Range
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.building.spill import Spill

PARTS = 256
FEW = 1024
"""Lines that are sorted without being dealt once more."""


class Dealt:
    """Collects lines (``add``), then yields them sorted (``ranges``), then is closed.

    Lines of one db_key are returned in the order in which they were added. *length*: bytes of a db_key. *alike*: what all
    of them begin with; lines are dealt by the next byte. Raises OSError if the disk is full or fails.
    """

    def __init__(self, path: Path, length: int, sizes: Sizes, *, alike: bytes = b"") -> None:
        self._path = path
        self._length = length
        self._sizes = sizes
        self._alike = alike
        self._db_key = itemgetter(slice(None, length))
        self._value = itemgetter(slice(length, None))
        self._pending: list[bytes] = []
        self._rows = [0] * PARTS
        self._places: list[array[int]] = []
        """For each time that lines were written, the offsets of its parts in the file, and of their end."""
        self._spill = Spill(path, 0)

    def add(self, lines: list[bytes]) -> None:
        """Add lines; ``run_rows`` of them or more are written together."""
        self._pending += lines
        if len(self._pending) >= self._sizes.run_rows:
            self._write()

    def _write(self) -> None:
        parts = _deal(self._pending, len(self._alike))
        self._pending = []
        packed = [marshal.dumps(part, MARSHAL) for part in parts]
        places = array("q", [self._spill.end])
        for number, part in enumerate(parts):
            self._rows[number] += len(part)
            places.append(places[-1] + len(packed[number]))
        self._spill.append(b"".join(packed))
        self._places.append(places)

    def ranges(self) -> Iterator[Range]:
        """Yield everything in order, from the empty db_key to the end, without a gap; one range at least. No ``add`` follows.

        A range has ``range_rows`` and up to ``FEW`` or a 256th part of ``part_rows`` more, unless keys are alike or repeated.
        """
        first = b""
        db_keys: list[bytes] = []
        values: list[bytes] = []
        for bound, lines in self._pieces():
            if len(db_keys) >= self._sizes.range_rows:
                yield Range(first, bound, db_keys, values)
                first, db_keys, values = bound, [], []
            lines.sort(key=self._db_key)
            db_keys += map(self._db_key, lines)
            values += map(self._value, lines)
        yield Range(first, None, db_keys, values)

    def _pieces(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """Yield lines in pieces: no db_key is below the piece's bound, all of earlier ones are."""
        self._write()
        next_byte = len(self._alike) + 1
        for number, rows in enumerate(self._rows):
            bound = self._alike + bytes((number,))
            if rows <= FEW or next_byte == self._length:
                if rows:
                    yield bound, list(self._part(number))
            elif rows <= self._sizes.part_rows:
                dealt = _deal(list(self._part(number)), next_byte)
                yield from ((bound + bytes((byte,)), few) for byte, few in enumerate(dealt) if few)
            else:
                yield from self._deeper(number)

    def _deeper(self, number: int) -> Iterator[tuple[bytes, list[bytes]]]:
        """The same for a part that is too large for memory: it is dealt on the disk, by the first byte that differs in it."""
        least, most = min(self._part(number)), max(self._part(number))
        at = next((place for place in range(self._length) if least[place] != most[place]), self._length - 1)
        path = self._path.with_name(f"{at}.{self._path.name}")
        deeper = Dealt(path, self._length, self._sizes, alike=least[:at])
        try:
            for lines in self._blocks(number):
                deeper.add(lines)
            yield from deeper._pieces()
        finally:
            deeper.close()

    def _blocks(self, number: int) -> Iterator[list[bytes]]:
        """Read the lines of a part, as they were written."""
        for places in self._places:
            lines = marshal.loads(self._spill.read(places[number], places[number + 1]))
            if lines:
                yield lines

    def _part(self, number: int) -> Iterator[bytes]:
        """The same line by line."""
        return chain.from_iterable(self._blocks(number))

    def close(self) -> None:
        """Close and remove the file."""
        self._spill.close()


def _deal(lines: list[bytes], at: int) -> list[list[bytes]]:
    """Return the lines by their byte *at*, in order of it, those of one in the order in which they came."""
    dealt: list[list[bytes]] = [[] for _ in range(PARTS)]
    for line in lines:
        dealt[line[at]].append(line)
    return dealt
