"""A batch of rows as a few long byte strings: cheap to make in bulk, and cheap to hand to another process."""

from collections.abc import Iterable
from typing import NamedTuple

from n2k_fcgi.model.keys import KEY_BYTES


class Batch(NamedTuple):
    """Rows of one chunk of a dump, in its order."""

    keys: bytes
    """16 bytes each."""
    spellings: bytes
    """Each ended by a line feed, which no name holds."""
    canonicals: bytes
    """The same of the canonical names."""
    origins: bytes
    """The origin number of each row, one byte; empty when all rows are of the dump's own grid and time, number 0."""

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.keys) // KEY_BYTES


def together(batches: Iterable[Batch]) -> Batch:
    """One batch of several, in their order."""
    parts = list(batches)
    numbers = b""
    if any(batch.origins for batch in parts):
        numbers = b"".join(batch.origins or bytes(batch.rows) for batch in parts)
    keys, spellings, canonicals = (b"".join(batch[column] for batch in parts) for column in range(3))
    return Batch(keys, spellings, canonicals, numbers)


def joined(words: list[bytes]) -> bytes:
    """Words in a batch's form."""
    return b"\n".join([*words, b""])


def separate(words: bytes) -> list[bytes]:
    """The reverse of ``joined``."""
    separated = words.split(b"\n")
    separated.pop()
    return separated
