"""The overlays of a namespace, each with a number that is in the db_keys of its rows, so that no row is ever moved.

One is live. Others are parked until their dataset is live again, or dropped: nobody reads their rows any more, and later writes
remove them bit by bit. So a flush and a swap take no longer for more rows.
"""

import struct
from collections.abc import Iterator

import lmdb

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.keyvalue.rows import DROPPED, MOST_OVERLAYS, OVERLAY, PARKED, Parked, prefixes_of, unpack_parked
from n2k_fcgi.store.lmdb.writable import with_prefix


def has_rows(transaction: lmdb.Transaction, overlay: int) -> bool:
    """Whether an overlay has rows, be they of entries that have expired or tombstones."""
    return next(with_prefix(transaction, prefixes_of(overlay).values), None) is not None


def parked(transaction: lmdb.Transaction) -> Iterator[tuple[str, Parked]]:
    """Yield the name of each dataset that is not live and has an overlay, with it."""
    for name, row in with_prefix(transaction, PARKED):
        yield name.decode(), unpack_parked(row)


def dropped(transaction: lmdb.Transaction) -> list[int]:
    """Return the numbers of the dropped overlays that have rows left. Raises BadValue."""
    try:
        return [OVERLAY.unpack(number)[0] for number, _ in with_prefix(transaction, DROPPED)]
    except struct.error:
        raise BadValue("the number of a dropped overlay cannot be read") from None


def drop(transaction: lmdb.Transaction, overlay: int) -> None:
    """Let the rows of an overlay be removed by later sweeps."""
    if has_rows(transaction, overlay):
        transaction.put(DROPPED + OVERLAY.pack(overlay), b"")


def sweep(transaction: lmdb.Transaction, limit: int) -> None:
    """Remove up to *limit* rows of dropped overlays."""
    for overlay in dropped(transaction):
        values, _, expiry = prefixes_of(overlay)
        for prefix in (expiry, values):
            cursor = transaction.cursor()
            more = cursor.set_range(prefix)
            while limit and more and cursor.key()[: len(prefix)] == prefix:
                more = cursor.delete()
                limit -= 1
        if not limit:
            return
        transaction.delete(DROPPED + OVERLAY.pack(overlay))


def free_number(transaction: lmdb.Transaction, *, preferred: int = 0) -> int:
    """Return *preferred* or the least number, which no parked or dropped overlay has. The live one is one of them, or empty.

    Raises BadRequest.
    """
    used = {each.overlay for _, each in parked(transaction)} | set(dropped(transaction))
    if preferred not in used:
        return preferred
    number = next(number for number in range(MOST_OVERLAYS + 1) if number not in used)
    if number == MOST_OVERLAYS:
        raise BadRequest(why=f"a namespace keeps the later writes of {MOST_OVERLAYS} datasets at most: drop some with --fresh")
    return number
