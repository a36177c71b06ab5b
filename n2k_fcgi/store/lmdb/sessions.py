"""Sessions of the owner in a browser, and one-time codes to begin one.

``s`` + SHA-256 of a session's id -> begun, end, and the id of its token. ``o`` + SHA-256 of a code -> its end. Times are Unix
seconds, floats.
"""

from __future__ import annotations

import struct

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.sessions import Session
from n2k_fcgi.store.lmdb.layout import CODE, SESSION
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    import lmdb

    from n2k_fcgi.store.lmdb.volatile import VolatileFile

MOST = {SESSION: 64, CODE: 16}
"""More than these end the oldest: an owner has few browsers."""

_ROW = struct.Struct("<dd")
_END = struct.Struct("<d")


class Sessions:
    """Implements ``store.base.SessionStore``."""

    def __init__(self, file: VolatileFile) -> None:
        self._file = file

    def find(self, digest: bytes) -> Session | None:
        """See ``store.base.SessionStore``."""
        with self._file.read() as transaction:
            value = transaction.get(SESSION + digest)
            return None if value is None else _unpack(bytes(value))

    def add(self, digest: bytes, session: Session) -> None:
        """See ``store.base.SessionStore``."""
        self._file.write(lambda transaction: _add(transaction, digest, session))

    def end(self, digest: bytes) -> bool:
        """See ``store.base.SessionStore``."""
        return self._file.write(lambda transaction: bool(transaction.delete(SESSION + digest)))

    def end_all(self, now: float) -> int:
        """See ``store.base.SessionStore``."""

        def change(transaction: lmdb.Transaction) -> int:
            sessions = list(with_prefix(transaction, SESSION))
            for digest, _ in sessions:
                transaction.delete(SESSION + digest)
            for digest, _ in list(with_prefix(transaction, CODE)):
                transaction.delete(CODE + digest)
            return sum(_unpack(value).end > now for _, value in sessions)

        return self._file.write(change)

    def add_code(self, digest: bytes, now: float, end: float) -> None:
        """See ``store.base.SessionStore``."""

        def change(transaction: lmdb.Transaction) -> None:
            transaction.put(CODE + digest, _END.pack(end))
            ends = {each: _END.unpack(value)[0] for each, value in with_prefix(transaction, CODE)}
            _drop(transaction, CODE, ends, now=now, new=digest)

        self._file.write(change)

    def use_code(self, code: bytes, digest: bytes, session: Session, longest: float) -> bool:
        """See ``store.base.SessionStore``."""
        with self._file.read() as transaction:  # a guess costs one read, no write
            if transaction.get(CODE + code) is None:
                return False

        def change(transaction: lmdb.Transaction) -> bool:
            value = transaction.get(CODE + code)
            if value is None:
                return False
            (end,) = _END.unpack(bytes(value))
            transaction.delete(CODE + code)
            if not end - longest <= session.begun < end:
                return False
            _add(transaction, digest, session)
            return True

        return self._file.write(change)


def _add(transaction: lmdb.Transaction, digest: bytes, session: Session) -> None:
    transaction.put(SESSION + digest, _ROW.pack(session.begun, session.end) + session.token_id.encode())
    ends = {each: _unpack(value).end for each, value in with_prefix(transaction, SESSION)}
    _drop(transaction, SESSION, ends, now=session.begun, new=digest)


def _drop(transaction: lmdb.Transaction, prefix: bytes, ends: dict[bytes, float], *, now: float, new: bytes) -> None:
    """Delete what has ended by *now*, and what ends first of more than MOST; never *new*, whatever clock the others go by."""
    latest = sorted(ends, key=lambda each: (each == new, ends[each]))[-MOST[prefix] :]
    for each, end in ends.items():
        if end <= now or each not in latest:
            transaction.delete(prefix + each)


def _unpack(value: bytes) -> Session:
    begun, end = _ROW.unpack(value[: _ROW.size])
    return Session(value[_ROW.size :].decode(), begun, end)
