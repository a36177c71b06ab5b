"""What may be told of a directory: its generations, its counts, its conflicts."""

import time
from collections.abc import Callable

from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.service.directory.statistics import Statistics, gather
from n2k_fcgi.store.base import CaptureStore, ConflictStore, ForgottenStore, GenerationStore, PendingStore, TokenStore

COUNTED_FOR = 10.0
"""Seconds that counts are given again: they read whole files, and anybody may ask."""


class About:
    """Answers questions about the directory itself."""

    def __init__(
        self,
        generations: GenerationStore,
        captures: CaptureStore,
        tokens: TokenStore,
        forgotten: ForgottenStore,
        pending: PendingStore,
        conflicts: ConflictStore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._generations = generations
        self._captures = captures
        self._tokens = tokens
        self._forgotten = forgotten
        self._pending = pending
        self._conflicts = conflicts
        self._clock = clock
        self._counted: Statistics | None = None
        self._counted_at = 0.0

    def generations(self) -> tuple[str, list[Manifest]]:
        """The live one's name ('': none), and what each says of itself, the oldest first."""
        return self._generations.listed()

    def statistics(self) -> Statistics:
        """Counts, at most COUNTED_FOR seconds old."""
        now = self._clock()
        live = self._generations.live()
        name = live.name if live else NO_GENERATION
        if self._counted is None or now - self._counted_at >= COUNTED_FOR or self._counted.generation != name:
            self._counted = gather(live, self._captures, self._tokens, self._forgotten, self._pending)
            self._counted_at = now
        return self._counted

    def conflicts(self) -> list[Conflict]:
        """The latest conflicts, without those of anybody who asked to be forgotten."""
        hides = self._forgotten.hidden().hides
        found = self._conflicts.conflicts()
        return [c for c in found if not any(hides(key, c.grid, canonical(c.name)) for key in (c.key, c.holder))]
