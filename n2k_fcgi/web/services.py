"""The services that views use; ``wiring`` makes them."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2k_fcgi.model.choices import Permission
    from n2k_fcgi.model.grids import Grids
    from n2k_fcgi.service.access.slots import Slots
    from n2k_fcgi.service.directory.forget import Forgetting
    from n2k_fcgi.service.directory.lookup import Directory
    from n2k_fcgi.service.directory.overview import Overview
    from n2k_fcgi.service.directory.pending import PendingKeys
    from n2k_fcgi.service.directory.register import Registrar
    from n2k_fcgi.service.keyvalue.namespaces import Namespaces
    from n2k_fcgi.service.keyvalue.space import KeyValueSpace
    from n2k_fcgi.service.statistics import StatisticsReader
    from n2k_fcgi.service.status.reading import StatusReader
    from n2k_fcgi.store.base import TokenStore
    from n2k_fcgi.store.counts import Counts
    from n2k_fcgi.web.access import Access
    from n2k_fcgi.web.owner import Owner


class Services(NamedTuple):
    """The services behind the views. Those that lookups do not use are imported and made when they are first called for."""

    directory: Directory
    grids: Grids
    counts: Counts
    """Of this process."""
    csv: Permission
    """Who may download the list."""
    search: Permission
    """Who may search for names by their beginning."""
    register: Permission
    """Who may register."""
    keep_days: int
    """Days after which a capture that was not seen again is dropped; 0: never."""
    keep_places: bool
    """Whether a capture keeps the region and the object that reported it."""
    url: str
    """The public address of the service; '': the owner did not say."""
    contact: str
    """How to reach the owner, as text or as an address; '': the owner did not say."""
    metrics: Permission
    """Who may read the metrics."""
    code: str
    """The digest of the code that this server runs, by which ``n2k doctor`` finds old code; '': unknown."""
    access: Callable[[], Access]
    """Always the same one."""
    registrar: Callable[[], Registrar]
    pending: Callable[[], PendingKeys]
    forgetting: Callable[[], Forgetting]
    overview: Callable[[], Overview]
    """Always the same one: it caches its counts."""
    statistics: Callable[[], StatisticsReader]
    list_slots: Callable[[], Slots]
    """Always the same ones: they are held while a list is sent."""
    keyvalue: Callable[[str], KeyValueSpace]
    """A namespace by its name. Raises BadNamespace, NoSuchNamespace."""
    use_generation: Callable[[str], None]
    """Make a generation live. Raises NoSuchGeneration, ImportRunning."""
    owner: Callable[[], Owner]
    status: Callable[[], StatusReader]
    namespaces: Callable[[], Namespaces]
    tokens: Callable[[], TokenStore]
