"""Names that begin so, in order, forwards or backwards, a page at a time.

The order is that of canonical names in UTF-8. A page ends between two names, never between two avatars of one name, so the
last name that was looked at is all that the next page needs to know. Of those who asked to be forgotten no cursor tells.
"""

from typing import NamedTuple

from n2k_fcgi.errors import BadName, BadRequest
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.names import LONGEST_TEXT, canonical
from n2k_fcgi.service.directory.cursors import SEALED, seal, unseal
from n2k_fcgi.service.directory.lookup import View

MOST_AVATARS = 1000
"""Avatars of one page."""

MOST_SCANNED = 2000
"""Names looked at for one page: where few match (a small grid, say) it ends early, with a cursor to go on from.

So it does where names have many keys, or keys many names (``lookup.MOST_ROWS``)."""

MOST_HIDDEN = 5000
"""Names of those who asked to be forgotten that one page passes over. They do not count otherwise: where pages end must not
tell that such a name is there. Beyond, the page ends at a position that only we can read."""

_STEP = 200
_BEHIND_ALL = b"\xff"
"""No UTF-8 has this byte."""


class Page(NamedTuple):
    """One page of a search."""

    names: list[tuple[str, list[Avatar]]]
    """Canonical name, and the avatars that are called so now."""
    next: str | None
    """The cursor of the next page, a name that answers may tell or a sealed position; None: there is none."""


def search(
    view: View, prefix: str, *, limit: int, cursor: str | None = None, reverse: bool = False, grid: str | None = None
) -> Page:
    """The avatars whose names begin with *prefix*, about *limit* of them, those of one name together.

    *prefix* in any spelling: ``Governor Li``, ``governor.li``. *cursor*: the ``next`` of the page before. *grid*: only this
    grid's. Raises BadName for an empty prefix, BadRequest for a limit out of range and for a
    sealed cursor that is not of this directory.
    """
    if not 1 <= limit <= MOST_AVATARS:
        raise BadRequest(why=f"limit is a number from 1 to {MOST_AVATARS}")
    low = _prefix(prefix)
    high = low + _BEHIND_ALL
    last = None if cursor is None else _position(cursor, view)
    told: str | None = None
    found: list[tuple[str, list[Avatar]]] = []
    count = scanned = hidden = 0
    while True:
        if last is not None:
            low, high = (low, min(high, last)) if reverse else (max(low, last + b"\0"), high)
        names = view.names_between(low, high, _STEP, reverse=reverse)
        for last in names:
            named = view.named(last.decode())
            if not named:
                hidden += 1
                if hidden == MOST_HIDDEN or view.is_enough():
                    return Page(found, seal(last, view.secret()))
                continue
            avatars = [a for a in view.current_among(named, last.decode()) if grid in (None, a.grid)]
            if found and count + len(avatars) > limit:
                return Page(found, told)
            told = last.decode()
            if avatars:
                found.append((told, avatars))
                count += len(avatars)
            scanned += 1
            if scanned == MOST_SCANNED or view.is_enough():
                return Page(found, told)
        if len(names) < _STEP:
            return Page(found, None)


def _position(cursor: str, view: View) -> bytes:
    return unseal(cursor, view.secret()) if cursor.startswith(SEALED) else _encoded(cursor)


def _prefix(text: str) -> bytes:
    if len(text) > LONGEST_TEXT:
        raise BadName(name=text, why="it is too long")
    if not text.isprintable():
        raise BadName(name=text, why="it has characters that cannot be shown")
    form = canonical(text)
    if not form:
        raise BadName(name=text, why="a search needs the beginning of a name")
    return _encoded(form + ("." if text[-1:] in (" ", ".", "+") else ""))


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadName(name=text, why="it is not in UTF-8") from None
