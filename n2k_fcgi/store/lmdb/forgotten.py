"""Tombstones of forgotten avatars, in captures.mdb: keyed digests, from which no name or key can be read.

``f`` + digest (16 bytes) -> JSON: ``when`` the group was first hidden; ``all``, the digests that were hidden with it and are
shown again with it; ``grids``, if it is hidden on these only. The row of the least digest of a group, its leader, lists all of
the group, the other rows only the leader and themselves: a key with a thousand names has a thousand digests. Rows of earlier
versions list the whole group each and have no ``grids``: they hide everywhere. A name's digest includes its grid.

The secret is in the same file (``mforgotten``): a digest reveals nothing without this file, and with it names and keys can
only be tried one by one.
"""

from __future__ import annotations

import os

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.named import NamedTuple
from n2k_fcgi.store.lmdb.json_text import parsed
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, FORGOTTEN, PURGED_KEY, SECRET_KEY, UNDONE_KEY
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import lmdb

    from n2k_fcgi.store.base import Binding, HiddenSet, Tombstone
    from n2k_fcgi.store.lmdb.writable import Moment, WritableFile

DIGEST_BYTES = 16
_SECRET_BYTES = 32
_SECRET = CAPTURE_META + SECRET_KEY
_UNDONE = CAPTURE_META + UNDONE_KEY
_PURGED = CAPTURE_META + PURGED_KEY


_ONLY_ON = b'"grids"'
"""Appears only in the row of a digest that is not hidden everywhere; all else is hexadecimal digits and a number."""
_NOWHERE: frozenset[str] = frozenset()


class Hidden:
    """A copy of all tombstones at one *moment* of the file. *digests*: each with its grids; None: on every grid."""

    def __init__(self, secret: bytes, digests: Mapping[bytes, frozenset[str] | None], moment: Moment) -> None:
        self.moment = moment
        self._secret = secret
        self._digests = digests

    def __bool__(self) -> bool:
        return bool(self._digests)

    def hides(self, key: bytes, grid: str, canonical: str) -> bool:
        """Whether this key is hidden on *grid*, or this name."""
        return self.hides_key(key, grid) or self.hides_name(grid, canonical)

    def hides_key(self, key: bytes, grid: str | None = None) -> bool:
        """Whether the key is hidden on *grid*; None: on any grid."""
        grids = self._digests.get(_of_key(self._secret, key), _NOWHERE)
        return grids is None or (bool(grids) if grid is None else grid in grids)

    def hides_everywhere(self, key: bytes) -> bool:
        """Whether the key is hidden on every grid."""
        return self._digests.get(_of_key(self._secret, key), _NOWHERE) is None

    def hides_name(self, grid: str, canonical: str) -> bool:
        """Whether this name is hidden."""
        return _of_name(self._secret, grid, canonical) in self._digests


