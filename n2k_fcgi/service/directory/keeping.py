"""Dropping captures that the owner does not keep any longer, and the places of those that stay.

The file is rewritten, so it is looked through first: most nights of most services drop nothing.
"""

from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import counted
from n2k_fcgi.model.keeping import Keeping
from n2k_fcgi.store.avatars import CaptureStore


class Dropped(NamedTuple):
    """What was dropped."""

    captures: int
    places: int
    """Of captures that stay."""

    def __str__(self) -> str:
        return f"dropped {counted(self.captures, 'capture')}, and {counted(self.places, 'place')} of others"


def drop_outdated(captures: CaptureStore, keeping: Keeping) -> Dropped:
    """Drop what *keeping* says, durably when this returns. Raises StoreBusy, StoreFull."""
    outdated = places = 0
    for stored in captures.all_stored():
        if keeping.is_outdated(stored):
            outdated += 1
        else:
            places += keeping.kept(stored) != stored
    if outdated or places:
        outdated = captures.drop_outdated(keeping)
    dropped = Dropped(outdated, places)
    logs.info(f"keep_days, keep_places: {dropped}")
    return dropped
