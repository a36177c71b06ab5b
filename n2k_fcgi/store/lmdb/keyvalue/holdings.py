"""Every row of a namespace that has a text of its users, for a search: entries of all overlays, the log, sequences."""

from collections.abc import Iterator

import lmdb

from n2k_fcgi.store.keyvalue import Holding, Spot
from n2k_fcgi.store.lmdb.keyvalue.file import NamespaceFile
from n2k_fcgi.store.lmdb.keyvalue.overlays import dropped
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    HEADER_SIZE,
    LIVE,
    LOG,
    OVERLAY,
    SEQUENCE,
    VALUE,
    VALUE_OF,
    unpack_change,
    unpack_live,
)

STRETCH_BYTES = 1 << 20
"""Bytes of rows that are read in one transaction; one row may be larger."""

_PREFIXES = (VALUE_OF, LOG, SEQUENCE, VALUE)

Row = tuple[bytes, bytes]


def holdings(file: NamespaceFile) -> Iterator[Holding]:
    """See ``store.keyvalue.NamespaceStore``."""
    for prefix in _PREFIXES:
        first: bytes | None = prefix
        while first is not None:
            with file.read() as transaction:
                rows, first = _stretch(transaction, prefix, first)
                live, gone = transaction.get(LIVE), dropped(transaction)
                overlay = 0 if live is None else unpack_live(live).overlay
            yield from (held for row in rows if (held := _holding(*row, overlay, gone)) is not None)


def _stretch(transaction: lmdb.Transaction, prefix: bytes, first: bytes) -> tuple[list[Row], bytes | None]:
    """Rows from *first* on, and where the next ones begin; None: that was all."""
    cursor = transaction.cursor()
    rows: list[Row] = []
    size = 0
    more = cursor.set_range(first)
    while more and cursor.key()[: len(prefix)] == prefix:
        if size >= STRETCH_BYTES:
            return rows, bytes(cursor.key())
        rows.append((bytes(cursor.key()), bytes(cursor.value())))
        size += len(rows[-1][0]) + len(rows[-1][1])
        more = cursor.next()
    return rows, None


def _holding(db_key: bytes, value: bytes, live: int, gone: list[int]) -> Holding | None:
    """What a row holds; None: nothing, since its overlay is *gone*. *live*: the overlay that is seen."""
    kind = db_key[:1]
    if kind == LOG:
        return Holding(Spot.LOG, unpack_change(db_key, value).key)
    if kind == SEQUENCE:
        return Holding(Spot.SEQUENCE, db_key[1:])
    overlay, key = (0, db_key[1:]) if kind == VALUE else (OVERLAY.unpack(db_key[1:3])[0], db_key[3:])
    if overlay in gone:
        return None
    return Holding(Spot.ENTRY if overlay == live else Spot.LATER, key, value[HEADER_SIZE:])
