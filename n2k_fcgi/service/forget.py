"""The right to leave: an avatar is hidden at once and in both directions, until the owner of the service undoes it.

What hides it are digests of its key and of all its names; the rows themselves stay in the files, unseen, until ``purge``.
"""

import time
from collections.abc import Callable

from n2k_fcgi import logs
from n2k_fcgi.errors import N2KError, NotForgotten
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.history import History
from n2k_fcgi.service.lookup import Directory
from n2k_fcgi.store.base import PendingStore


class Forgetting:
    """Hides avatars and shows them again."""

    def __init__(self, directory: Directory, pending: PendingStore, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._pending = pending
        self._clock = clock

    def grids_of(self, key: bytes) -> list[str]:
        """Where the avatar with *key* is known, hidden or not."""
        return [avatar.grid for avatar in self._directory.full_view().with_key(key)]

    def forget_key(self, key: bytes) -> None:
        """Hide the avatar with *key* on every grid, known or not, and all names it has or had."""
        self._forget([key], self._names_of(key))

    def forget_name(self, name: str, grid: str) -> None:
        """Hide whoever canonical *name* means on *grid*; when nobody is known by it, whoever will be."""
        avatar = self._directory.full_view().name2key(name, grid, strict=True)
        if avatar is None:
            self._forget([], [(grid, name)])
        else:
            self._forget([avatar.key], [*self._names_of(avatar.key), (grid, name)])

    def undo_key(self, key: bytes) -> None:
        """Show the avatar again that was hidden. Raises NotForgotten."""
        if not self._directory.forgotten.undo([key], []):
            raise NotForgotten(what=format_key(key))
        logs.info("forget: undone for one avatar")

    def undo_name(self, name: str, grid: str) -> None:
        """The same by a canonical name that it had."""
        if not self._directory.forgotten.undo([], [(grid, name)]):
            raise NotForgotten(what=name)
        logs.info("forget: undone for one avatar")

    def _names_of(self, key: bytes) -> list[tuple[str, str]]:
        """(grid, canonical name) of all names that it has or had."""
        directory = self._directory
        history = History(directory.full_view(), directory.generations.current(), directory.captures)
        return [(named.avatar.grid, canonical(named.avatar.name)) for named in history.names_of(key)]

    def _forget(self, keys: list[bytes], names: list[tuple[str, str]]) -> None:
        self._directory.forgotten.forget(keys, names, int(self._clock()))
        logs.info("forget: one avatar is hidden from now on")  # who it was is nobody's business, the log's neither
        try:
            self._pending.drop(keys)
        except N2KError as problem:
            logs.warning(f"the resolver's list was not updated: {problem}")
