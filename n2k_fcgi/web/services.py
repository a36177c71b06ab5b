"""The services that views use; ``wiring`` makes them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from n2k_fcgi.model.choices import Permission
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.service.access.slots import Slots
from n2k_fcgi.service.directory.lookup import Directory
from n2k_fcgi.service.directory.pending import PendingKeys
from n2k_fcgi.service.directory.register import Registrar
from n2k_fcgi.web.access import Access

if TYPE_CHECKING:
    from n2k_fcgi.service.directory.forget import Forgetting
    from n2k_fcgi.service.directory.overview import Overview
    from n2k_fcgi.service.keyvalue.space import KeyValueSpace


class Services(NamedTuple):
    """The services behind the views."""

    directory: Directory
    registrar: Registrar
    forgetting: "Callable[[], Forgetting]"
    """Made when called: a worker that only answers lookups does not import it."""
    pending: PendingKeys
    access: Access
    overview: "Callable[[], Overview]"
    """As above, but always the same one: it caches its counts."""
    keyvalue: "Callable[[str], KeyValueSpace]"
    """A namespace by its name. Raises BadNamespace, NoSuchNamespace."""
    use_generation: Callable[[str], None]
    """Make a generation live. Raises NoSuchGeneration, ImportRunning."""
    grids: Grids
    csv: Permission
    """Who may download the list."""
    list_slots: Slots
    code: str = ""
    """The digest of the code that this server runs, by which ``n2k doctor`` finds old code; '': unknown."""
