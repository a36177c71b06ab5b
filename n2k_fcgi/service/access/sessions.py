"""Sessions of the owner in a browser: begun with an admin token or a one-time code, ended by log-out, time, or revoking.

A session's id has 256 random bits, a code 80; only their digests are stored. The id is in a cookie, and the form token, which
every form of the session repeats, is a digest that only the id leads to: whoever knows one form token knows no id.
"""

from __future__ import annotations

import os
import time

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import TokenNeeded, TokenNotEnough
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.sessions import Session
from n2k_fcgi.named import NamedTuple
from n2k_fcgi.service.access.tokens import verify_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2k_fcgi.store.base import SessionStore, TokenStore

CODE_SECONDS = 600
"""For which a code may be used."""

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""32 of letters and digits: no two look alike."""

_CODE_LETTERS = 16
_IN_A_GROUP = 4


class NewSession(NamedTuple):
    """A session with its id, which is not stored anywhere."""

    session: Session
    id: str
    """64 hexadecimal digits."""


class Sessions:
    """*seconds*: how long a session lasts."""

    def __init__(
        self, store: SessionStore, tokens: TokenStore, *, seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._seconds = seconds
        self._clock = clock

    def begin(self, token: str) -> NewSession:
        """Begin a session with the text of an admin token. Raises TokenNeeded, TokenNotEnough."""
        found = verify_token(self._tokens, token, Scope.ADMIN)
        if found.grid is not None:
            raise TokenNotEnough(why="it is for one grid")
        new = self._new(found.id)
        self._store.add(_digest(new.id), new.session)
        return new

    def begin_by_code(self, code: str) -> NewSession:
        """Begin a session with a code, which is used up. Raises TokenNeeded: none, an old or a used one."""
        new = self._new("")
        if not self._store.use_code(_digest(_plain(code)), _digest(new.id), new.session, CODE_SECONDS):
            raise TokenNeeded
        return new

    def make_code(self) -> str:
        """Return a new code, in groups of four letters. It begins one session, within CODE_SECONDS."""
        letters = [_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(_CODE_LETTERS)]
        now = self._clock()
        self._store.add_code(_digest("".join(letters)), now, now + CODE_SECONDS)
        return "-".join("".join(letters[at : at + _IN_A_GROUP]) for at in range(0, _CODE_LETTERS, _IN_A_GROUP))

    def find(self, id: str) -> Session | None:
        """Return the session that lasts, None if there is none. One whose token was revoked ends here."""
        if not _is_id(id):
            return None
        digest = _digest(id)
        session = self._store.find(digest)
        # A clock that was set back must not make sessions longer than they are.
        if session is None or not session.begun - self._seconds <= self._clock() < session.end:
            return None
        if session.token_id:
            token = self._tokens.find(session.token_id)
            if token is None or token.revoked:
                self._store.end(digest)
                return None
        return session

    def end(self, id: str) -> None:
        """End a session; idempotent."""
        if _is_id(id):
            self._store.end(_digest(id))

    def end_all(self) -> int:
        """End every session and code; return how many sessions lasted until now."""
        return self._store.end_all(self._clock())

    def _new(self, token_id: str) -> NewSession:
        now = self._clock()
        return NewSession(Session(token_id, now, now + self._seconds), os.urandom(32).hex())


def form_token(id: str) -> str:
    """Return what the forms of the session *id* repeat."""
    import hashlib
    import hmac  # late: lookups have no forms

    return hmac.new(bytes.fromhex(id), b"form of n2k", hashlib.sha256).hexdigest()


def is_form_token(id: str, given: str) -> bool:
    """Whether *given* is the form token of the session *id*."""
    import hmac

    return hmac.compare_digest(form_token(id).encode(), given.encode("utf-8", "replace"))


def _digest(secret: str) -> bytes:
    import hashlib  # late: as above

    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _plain(code: str) -> str:
    """Return a code as it is stored, however it was typed: in small letters, with other gaps."""
    return "".join(letter for letter in code.upper() if letter.isalnum())


def _is_id(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")
