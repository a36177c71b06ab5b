"""The right to leave: an avatar is hidden at once and in both directions, until the owner of the service undoes it.

What hides it are digests of its key and of all its names; the rows themselves stay in the files, unseen, until ``purge``.
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
    """Whom a request means, as the directory is at one moment."""

    keys: list[bytes]
    names: list[tuple[str, str]]
    """(grid, canonical name): all that it has or had, and the one that was asked for."""
    grids: list[str]
    """Where it is known, hidden or not. None: nobody is known so, and whoever will be is meant."""
    only: str | None = None
    """The one grid that it leaves; None: all of them."""
    elsewhere: str | None = None
    """A grid where it is shown, when the one that it would leave never saw it."""


class Undone(Enum):
    """What became of an avatar that is not hidden any more."""

    SHOWN = "shown"
    PURGED = "purged"
    """Nothing of it is left: a purge took its rows since it asked."""
    UNKNOWN = "unknown"
    """Nothing of it is there, and no purge was."""


class Forgetting:
    """Hides avatars and shows them again."""

    def __init__(self, directory: Directory, pending: PendingStore, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._pending = pending
        self._clock = clock

    def with_key(self, key: bytes, only: str | None = None) -> Leaving:
        """The avatar with *key* on every grid, known or not, and all names it has or had; *only*: on that grid."""
        view, forgotten = self._directory.full_view(), self._directory.forgotten
        leaving = _known(view, key, only)
        if only is None or leaving.grids or forgotten.hidden_keys([key], only):
            return leaving
        known = view.with_key(key)
        hidden = forgotten.hidden_among(map(binding, known))
        return leaving._replace(elsewhere=next((a.grid for a in known if binding(a) not in hidden), None))

    def called(self, name: str, grid: str, *, only_there: bool = False) -> Leaving:
        """Whoever canonical *name* means on *grid*, on every grid or *only_there*; when it is nobody, whoever will be.

        Whoever may register on *grid* can give any key a name there: so who may hide there only hides it there only.
        """
        only = grid if only_there else None
        view = self._directory.full_view()
        avatar = view.name2key(name, grid, strict=True)
        if avatar is None:
            return Leaving([], [(grid, name)], [], only)
        leaving = _known(view, avatar.key, only)
        return leaving._replace(names=[*leaving.names, (grid, name)])

    def grids_of(self, name: str) -> list[str]:
        """The grids where somebody is shown under canonical *name*, each once: for asking which one is meant."""
        return list(dict.fromkeys(avatar.grid for avatar in self._directory.view().named(name)))

    def forget(self, leaving: Leaving) -> None:
        """Hide them, from every process's next look on."""
        self._directory.forgotten.forget(leaving.keys, leaving.names, int(self._clock()), leaving.only)
        # Who it was is nobody's business, the log's neither.
        logs.info(f"forget: {'one avatar' if leaving.grids else 'whoever has an unknown name or key'} is hidden from now on")
        with best_effort("the resolver's list"):
            self._pending.drop(leaving.keys, only=leaving.only)

    def undo_key(self, key: bytes, only: str | None = None) -> Undone:
        """Show the avatar again that was hidden; *only*: on that grid.

        Raises NotForgotten; TokenNotEnough when it is hidden there because it left every grid.
        """
        forgotten = self._directory.forgotten
        asked = forgotten.undo([key], [], int(self._clock()), only)
        if asked is None:
            if only is not None and forgotten.hidden_keys([key], only):
                raise TokenNotEnough(why=f"it is for the grid {only!r} only, and this avatar left all of them")
            raise NotForgotten(what=format_key(key))
        known = self._directory.view().with_key(key)
        return self._undone(asked, is_known=any(only in (None, avatar.grid) for avatar in known))

    def undo_name(self, name: str, grid: str) -> Undone:
        """The same by a canonical name that it had."""
        asked = self._directory.forgotten.undo([], [(grid, name)], int(self._clock()))
        if asked is None:
            raise NotForgotten(what=name)
        return self._undone(asked, is_known=self._directory.view().name2key(name, grid, strict=True) is not None)

    def _undone(self, asked: int, *, is_known: bool) -> Undone:
        logs.info("forget: undone for one avatar")
        if is_known:
            return Undone.SHOWN
        return Undone.PURGED if self._directory.forgotten.purged() >= asked else Undone.UNKNOWN


def _known(view: View, key: bytes, only: str | None) -> Leaving:
    """All names that it has or had, and where it is known; *only*: on that grid."""
    names = [(named.avatar.grid, canonical(named.avatar.name)) for named in History(view).names_of(key)]
    grids = [avatar.grid for avatar in view.with_key(key)]
    return Leaving([key], [n for n in names if only in (None, n[0])], [g for g in grids if only in (None, g)], only)
