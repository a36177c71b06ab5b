"""What the owner keeps of captures: for how long, and whether with the place where they were seen."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from n2k_fcgi.model.avatar import Source, StoredCapture


class Keeping(NamedTuple):
    """The settings ``keep_days`` and ``keep_places``, as of one moment."""

    since: int = 0
    """Unix seconds: what was seen last before that goes; 0: nothing does."""
    places: bool = True

    @property
    def is_all(self) -> bool:
        """Whether everything is kept."""
        return not self.since and self.places

    def is_outdated(self, stored: StoredCapture) -> bool:
        """Whether a capture goes, with its former names."""
        return stored.capture.last_seen < self.since

    def kept(self, stored: StoredCapture) -> StoredCapture:
        """What stays of a capture that stays."""
        capture = stored.capture
        return stored if self.places else stored._replace(capture=capture._replace(source=without_place(capture.source)))


EVERYTHING = Keeping()


def without_place(source: Source) -> Source:
    """*source* without the object and the region: its owner and its grid do not say where an avatar was."""
    return source._replace(object_key="", region="")
