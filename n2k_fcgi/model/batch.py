"""A batch of rows as a few long byte strings: cheap to make in bulk, and cheap to pass to another process."""

from collections.abc import Callable, Iterable
from itertools import compress
from typing import NamedTuple

from n2k_fcgi.model.keys import KEY_BYTES


class Batch(NamedTuple):
    """Rows of one chunk of a dump, in its order."""

    keys: bytes
    """16 bytes each."""
    spellings: bytes
    """Each ended by a line feed, which no name contains."""
    canonicals: bytes
    """The canonical names, in the same form."""
    origins: bytes
    """The origin number of each row, one byte (``model.origins``); empty when all rows have number 0."""

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.keys) // KEY_BYTES


def together(batches: Iterable[Batch]) -> Batch:
    """Concatenate batches, in their order."""
    parts = list(batches)
    numbers = b""
    if any(batch.origins for batch in parts):
        numbers = b"".join(batch.origins or bytes(batch.rows) for batch in parts)
    keys, spellings, canonicals = (b"".join(batch[column] for batch in parts) for column in range(3))
    return Batch(keys, spellings, canonicals, numbers)


def filtered(batch: Batch, is_kept: Callable[[bytes, int, bytes], bool]) -> Batch:
    """Return the rows of *batch* whose key, origin number and canonical name *is_kept* accepts."""
    names = separate(batch.canonicals)
    keys = [batch.keys[at : at + KEY_BYTES] for at in range(0, len(batch.keys), KEY_BYTES)]
    kept = list(map(is_kept, keys, batch.origins or bytes(len(keys)), names))
    if all(kept):
        return batch
    return Batch(
        b"".join(compress(keys, kept)),
        joined(list(compress(separate(batch.spellings), kept))),
        joined(list(compress(names, kept))),
        bytes(compress(batch.origins, kept)) if batch.origins else b"",
    )


def joined(words: list[bytes]) -> bytes:
    """Words in a batch's form."""
    return b"\n".join([*words, b""])


def separate(words: bytes) -> list[bytes]:
    """The reverse of ``joined``."""
    separated = words.split(b"\n")
    separated.pop()
    return separated
