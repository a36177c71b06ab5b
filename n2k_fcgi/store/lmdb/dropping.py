"""Removing captures for good: the file is rewritten, since LMDB leaves what it deleted in free pages."""

from collections.abc import Callable

import lmdb

from n2k_fcgi.model.avatar import StoredCapture
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.base import HiddenSet
from n2k_fcgi.store.fields import cleaned
from n2k_fcgi.store.lmdb.capture_rows import CaptureRows
from n2k_fcgi.store.lmdb.codec import unpack_captures
from n2k_fcgi.store.lmdb.layout import CAPTURE_KEY, CAPTURE_NAME, CREATED_GRID, TOKEN
from n2k_fcgi.store.lmdb.rewriting import rewrite
from n2k_fcgi.store.lmdb.tokens import cleaned_token
from n2k_fcgi.store.lmdb.writable import WritableFile


def drop_hidden(file: WritableFile, hidden: HiddenSet, without: Callable[[str], str]) -> int:
    """See ``Captures.drop_hidden``."""

    def keep(stored: StoredCapture) -> StoredCapture | None:
        return None if _is_hidden(stored, hidden) else _shown(stored, hidden, without)

    def clean(db_key: bytes, value: bytes) -> bytes:
        return cleaned_token(db_key[1:].decode(), value, without) if db_key[:1] == TOKEN else value

    return _rewrite(file, keep, clean)


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
) -> int:
    """Rewrite *file* with the results of *keep* for captures and of *other* for other rows; None removes one.

    Return how many captures were removed.
    """
    dropped: dict[bytes, int] = {}  # by key: rows may be copied again

    def copy(transaction: lmdb.Transaction, db_key: bytes, value: bytes) -> None:
        if db_key[:1] == CAPTURE_KEY:
            key = db_key[1:]
            before = unpack_captures(key, value)
            kept = [made for made in map(keep, before) if made is not None]
            dropped[key] = len(before) - len(kept)
            CaptureRows(transaction).put(key, kept)
        elif db_key[:1] != CAPTURE_NAME:  # written with their keys
            made = other(db_key, value)
            if made is not None:
                transaction.put(db_key, made)

    rewrite(file, copy)
    return sum(dropped.values())


def _is_hidden(stored: StoredCapture, hidden: HiddenSet) -> bool:
    capture = stored.capture
    return hidden.hides(capture.key, capture.grid, canonical(capture.name))


def _shown(stored: StoredCapture, hidden: HiddenSet, without: Callable[[str], str]) -> StoredCapture:
    capture = stored.capture._replace(source=cleaned(stored.capture.source, without))
    former = [n for n in stored.former if not hidden.hides(capture.key, capture.grid, canonical(n[0]))]
    return StoredCapture(capture, former)
