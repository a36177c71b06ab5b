"""Who asked to be forgotten, kept in captures.mdb as keyed digests: nobody can read names or keys out of them.

``f`` + digest (16 bytes) -> JSON, so that undoing one undoes all that was hidden together: ``when`` first; ``all``, the digests
of the group in the row of its leader, who is named first, and in the others' rows only leader and digest (a key of a thousand
names has a thousand digests); ``grids``, when it is hidden on these only. A row without ``grids`` hides everywhere, as all
did in earlier versions, whose rows name the whole group each. A name's digest has its grid in it anyway.

The secret lies beside them (``mforgotten``): a digest tells nothing to who does not have this very file, and who has it can
only try names and keys one by one.
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import lmdb

from n2k_fcgi.store.base import Binding, HiddenSet
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, FORGOTTEN, PURGED_KEY, SECRET_KEY, UNDONE_KEY
from n2k_fcgi.store.lmdb.writable import Moment, WritableFile, with_prefix

DIGEST_BYTES = 16
_SECRET_BYTES = 32
_SECRET = CAPTURE_META + SECRET_KEY
_UNDONE = CAPTURE_META + UNDONE_KEY
_PURGED = CAPTURE_META + PURGED_KEY


_ONLY_ON = b'"grids"'
"""What only the row of a digest that is not hidden everywhere has in it; the rest is hexadecimal digits and a number."""
_NOWHERE: frozenset[str] = frozenset()


class Hidden:
    """A copy of all digests at one *moment* of the file, for work on many rows. *digests*: each with its grids, None: all."""

    def __init__(self, secret: bytes, digests: Mapping[bytes, frozenset[str] | None], moment: Moment) -> None:
        self.moment = moment
        self._secret = secret
        self._digests = digests

    def __bool__(self) -> bool:
        return bool(self._digests)

    def hides(self, key: bytes, grid: str, canonical: str) -> bool:
        """Whether this avatar, or whoever has this name, asked to be forgotten."""
        return self.hides_key(key, grid) or self.hides_name(grid, canonical)

    def hides_key(self, key: bytes, grid: str | None = None) -> bool:
        """Whether the avatar with *key* asked to be forgotten on *grid*; None: on whatever grid."""
        grids = self._digests.get(_of_key(self._secret, key), _NOWHERE)
        return grids is None or (bool(grids) if grid is None else grid in grids)

    def hides_everywhere(self, key: bytes) -> bool:
        """Whether the avatar with *key* asked to be forgotten on every grid."""
        return self._digests.get(_of_key(self._secret, key), _NOWHERE) is None

    def hides_name(self, grid: str, canonical: str) -> bool:
        """Whether whoever has this name asked to be forgotten."""
        return _of_name(self._secret, grid, canonical) in self._digests


class Forgotten:
    """Implements ``store.base.ForgottenStore`` over the file behind the captures."""

    def __init__(self, file: WritableFile) -> None:
        self._file = file

    def hidden_among(self, bindings: Iterable[Binding]) -> set[Binding]:
        """Return those of *bindings* of which the key is hidden on that grid, or the name."""
        with self._file.read() as transaction:
            secret = transaction.get(_SECRET)
            if secret is None:  # before the first ``forget``: the common case
                return set()
            return {binding for binding in bindings if _hides(transaction, bytes(secret), *binding)}

    def hidden_keys(self, keys: Iterable[bytes], grid: str | None) -> set[bytes]:
        """Return those of *keys* that are hidden on *grid*; None: on any grid."""
        with self._file.read() as transaction:
            secret = transaction.get(_SECRET)
            if secret is None:
                return set()
            return {key for key in keys if _hides_key(transaction, bytes(secret), key, grid)}

    def hidden(self, before: HiddenSet | None = None) -> HiddenSet:
        """All of them, as they are now; *before* itself, which this gave earlier, when nothing was written since."""
        with self._file.read() as transaction:
            moment = self._file.moment(transaction)
            if isinstance(before, Hidden) and before.moment == moment:
                return before
            secret = transaction.get(_SECRET)
            rows = with_prefix(transaction, FORGOTTEN)
            digests = {digest: frozenset(json.loads(row)["grids"]) if _ONLY_ON in row else None for digest, row in rows}
            return Hidden(bytes(secret or b""), digests, moment)

    def secret(self) -> bytes:
        """What the digests are keyed with; b'' before anybody asked."""
        with self._file.read() as transaction:
            return bytes(transaction.get(_SECRET) or b"")

    def count(self) -> int:
        """How many requests to be forgotten are in force."""
        with self._file.read() as transaction:
            return len({json.loads(value)["all"][0] for _, value in with_prefix(transaction, FORGOTTEN)})

    def forget(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int, only: str | None = None) -> None:
        """Hide *keys* and *names*, (grid, canonical), together, from every process's next look on; on the disk then.

        *only*: the keys on this grid alone. What is hidden everywhere stays so, and with those that it was hidden with.
        """
        fresh, keys, names = os.urandom(_SECRET_BYTES), list(keys), list(names)

        def change(transaction: lmdb.Transaction) -> None:
            secret = bytes(transaction.get(_SECRET) or fresh)
            transaction.put(_SECRET, secret, overwrite=False)
            asked = {_of_key(secret, key) for key in keys} | {_of_name(secret, *name) for name in names}
            if only is not None:
                asked -= {digest for digest in asked if _is_everywhere(transaction, digest)}
            group = _group(transaction, asked)  # asked for again, perhaps under another name
            when = _after_purge(transaction, now)
            for digest in asked:
                group[digest] = _hidden_on(group.get(digest), only, when)
            _put_group(transaction, group)

        self._file.write(change)

    def undo(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int, only: str | None = None) -> int | None:
        """Show again what was hidden together with any of these; give when that was asked for first, None: nothing was.

        *only*: what was hidden on this grid alone; who is hidden everywhere stays so.
        """
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
            return min(row.when for row in group.values())

        return self._file.write(change)

    def undone(self) -> int:
        """When somebody was last shown again; 0: never. What was imported before that may lack rows of theirs."""
        return self._time(_UNDONE)

    def note_purge(self, now: int) -> None:
        """Remember that a purge takes rows out from now on."""
        self._file.write(lambda transaction: _put_time(transaction, _PURGED, _after_purge(transaction, now)))

    def purged(self) -> int:
        """When a purge last began; 0: never."""
        return self._time(_PURGED)

    def _time(self, db_key: bytes) -> int:
        with self._file.read() as transaction:
            return int(transaction.get(db_key) or 0)


def _after_purge(transaction: lmdb.Transaction, now: int) -> int:
    """*now*, but behind the last purge: which of two that fall into one second was first must be told."""
    return max(now, int(transaction.get(_PURGED) or 0) + 1)


def _put_time(transaction: lmdb.Transaction, db_key: bytes, now: int) -> None:
    transaction.put(db_key, str(now).encode())


def _hides(transaction: lmdb.Transaction, secret: bytes, key: bytes, grid: str, canonical: str) -> bool:
    name = FORGOTTEN + _of_name(secret, grid, canonical)
    return _hides_key(transaction, secret, key, grid) or transaction.get(name) is not None


def _hides_key(transaction: lmdb.Transaction, secret: bytes, key: bytes, grid: str | None) -> bool:
    row = transaction.get(FORGOTTEN + _of_key(secret, key))
    return row is not None and (grid is None or _ONLY_ON not in row or grid in json.loads(bytes(row))["grids"])


def _is_everywhere(transaction: lmdb.Transaction, digest: bytes) -> bool:
    row = transaction.get(FORGOTTEN + digest)
    return row is not None and _ONLY_ON not in row


class _Row(NamedTuple):
    """What is known of a digest."""

    when: int
    grids: frozenset[str] | None
    """Where it is hidden; None: everywhere."""


def _hidden_on(before: _Row | None, only: str | None, now: int) -> _Row:
    if before is None:
        return _Row(now, None if only is None else frozenset({only}))
    return before._replace(grids=None if only is None or before.grids is None else before.grids | {only})


def _without(row: _Row, only: str | None, is_shown: bool) -> _Row | None:
    """What stays of *row* when it *is_shown* on *only* again, None: everywhere."""
    if not is_shown:
        return row
    left = (row.grids or _NOWHERE) - {only} if only is not None else _NOWHERE
    return row._replace(grids=left) if left else None


def _group(transaction: lmdb.Transaction, digests: set[bytes]) -> dict[bytes, _Row]:
    """All that was hidden together with any of *digests*, these among it where they are hidden."""
    found: dict[bytes, _Row] = {}
    waiting = set(digests)
    while waiting:
        digest = waiting.pop()
        value = transaction.get(FORGOTTEN + digest)
        if value is not None:
            row = json.loads(bytes(value))
            found[digest] = _Row(row["when"], frozenset(row["grids"]) if "grids" in row else None)
            waiting |= {bytes.fromhex(text) for text in row["all"]} - found.keys()
    return found


def _put_group(transaction: lmdb.Transaction, group: dict[bytes, _Row]) -> None:
    """Write the rows of *group*, the least digest being its leader."""
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
    import hashlib  # late: OpenSSL takes 4 MB, and most directories have nobody to hide

    return hashlib.blake2b(data, key=secret, digest_size=DIGEST_BYTES).digest()
