"""Lookups of many names or keys at once: one read transaction for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeVar

    from n2k_fcgi.model.avatar import Avatar

    Asked = TypeVar("Asked", str, bytes)


class BulkLookups(ABC):
    """The forms for many of an index that has those for one; see ``store.avatars.AvatarIndex``."""

    rows_read: int

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything inside in one transaction; inside of another one, in that."""

    @abstractmethod
    def by_name(self, canonical: str) -> list[Avatar]:
        """The avatars of one name."""

    @abstractmethod
    def by_key(self, key: bytes) -> list[Avatar]:
        """The avatars of one key."""

    def by_names(self, canonicals: Sequence[str], most: int) -> list[list[Avatar]]:
        """See ``store.avatars.AvatarIndex``."""
        return self._each(self.by_name, canonicals, most)

    def by_keys(self, keys: Sequence[bytes], most: int) -> list[list[Avatar]]:
        """See ``store.avatars.AvatarIndex``."""
        return self._each(self.by_key, keys, most)

    def _each(self, find: Callable[[Asked], list[Avatar]], asked: Sequence[Asked], most: int) -> list[list[Avatar]]:
        found: list[list[Avatar]] = []
        with self.snapshot():
            before = self.rows_read
            for one in asked:
                found.append(find(one))
                if self.rows_read - before >= most:
                    break
        return found