class Forgotten:
    """Implements ``store.base.ForgottenStore`` in the file of the captures."""

    def __init__(self, file: WritableFile) -> None:
        self._file = file

    def hidden_among(self, bindings: Iterable[Binding]) -> set[Binding]:
        """Return those of *bindings* of which the key is hidden on that grid, or the name."""
        if self._file.get(_SECRET) is None:  # before the first ``forget``: the common case
            return set()
        with self._file.read() as transaction:
            secret = bytes(transaction.get(_SECRET) or b"")  # the file may have been replaced just now
            return {binding for binding in bindings if _hides(transaction, secret, binding)}

    def hidden_keys(self, keys: Iterable[bytes], grid: str | None) -> set[bytes]:
        """Return those of *keys* that are hidden on *grid*; None: on any grid."""
        with self._file.read() as transaction:
            secret = transaction.get(_SECRET)
            if secret is None:
                return set()
            return {key for key in keys if _hides_key(transaction, bytes(secret), key, grid)}

    def tombstones(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]]) -> list[Tombstone]:
        """See ``store.base.ForgottenStore``."""
        from n2k_fcgi.store.base import Tombstone  # late: for one command

        with self._file.read() as transaction:
            secret = bytes(transaction.get(_SECRET) or b"")
            if not secret:
                return []
            asked = [(_of_key(secret, key), Tombstone(0, key=key)) for key in keys]
            asked += [(_of_name(secret, *name), Tombstone(0, name=name)) for name in names]
            found = []
            for digest, tombstone in asked:
                value = transaction.get(FORGOTTEN + digest)
                if value is not None:
                    row = parsed(bytes(value).decode())
                    found.append(tombstone._replace(when=row["when"], grids=tuple(row["grids"]) if "grids" in row else None))
            return found

    def hidden(self, before: HiddenSet | None = None) -> HiddenSet:
        """Return a copy of all tombstones; *before* itself, an earlier result, when nothing was written since."""
        with self._file.read() as transaction:
            moment = self._file.moment(transaction)
            if isinstance(before, Hidden) and before.moment == moment:
                return before
            secret = transaction.get(_SECRET)
            rows = with_prefix(transaction, FORGOTTEN)
            digests = {digest: frozenset(parsed(row.decode())["grids"]) if _ONLY_ON in row else None for digest, row in rows}
            return Hidden(bytes(secret or b""), digests, moment)

    def secret(self) -> bytes:
        """Return the key of the digests; b'' before the first ``forget``."""
        with self._file.read() as transaction:
            return bytes(transaction.get(_SECRET) or b"")

    def count(self) -> int:
        """Count the groups that are hidden."""
        with self._file.read() as transaction:
            return len({parsed(value.decode())["all"][0] for _, value in with_prefix(transaction, FORGOTTEN)})

    def forget(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int, only: str | None = None) -> None:
        """See ``store.base.ForgottenStore``."""
        fresh, keys, names = os.urandom(_SECRET_BYTES), list(keys), list(names)

        def change(transaction: lmdb.Transaction) -> None:
            secret = bytes(transaction.get(_SECRET) or fresh)
            transaction.put(_SECRET, secret, overwrite=False)
            asked = {_of_key(secret, key) for key in keys} | {_of_name(secret, *name) for name in names}
            if only is not None:
                asked -= {digest for digest in asked if _is_everywhere(transaction, digest)}
            group = _group(transaction, asked)  # an earlier request, perhaps under another name
            when = _after_purge(transaction, now)
            for digest in asked:
                group[digest] = _hidden_on(group.get(digest), only, when)
            _put_group(transaction, group)

        self._file.write(change)

    def undo(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int, only: str | None = None) -> int | None:
        """See ``store.base.ForgottenStore``."""
        keys, names = list(keys), list(names)

        def change(transaction: lmdb.Transaction) -> int | None:
            secret = bytes(transaction.get(_SECRET) or b"")
            asked = {_of_key(secret, key) for key in keys} | {_of_name(secret, *name) for name in names}
            group = _group(transaction, asked)
            shown = {digest for digest, row in group.items() if only is None or only in (row.grids or ())}
            if not shown & asked:
                return None
            for digest in shown:
                transaction.delete(FORGOTTEN + digest)
            _put_group(transaction, {d: kept for d, row in group.items() if (kept := _without(row, only, d in shown))})
            _put_time(transaction, _UNDONE, now)
            when = min(row.when for row in group.values())
            if only in (None, PRODUCTION) and int(transaction.get(_PURGED) or 0) >= when:
                from n2k_fcgi.store.lmdb.reserved import release  # late: lookups only read

                release(transaction, keys)
            return when

        return self._file.write(change)

    def undone(self) -> int:
        """Return the time of the last ``undo``; 0: never."""
        return self._time(_UNDONE)

    def note_purge(self, now: int) -> None:
        """Store that a purge removes rows from now on."""
        self._file.write(lambda transaction: _put_time(transaction, _PURGED, _after_purge(transaction, now)))

    def purged(self) -> int:
        """Return when the last purge began; 0: never."""
        return self._time(_PURGED)

    def _time(self, db_key: bytes) -> int:
        with self._file.read() as transaction:
            return int(transaction.get(db_key) or 0)


