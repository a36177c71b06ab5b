"""Forgetting avatars: each is hidden at once, in both directions, until the owner of the service undoes it.

Tombstones, digests of its key and of all its names, hide it. The rows stay in the files until the next ``purge``.
"""

import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import NotForgotten, TokenNotEnough
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.best_effort import best_effort
from n2k_fcgi.service.directory.history import History
from n2k_fcgi.service.directory.lookup import Directory, View, binding
from n2k_fcgi.store.base import PendingStore


class Leaving(NamedTuple):
    """The avatar that a request to forget means, as of one moment."""

    keys: list[bytes]
    names: list[tuple[str, str]]
    """(grid, canonical name) of every name that it has or had, and of the one in the request."""
    grids: list[str]
    """The grids where it is known, hidden or not. Empty: it is unknown, and the first avatar with the key or name is meant."""
    only: str | None = None
    """The one grid where it is hidden; None: all grids."""
    elsewhere: str | None = None
    """A grid where it is shown, if it is unknown on *only*."""


class Undone(Enum):
    """What an undo found of the avatar."""

    SHOWN = "shown"
    PURGED = "purged"
    """Nothing: a purge has removed its rows."""
    UNKNOWN = "unknown"
    """Nothing, and there was no purge."""


class Forgetting:
    """Hides avatars and shows them again."""

    def __init__(
        self,
        directory: Directory,
        pending: PendingStore,
        *,
        count: Callable[[str, int], None] = lambda name, count: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._pending = pending
        self._count = count
        self._clock = clock

    def with_key(self, key: bytes, only: str | None = None) -> Leaving:
        """Return the avatar with *key* on every grid, known or not, with all names it has or had; *only*: on that grid."""
        view, forgotten = self._directory.full_view(), self._directory.forgotten
        leaving = _known(view, key, only)
        if only is None or leaving.grids or forgotten.hidden_keys([key], only):
            return leaving
        known = view.with_key(key)
        hidden = forgotten.hidden_among(map(binding, known))
        return leaving._replace(elsewhere=next((a.grid for a in known if binding(a) not in hidden), None))

    def called(self, name: str, grid: str, *, only_there: bool = False) -> Leaving:
        """Return the avatar with canonical *name* on *grid*, or the name alone if it is unknown.

        It is hidden on every grid, or *only_there*: callers that may register on *grid* can give any key a name there, so
        a token for one grid hides on that grid only.
        """
        only = grid if only_there else None
        view = self._directory.full_view()
        avatar = view.name2key(name, grid, strict=True)
        if avatar is None:
            return Leaving([], [(grid, name)], [], only)
        leaving = _known(view, avatar.key, only)
        return leaving._replace(names=[*leaving.names, (grid, name)])

    def grids_of(self, name: str) -> list[str]:
        """Return the grids that show an avatar with canonical *name*, each once: for asking which one is meant."""
        return list(dict.fromkeys(avatar.grid for avatar in self._directory.view().named(name)))

    def forget(self, leaving: Leaving) -> None:
        """Hide the avatar, durably, in the next lookup of every process."""
        self._directory.forgotten.forget(leaving.keys, leaving.names, int(self._clock()), leaving.only)
        self._count("forgets.hidden", 1)
        # Not even the log says which avatar.
        logs.info(f"forget: {'one avatar' if leaving.grids else 'an unknown name or key'} is hidden from now on")
        with best_effort("the resolver's list"):
            self._pending.drop(leaving.keys, only=leaving.only)

    def undo_key(self, key: bytes, only: str | None = None) -> Undone:
        """Show a hidden avatar again; *only*: on that grid.

        Raises NotForgotten; TokenNotEnough when it is hidden there because it left every grid.
        """
        forgotten = self._directory.forgotten
        asked = forgotten.undo([key], [], int(self._clock()), only)
        if asked is None:
            if only is not None and forgotten.hidden_keys([key], only):
                raise TokenNotEnough(why=f"it is for the grid {only!r} only, and this avatar is hidden on all of them")
            raise NotForgotten(what=format_key(key))
        known = self._directory.view().with_key(key)
        return self._undone(asked, is_known=any(only in (None, avatar.grid) for avatar in known))

    def undo_name(self, name: str, grid: str) -> Undone:
        """Show the hidden avatar with a canonical name again. Raises NotForgotten."""
        asked = self._directory.forgotten.undo([], [(grid, name)], int(self._clock()))
        if asked is None:
            raise NotForgotten(what=name)
        return self._undone(asked, is_known=self._directory.view().name2key(name, grid, strict=True) is not None)

    def _undone(self, asked: int, *, is_known: bool) -> Undone:
        logs.info("forget: undone for one avatar")
        self._count("forgets.undone", 1)
        if is_known:
            return Undone.SHOWN
        return Undone.PURGED if self._directory.forgotten.purged() >= asked else Undone.UNKNOWN


def _known(view: View, key: bytes, only: str | None) -> Leaving:
    """Return all names that it has or had, and the grids where it is known; *only*: on that grid."""
    names = [(named.avatar.grid, canonical(named.avatar.name)) for named in History(view).names_of(key)]
    grids = [avatar.grid for avatar in view.with_key(key)]
    return Leaving([key], [n for n in names if only in (None, n[0])], [g for g in grids if only in (None, g)], only)
