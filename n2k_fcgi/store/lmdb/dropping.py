"""Removing captures for good: the file is rewritten, since LMDB leaves what it deleted in free pages."""

from collections.abc import Callable

import lmdb

from n2k_fcgi.model.avatar import StoredCapture
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keeping import EVERYTHING, Keeping
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.base import HiddenSet
from n2k_fcgi.store.fields import cleaned
from n2k_fcgi.store.lmdb import reserved
from n2k_fcgi.store.lmdb.capture_rows import CaptureRows
from n2k_fcgi.store.lmdb.codec import unpack_captures
from n2k_fcgi.store.lmdb.layout import CAPTURE_KEY, CAPTURE_NAME, CREATED_GRID, RESERVED, TOKEN
from n2k_fcgi.store.lmdb.reserved import secret_of
from n2k_fcgi.store.lmdb.rewriting import rewrite
from n2k_fcgi.store.lmdb.tokens import cleaned_token
from n2k_fcgi.store.lmdb.writable import WritableFile


def drop_hidden(file: WritableFile, hidden: HiddenSet, without: Callable[[str], str], keeping: Keeping) -> int:
    """See ``Captures.drop_hidden``."""

    def keep(stored: StoredCapture) -> StoredCapture | None:
        return None if _is_hidden(stored, hidden) else keeping.kept(_shown(stored, hidden, without))

    def clean(db_key: bytes, value: bytes) -> bytes:
        return cleaned_token(db_key[1:].decode(), value, without) if db_key[:1] == TOKEN else value

    return _rewrite(file, keep, clean, keeping)


def drop_outdated(file: WritableFile, keeping: Keeping) -> int:
    """See ``Captures.drop_outdated``."""
    return _rewrite(file, keeping.kept, lambda db_key, value: value, keeping)


def drop_grid(file: WritableFile, grid: str) -> int:
    """See ``Captures.drop_grid``."""
    created = CREATED_GRID + grid.encode()
    return _rewrite(
        file,
        lambda stored: None if stored.capture.grid == grid else stored,
        lambda db_key, value: None if db_key == created else value,
    )


def _rewrite(
    file: WritableFile,
    keep: Callable[[StoredCapture], StoredCapture | None],
    other: Callable[[bytes, bytes], bytes | None],
    keeping: Keeping = EVERYTHING,
) -> int:
    """Rewrite *file* with the results of *keep* for captures and of *other* for other rows; None removes one.

    Captures that are outdated by *keeping* go, and their names in Second Life are reserved. Return how many were removed.
    """
    dropped: dict[bytes, int] = {}  # by key: rows may be copied again
    secret = secret_of(file) if keeping.since else b""

    def copy(transaction: lmdb.Transaction, db_key: bytes, value: bytes) -> None:
        if db_key[:1] == CAPTURE_KEY:
            key = db_key[1:]
            before = unpack_captures(key, value)
            kept = [made for made in map(keep, before) if made is not None]
            outdated = [stored for stored in kept if keeping.is_outdated(stored)]
            for name in _names_to_reserve(outdated):
                reserved.add(transaction, *reserved.row_of(secret, key, name))
            kept = [stored for stored in kept if stored not in outdated]
            dropped[key] = len(before) - len(kept)
            CaptureRows(transaction).put(key, kept)
        elif db_key[:1] == RESERVED:
            reserved.add(transaction, db_key, value)
        elif db_key[:1] != CAPTURE_NAME:  # written with their keys
            made = other(db_key, value)
            if made is not None:
                transaction.put(db_key, made)

    rewrite(file, copy)
    return sum(dropped.values())


def _names_to_reserve(outdated: list[StoredCapture]) -> set[str]:
    """The canonical names of Second Life that a key has or had; on other grids a name may pass to another key."""
    of_second_life = (stored for stored in outdated if stored.capture.grid == PRODUCTION)
    return {canonical(name) for capture, former in of_second_life for name in (capture.name, *(n for n, _ in former))}


def _is_hidden(stored: StoredCapture, hidden: HiddenSet) -> bool:
    capture = stored.capture
    return hidden.hides(capture.key, capture.grid, canonical(capture.name))


def _shown(stored: StoredCapture, hidden: HiddenSet, without: Callable[[str], str]) -> StoredCapture:
    capture = stored.capture._replace(source=cleaned(stored.capture.source, without))
    former = [n for n in stored.former if not hidden.hides(capture.key, capture.grid, canonical(n[0]))]
    return StoredCapture(capture, former)
