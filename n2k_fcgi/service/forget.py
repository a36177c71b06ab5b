"""The right to leave: an avatar is hidden at once and in both directions, until the owner of the service undoes it.

What hides it are digests of its key and of all its names; the rows themselves stay in the files, unseen, until ``purge``.
"""

import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import N2KError, NotForgotten
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.history import History
from n2k_fcgi.service.lookup import Directory, View
from n2k_fcgi.store.base import PendingStore


class Leaving(NamedTuple):
    """Whom a request means, as the directory is at one moment."""

    keys: list[bytes]
    names: list[tuple[str, str]]
    """(grid, canonical name): all that it has or had, and the one that was asked for."""
    grids: list[str]
    """Where it is known, hidden or not. None: nobody is known so, and whoever will be is meant."""


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

    def with_key(self, key: bytes) -> Leaving:
        """The avatar with *key* on every grid, known or not, and all names it has or had."""
        view = self._directory.full_view()
        return Leaving([key], _names_of(view, key), _grids_of(view, key))

    def called(self, name: str, grid: str) -> Leaving:
        """Whoever canonical *name* means on *grid*; when nobody is known by it, whoever will be."""
        view = self._directory.full_view()
        avatar = view.name2key(name, grid, strict=True)
        if avatar is None:
            return Leaving([], [(grid, name)], [])
        return Leaving([avatar.key], [*_names_of(view, avatar.key), (grid, name)], _grids_of(view, avatar.key))

    def forget(self, leaving: Leaving) -> None:
        """Hide them, from every process's next look on."""
        self._directory.forgotten.forget(leaving.keys, leaving.names, int(self._clock()))
        # Who it was is nobody's business, the log's neither.
        logs.info(f"forget: {'one avatar' if leaving.grids else 'whoever has an unknown name or key'} is hidden from now on")
        try:
            self._pending.drop(leaving.keys)
        except N2KError as problem:
            logs.warning(f"the resolver's list was not updated: {problem}")

    def undo_key(self, key: bytes) -> Undone:
        """Show the avatar again that was hidden. Raises NotForgotten."""
        asked = self._directory.forgotten.undo([key], [], int(self._clock()))
        if asked is None:
            raise NotForgotten(what=format_key(key))
        return self._undone(asked, is_known=bool(self._directory.view().with_key(key)))

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


def _names_of(view: View, key: bytes) -> list[tuple[str, str]]:
    """(grid, canonical name) of all names that it has or had."""
    return [(named.avatar.grid, canonical(named.avatar.name)) for named in History(view).names_of(key)]


def _grids_of(view: View, key: bytes) -> list[str]:
    return [avatar.grid for avatar in view.with_key(key)]
