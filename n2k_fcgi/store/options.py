"""What a store is opened with."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.files import PRIVATE, SHARED
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from n2k_fcgi.files import Modes
    from n2k_fcgi.model.choices import Sync


class StoreOptions(NamedTuple):
    """What a store is opened with. Stores of equal options are interchangeable."""

    data_dir: str
    share_with_group: bool
    """Files can be read and written by the group: cron and the web server may be different users."""
    resident_limit: int
    """Bytes of resident memory of this process above which an engine that maps files releases their pages."""
    max_pending: int
    """The most pending keys that are kept."""
    sync: Sync
    """When a write of the key-value service is on disk; all others are before they are acknowledged."""
    most_changes: int
    """Records that the log of changes of each namespace keeps."""

    @property
    def modes(self) -> Modes:
        """File modes of the data directory."""
        return SHARED if self.share_with_group else PRIVATE
