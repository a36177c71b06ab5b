"""The directory itself: generations, counts, conflicts."""

import time
from collections.abc import Callable
from typing import NamedTuple

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.store.base import Store

COUNTED_FOR = 10.0
"""Seconds for which counts are cached: they read whole files, and need no token."""


class Statistics(NamedTuple):
    """Counts of one data directory."""

    generation: str
    avatars: int
    names: int
    former_names: int
    as_of: int
    captures: int
    evicted: int
    """Names outside Second Life that newer registrations replaced, because a key or a name had too many."""
    tokens: int
    """Tokens that are not revoked."""
    forgotten: int
    """Hidden avatars and names."""
    pending: int
    """Pending keys."""


class Overview:
    """Reports on the directory itself."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._counted: Statistics | None = None
        self._counted_at = 0.0

    def generations(self) -> tuple[str, list[Manifest]]:
        """Return the live one's name ('': none) and all manifests, the oldest first."""
        return self._store.generations.listed()

    def statistics(self) -> Statistics:
        """Return counts, at most COUNTED_FOR seconds old."""
        now = self._clock()
        live = self._store.generations.live()
        name = live.name if live else NO_GENERATION
        if self._counted is None or now - self._counted_at >= COUNTED_FOR or self._counted.generation != name:
            self._counted = gather(self._store, live)
            self._counted_at = now
        return self._counted

    def conflicts(self) -> list[Conflict]:
        """Return the latest conflicts, without those of hidden avatars."""
        hides = self._store.forgotten.hidden().hides
        found = self._store.conflicts.conflicts()
        return [c for c in found if not any(hides(key, c.grid, canonical(c.name)) for key in (c.key, c.holder))]


def gather(store: Store, manifest: Manifest | None) -> Statistics:
    """Return the counts; *manifest* is the live generation's, None before the first import."""
    active = sum(not token.revoked for token in store.tokens.tokens())
    seen, evicted = store.captures.count(), store.captures.evicted()
    leavers, hidden = store.forgotten.count(), store.forgotten.hidden()
    try:
        waiting = sum(not hidden.hides_key(asked.key, asked.grid) for asked in store.pending.waiting())
    except N2KError:  # a read-only directory without a queue
        waiting = 0
    if manifest is None:
        return Statistics(NO_GENERATION, 0, 0, 0, 0, seen, evicted, active, leavers, waiting)
    m = manifest
    return Statistics(m.name, m.rows, m.names, m.former, m.as_of, seen, evicted, active, leavers, waiting)
