"""Batches become the sorted lines of both indexes, in this process.

A *name line* is a canonical name and a record of 18 bytes (origin, key, form); a *key line* is a key of 16 bytes and a packed
spelling (origin, length, spelling): what ``codec`` packs one by one is packed in bulk here.
"""

from collections.abc import Iterator
from itertools import chain
from operator import add
from pathlib import Path
from struct import Struct

from n2k_fcgi.model.batch import Batch, separate
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.renderings import NameForm, forms_of
from n2k_fcgi.store.lmdb.building.runs import Range, Runs
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.codec import NAME_RECORD

NAME_CUT = -NAME_RECORD
KEY_CUT = KEY_BYTES

_KEYS = Struct(f"{KEY_BYTES}s")
_FORMS = [bytes((form,)) for form in NameForm]
_RENDERED = _FORMS[NameForm.RENDERED]
_OWN = [bytes((0, length)) for length in range(256)]


class Sorting:
    """Sorts batches by name and by key, with spill files in *folder*. Raises OSError."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self._names = Runs(folder / "names.spill", NAME_CUT, sizes)
        self._keys = Runs(folder / "keys.spill", KEY_CUT, sizes)

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        names, keys = name_and_key_lines(batch)
        self._names.add(names)
        self._keys.add(keys)

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


def name_and_key_lines(batch: Batch) -> tuple[list[bytes], list[bytes]]:
    """Return the name lines and the key lines of a batch, in its order."""
    forms = forms_of(batch)
    keys = list(chain.from_iterable(_KEYS.iter_unpack(batch.keys)))
    records = [key + _RENDERED for key in keys] if forms is None else list(map(add, keys, map(_FORMS.__getitem__, forms)))
    spellings = separate(batch.spellings)
    if batch.origins:
        numbers = [bytes((number,)) for number in batch.origins]
        names = list(map(add, separate(batch.canonicals), numbers))
        packed = [b"%b%c%b" % (number, len(name), name) for number, name in zip(numbers, spellings, strict=True)]
    else:
        names = separate(batch.canonicals.replace(b"\n", b"\0\n"))
        packed = [_OWN[len(name)] + name for name in spellings]
    return list(map(add, names, records)), list(map(add, keys, packed))
