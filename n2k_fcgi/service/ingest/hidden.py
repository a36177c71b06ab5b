"""Rows of avatars that asked to be forgotten do not get into another generation."""

from itertools import compress

from n2k_fcgi.model.batch import Batch, joined, separate
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.store.base import HiddenSet


def without_hidden(batch: Batch, hidden: HiddenSet, origins: OriginTable) -> Batch:
    """*batch* without them. Costs two digests a row, so ask first whether there is anybody to hide."""
    names = separate(batch.canonicals)
    keys = [batch.keys[at : at + KEY_BYTES] for at in range(0, len(batch.keys), KEY_BYTES)]
    numbers = batch.origins or bytes(len(keys))
    shown = [
        not hidden.hides(key, origins.grid(number), name.decode())
        for key, number, name in zip(keys, numbers, names, strict=True)
    ]
    if all(shown):
        return batch
    return Batch(
        b"".join(compress(keys, shown)),
        joined(list(compress(separate(batch.spellings), shown))),
        joined(list(compress(names, shown))),
        bytes(compress(batch.origins, shown)) if batch.origins else b"",
    )
