"""Names with a prefix, in ascending or descending order, one page at a time.

The order is that of canonical names in UTF-8. A page ends between two names, never between two avatars of one name, so the
last name that was read is all that the next page needs. No cursor reveals a hidden name.
"""

from typing import NamedTuple

from n2k_fcgi.errors import BadName, BadRequest
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.names import LONGEST_TEXT, canonical
from n2k_fcgi.service.directory.cursors import SEALED, seal, unseal
from n2k_fcgi.service.directory.lookup import View

MOST_AVATARS = 1000
"""The limit on avatars per page."""

MOST_SCANNED = 2000
"""Names read for one page. Where few of them match, as for a small grid, the page ends early, with a cursor.

``lookup.MOST_ROWS`` ends a page early, too."""

MOST_HIDDEN = 5000
"""Hidden names that one page skips. They do not count otherwise, so that the end of a page does not reveal one. After so many
the page ends at a position that callers cannot read."""

_STEP = 200
_BEHIND_ALL = b"\xff"
"""This byte does not occur in UTF-8."""


class Page(NamedTuple):
    """One page of a search."""

    names: list[tuple[str, list[Avatar]]]
    """Canonical name, and the avatars that have it now."""
    next: str | None
    """The cursor of the next page: a name that is shown, or a sealed position. None: this is the last page."""


def search(
    view: View, prefix: str, *, limit: int, cursor: str | None = None, reverse: bool = False, grid: str | None = None
) -> Page:
    """Return the avatars whose names begin with *prefix*, about *limit* of them, those of one name together.

    *prefix* in any spelling: ``Governor Li``, ``governor.li``. *cursor*: the ``next`` of the previous page. *grid*: only this
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
    step = min(_STEP, limit + 1)  # nearly always one avatar has each name, and the last one read is not shown
    while True:
        if last is not None:
            low, high = (low, min(high, last)) if reverse else (max(low, last + b"\0"), high)
        names = view.names_between(low, high, step, reverse=reverse)
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
        if len(names) < step:
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
