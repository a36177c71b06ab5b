"""A consistent copy of a namespace over HTTP, in memory.

Pages are read one after another, each of one state; then the changes since the first one, and the changed keys again, until
there are no more changes. What was read then is the state at that last question.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from n2k_fcgi.errors import ChangesGone, HandleClosed, NeverQuiet
from n2k_fcgi.keyvalue.namespace import KeyValue, Reading
from n2k_fcgi.keyvalue.values import Count, Item, Span
from n2k_fcgi.model.keyvalue.entry import parse_entry_key
from n2k_fcgi.store.keyvalue import Kind

MOST_ROUNDS = 50
"""Questions for changes: with that many answers in a row that have some, the copy is given up."""


class Copied(NamedTuple):
    """An item, and when it expires by the monotonic clock of this process; None: never."""

    item: Item
    deadline: float | None


class Snapshot(Reading):
    """A copy; empty at first."""

    def __init__(self) -> None:
        self._items: dict[bytes, Copied] | None = {}

    def store(self, items: Iterable[Item], asked: float) -> None:
        """Store what was asked for at the time *asked*, so that nothing lives longer here than on the server."""
        for item in items:
            deadline = None if item.ttl_ms is None else asked + item.ttl_ms / 1000
            self._copied[item.key.encode()] = Copied(item, deadline)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove what is stored below *keys*, if anything is."""
        for key in keys:
            self._copied.pop(key.encode(), None)

    def close(self) -> None:
        """Release the memory; other methods raise HandleClosed from then on."""
        self._items = None

    def get(self, key: str) -> Item | None:
        return self._at(parse_entry_key(key))

    def get_many(self, keys: Sequence[str]) -> list[Item | None]:
        return list(map(self.get, keys))

    def count(self, prefix: str = "", *, start: str = "", end: str = "") -> Count:
        found = list(self.scan(prefix, start=start, end=end))
        return Count(len(found), sum(len(item.key.encode()) + len(item.value) for item in found))

    def _pages(self, span: Span, *, values: bool, reverse: bool, limit: int | None) -> Iterator[list[Item]]:
        low, high = span.in_bytes()
        keys = sorted((key for key in self._copied if low <= key and (high is None or key < high)), reverse=reverse)
        for item in map(self._at, keys):
            if item is not None:
                yield [item]

    def _at(self, key: bytes) -> Item | None:
        item, deadline = self._copied.get(key, (None, None))
        if item is None or deadline is None:
            return item
        left = deadline - time.monotonic()
        return item._replace(ttl_ms=int(left * 1000)) if left > 0 else None

    @property
    def _copied(self) -> dict[bytes, Copied]:
        if self._items is None:
            raise HandleClosed(what="snapshot")
        return self._items


def copy_of(kv: KeyValue) -> Snapshot:
    """Return a copy of one state of *kv*. Raises NeverQuiet if it is changed all the time."""
    rounds = iter(range(MOST_ROUNDS))
    for _ in rounds:
        since = kv.version()
        copy = _copied(kv)
        for _ in rounds:
            try:
                found = kv.changes(since)
            except ChangesGone:
                break
            if not found.changes:
                return copy
            if any(change.kind is Kind.FLUSH for change in found.changes):
                break
            keys, asked = list({change.key for change in found.changes}), time.monotonic()
            copy.remove(keys)
            copy.store(filter(None, kv.get_many(keys)), asked)
            since = found.last
    raise NeverQuiet(rounds=MOST_ROUNDS)


def _copied(kv: KeyValue) -> Snapshot:
    copy = Snapshot()
    pages = kv._pages(Span(), values=True, reverse=False, limit=None)
    while True:
        asked = time.monotonic()
        page = next(pages, None)
        if page is None:
            return copy
        copy.store(page, asked)
