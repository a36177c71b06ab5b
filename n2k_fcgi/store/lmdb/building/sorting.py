"""Batches become the sorted lines of both indexes, in this process.

A *name line* is a canonical name and a record of 18 bytes (origin, key, form); a *key line* is a key of 16 bytes and a packed
spelling (origin, length, spelling): what ``codec`` packs one by one is packed in bulk here.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from struct import Struct

from n2k_fcgi.model.batch import Batch, separate
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.renderings import forms_of
from n2k_fcgi.store.lmdb.building.dealing import Dealt
from n2k_fcgi.store.lmdb.building.runs import Range, Runs
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.codec import NAME_RECORD

NAME_CUT = -NAME_RECORD
KEY_CUT = KEY_BYTES

_KEYS = Struct(f"{KEY_BYTES}s")
_RECORDS = Struct(f"{NAME_RECORD}s")
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
        names, records = separate(batch.canonicals), records_of(batch.keys, batch.origins, forms_of(batch) or b"")
        if names and self._names.goes_on(names):
            self._names.add_in_order(names, records)
        else:
            self._names.add(_lines(names, chain.from_iterable(_RECORDS.iter_unpack(records))))

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


def records_of(keys: bytes, origins: bytes, forms: bytes) -> bytes:
    """Return the records of name lines, joined: byte after byte of all rows at once, without a step per row.

    *origins*, *forms*: a byte of each row; empty: 0 of all.
    """
    records = bytearray(len(keys) // KEY_BYTES * NAME_RECORD)
    if origins:
        records[::NAME_RECORD] = origins
    for at in range(KEY_BYTES):
        records[1 + at :: NAME_RECORD] = keys[at::KEY_BYTES]
    if forms:
        records[1 + KEY_BYTES :: NAME_RECORD] = forms
    return bytes(records)


def _lines(*columns: Iterable[bytes]) -> list[bytes]:
    """Return the rows of columns, each in one piece: faster than adding column after column."""
    return list(map(b"".join, zip(*columns, strict=True)))
