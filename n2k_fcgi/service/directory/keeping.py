"""Dropping captures that the owner does not keep any longer, and the places of those that stay.

The file is rewritten, so it is looked through first: most nights of most services drop nothing.

A clock that jumped ahead would drop captures that are new, for good. So it is confirmed first, by something that was stored in
the days that are kept, but not in the last half day, when it may have been wrong already.
"""

from collections.abc import Callable
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import counted
from n2k_fcgi.model.keeping import Keeping
from n2k_fcgi.store.base import Store

DAY = 86_400

DOUBT = (
    "keep_days: no capture was dropped, since the clock may be ahead: nothing was stored in these days;"
    " if it is right, the next night drops"
)


class Dropped(NamedTuple):
    """What was dropped."""

    captures: int
    places: int
    """Of captures that stay."""

    def __str__(self) -> str:
        return f"dropped {counted(self.captures, 'capture')}, and {counted(self.places, 'place')} of others"


def drop_outdated(store: Store, keeping: Keeping, now: int, tell: Callable[[str], None]) -> Dropped:
    """Drop what *keeping* says at *now*, durably when this returns; *tell*: see ``believed``. Raises StoreBusy, StoreFull."""
    keeping = believed(store, keeping, now, tell)
    outdated = places = 0
    for stored in store.captures.all_stored():
        if keeping.is_outdated(stored):
            outdated += 1
        else:
            places += keeping.kept(stored) != stored
    if outdated or places:
        outdated = store.captures.drop_outdated(keeping)
    dropped = Dropped(outdated, places)
    logs.info(f"keep_days, keep_places: {dropped}")
    return dropped


def believed(store: Store, keeping: Keeping, now: int, tell: Callable[[str], None]) -> Keeping:
    """Return *keeping*, without its days if captures would go by a clock that nothing confirms; *tell* gets one line then.

    The doubt is stored: a clock that still says so in the next night is right. Raises StoreBusy, StoreFull.
    """
    if not keeping.since:
        return keeping
    confirming = range(keeping.since - DAY, now - DAY // 2)  # a day more: from one night to the next
    is_outdated = False
    for stored in store.captures.all_stored():
        if stored.capture.last_seen in confirming:
            return keeping
        is_outdated |= keeping.is_outdated(stored)
    doubted = store.captures.doubted()
    if not is_outdated or any(time in confirming for time in (doubted, *_imports(store))):
        return keeping
    if doubted not in range(now - DAY // 2, now + 1):
        store.captures.note_doubt(now)
    tell(DOUBT)
    logs.warning(DOUBT)
    return keeping._replace(since=0)


def _imports(store: Store) -> list[int]:
    """When the generations were made."""
    return [manifest.created for manifest in store.generations.listed()[1]]