def _after_purge(transaction: lmdb.Transaction, now: int) -> int:
    """*now*, but later than the last purge: of two events in one second, the order must be known."""
    return max(now, int(transaction.get(_PURGED) or 0) + 1)


def _put_time(transaction: lmdb.Transaction, db_key: bytes, now: int) -> None:
    transaction.put(db_key, str(now).encode())


def _hides(transaction: lmdb.Transaction, secret: bytes, binding: tuple[bytes, str, str]) -> bool:
    key, grid, canonical = binding
    name = FORGOTTEN + _of_name(secret, grid, canonical)
    return _hides_key(transaction, secret, key, grid) or transaction.get(name) is not None


def _hides_key(transaction: lmdb.Transaction, secret: bytes, key: bytes, grid: str | None) -> bool:
    row = transaction.get(FORGOTTEN + _of_key(secret, key))
    return row is not None and (grid is None or _ONLY_ON not in row or grid in parsed(bytes(row).decode())["grids"])


def _is_everywhere(transaction: lmdb.Transaction, digest: bytes) -> bool:
    row = transaction.get(FORGOTTEN + digest)
    return row is not None and _ONLY_ON not in row


class _Row(NamedTuple):
    """The tombstone of a digest."""

    when: int
    grids: frozenset[str] | None
    """Where it is hidden; None: everywhere."""


def _hidden_on(before: _Row | None, only: str | None, now: int) -> _Row:
    if before is None:
        return _Row(now, None if only is None else frozenset({only}))
    return before._replace(grids=None if only is None or before.grids is None else before.grids | {only})


def _without(row: _Row, only: str | None, is_shown: bool) -> _Row | None:
    """What is left of *row* when it *is_shown* again on the grid *only* (None: on every grid); None if nothing is."""
    if not is_shown:
        return row
    left = (row.grids or _NOWHERE) - {only} if only is not None else _NOWHERE
    return row._replace(grids=left) if left else None


def _group(transaction: lmdb.Transaction, digests: set[bytes]) -> dict[bytes, _Row]:
    """The groups of *digests*, with those of them that are hidden."""
    found: dict[bytes, _Row] = {}
    waiting = set(digests)
    while waiting:
        digest = waiting.pop()
        value = transaction.get(FORGOTTEN + digest)
        if value is not None:
            row = parsed(bytes(value).decode())
            found[digest] = _Row(row["when"], frozenset(row["grids"]) if "grids" in row else None)
            waiting |= {bytes.fromhex(text) for text in row["all"]} - found.keys()
    return found


def _put_group(transaction: lmdb.Transaction, group: dict[bytes, _Row]) -> None:
    """Write the rows of *group*; the least digest is its leader."""
    import json  # late: lookups only read

    ordered = [digest.hex() for digest in sorted(group)]
    when = min((row.when for row in group.values()), default=0)
    for digest, row in group.items():
        known = ordered if digest.hex() == ordered[0] else [ordered[0], digest.hex()]
        fields = {"when": when, "all": known}
        if row.grids is not None:
            fields["grids"] = sorted(row.grids)
        transaction.put(FORGOTTEN + digest, json.dumps(fields).encode())


def _of_key(secret: bytes, key: bytes) -> bytes:
    return _digest(secret, b"k" + key)


def _of_name(secret: bytes, grid: str, canonical: str) -> bytes:
    return _digest(secret, b"n%b\0%b" % (grid.encode(), canonical.encode()))


def _digest(secret: bytes, data: bytes) -> bytes:
    import hashlib  # late: OpenSSL takes 4 MB, and most stores have no tombstones

    return hashlib.blake2b(data, key=secret, digest_size=DIGEST_BYTES).digest()
