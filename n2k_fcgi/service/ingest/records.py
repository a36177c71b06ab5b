"""Batches become the lines of the two sorted indexes: what ``store.lmdb.codec`` packs one by one, packed in bulk.

A *name line* is a canonical name and a record of 17 bytes (origin, key); a *key line* is a key of 16 bytes and a packed
spelling (origin, length, spelling).
"""

from itertools import chain
from operator import add
from struct import Struct

from n2k_fcgi.model.batch import Batch, separate
from n2k_fcgi.model.keys import KEY_BYTES

NAME_CUT = -KEY_BYTES - 1
KEY_CUT = KEY_BYTES

_KEYS = Struct(f"{KEY_BYTES}s")
_OWN = [bytes((0, length)) for length in range(256)]


def name_and_key_lines(batch: Batch) -> tuple[list[bytes], list[bytes]]:
    """The lines of a batch, in its order."""
    keys = list(chain.from_iterable(_KEYS.iter_unpack(batch.keys)))
    spellings = separate(batch.spellings)
    if batch.origins:
        numbers = [bytes((number,)) for number in batch.origins]
        names = list(map(add, separate(batch.canonicals), numbers))
        packed = [b"%b%c%b" % (number, len(name), name) for number, name in zip(numbers, spellings, strict=True)]
    else:
        names = separate(batch.canonicals.replace(b"\n", b"\0\n"))
        packed = [_OWN[len(name)] + name for name in spellings]
    return list(map(add, names, keys)), list(map(add, keys, packed))
