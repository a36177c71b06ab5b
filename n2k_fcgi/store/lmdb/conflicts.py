"""Conflicts, the latest ones, for the owner to look at.

``c`` + grid, NUL, canonical name, NUL, rejected key -> JSON: spelling, holder, first and last seen, count, origin.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.lmdb.json_text import parsed
from n2k_fcgi.store.lmdb.layout import CONFLICT
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    import lmdb

    from n2k_fcgi.store.lmdb.volatile import VolatileFile

MOST = 1000
"""How many conflicts are kept."""


class Conflicts:
    """Implements ``store.base.ConflictStore``."""

    def __init__(self, file: VolatileFile) -> None:
        self._file = file

    def note(self, conflicts: Iterable[Conflict]) -> None:
        """Store conflicts; one that is stored already is counted once more."""
        new = list(conflicts)

        def change(transaction: lmdb.Transaction) -> None:
            for conflict in new:
                db_key = CONFLICT + _identity(conflict)
                value = transaction.get(db_key)
                known = None if value is None else _unpack(db_key[1:], bytes(value))
                transaction.put(db_key, _pack(_again(known, conflict)))
            _drop_oldest(transaction)

        if new:
            self._file.write(change)

    def conflicts(self) -> list[Conflict]:
        """Return all, the latest first."""
        with self._file.read() as transaction:
            found = [_unpack(identity, value) for identity, value in with_prefix(transaction, CONFLICT)]
        return sorted(found, key=lambda conflict: -conflict.last_seen)


def _again(known: Conflict | None, now: Conflict) -> Conflict:
    if known is None:
        return now
    return now._replace(first_seen=known.first_seen, times_seen=known.times_seen + now.times_seen)


def _drop_oldest(transaction: lmdb.Transaction) -> None:
    rows = list(with_prefix(transaction, CONFLICT))
    if len(rows) > MOST:
        for _, identity in sorted((parsed(value.decode())["last"], identity) for identity, value in rows)[: len(rows) - MOST]:
            transaction.delete(CONFLICT + identity)


def _identity(conflict: Conflict) -> bytes:
    return b"%b\0%b\0%b" % (conflict.grid.encode(), canonical(conflict.name).encode(), conflict.key)


def _pack(conflict: Conflict) -> bytes:
    row = {
        "name": conflict.name,
        "holder": conflict.holder.hex(),
        "first": conflict.first_seen,
        "last": conflict.last_seen,
        "count": conflict.times_seen,
        "origin": conflict.provenance,
    }
    import json  # late: reading needs none

    return json.dumps(row, ensure_ascii=False).encode()


def _unpack(identity: bytes, value: bytes) -> Conflict:
    row = parsed(value.decode())
    grid = identity.partition(b"\0")[0].decode()
    key, holder = identity[-KEY_BYTES:], bytes.fromhex(row["holder"])
    return Conflict(row["name"], grid, holder, key, row["first"], row["last"], row["count"], Provenance(row["origin"]))
