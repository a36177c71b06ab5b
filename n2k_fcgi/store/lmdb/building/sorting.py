"""Batches become the sorted lines of both indexes, in this process.

A *name line* is a canonical name and a record of 17 bytes (origin, key); a *key line* is a key of 16 bytes and a packed
spelling (origin, length, spelling): what ``codec`` packs one by one is packed in bulk here.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path
from struct import Struct

from n2k_fcgi.model.batch import Batch, separate
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.store.lmdb.building.dealing import Dealt
from n2k_fcgi.store.lmdb.building.runs import Range, Runs
from n2k_fcgi.store.lmdb.building.sizes import Sizes

NAME_CUT = -KEY_BYTES - 1
KEY_CUT = KEY_BYTES

_KEYS = Struct(f"{KEY_BYTES}s")
_OWN = [bytes((0, length)) for length in range(256)]


class Sorting:
    """Sorts batches by name and by key, with spill files in *folder*. Raises OSError."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self._names = Runs(folder / "names.spill", NAME_CUT, sizes)
        self._keys = Dealt(folder / "keys.spill", KEY_CUT, sizes)

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        keys = list(chain.from_iterable(_KEYS.iter_unpack(batch.keys)))
        spellings = separate(batch.spellings)
        lengths = map(len, spellings)
        heads = map(bytes, zip(batch.origins, lengths, strict=True)) if batch.origins else map(_OWN.__getitem__, lengths)
        self._keys.add(_lines(keys, heads, spellings))
        self._add_names(separate(batch.canonicals), batch.origins, keys)

    def _add_names(self, names: list[bytes], origins: bytes, keys: list[bytes]) -> None:
        numbers = [bytes((number,)) for number in origins] or repeat(b"\0", len(keys))
        if not names or not self._names.goes_on(names):
            self._names.add(_lines(names, numbers, keys))
        elif origins:
            self._names.add_in_order(names, b"".join(_lines(numbers, keys)))
        else:
            self._names.add_in_order(names, b"\0" + b"\0".join(keys))

    def keys(self) -> Iterator[Range]:
        """Yield all key lines, once; their file is removed then."""
        yield from self._keys.ranges()
        self._keys.close()

    def names(self) -> Iterator[Range]:
        """Yield all name lines, once; their file is removed then."""
        yield from self._names.ranges()
        self._names.close()

    def close(self) -> None:
        """Remove the files that are left."""
        self._names.close()
        self._keys.close()


def _lines(*columns: Iterable[bytes]) -> list[bytes]:
    """Return the rows of columns, each in one piece: faster than adding column after column."""
    return list(map(b"".join, zip(*columns, strict=True)))
