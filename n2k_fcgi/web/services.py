"""What the views need of the layers below, put together by ``wiring``."""

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


class Services(NamedTuple):
    """The services behind the views."""

    directory: Directory
    registrar: Registrar
    forgetting: "Callable[[], Forgetting]"
    """Made when it is asked for: a worker that only answers lookups does not import it."""
    pending: PendingKeys
    access: Access
    overview: "Callable[[], Overview]"
    """Likewise; the same one each time, since it keeps its counts for some seconds."""
    grids: Grids
    csv: Permission
    """Who may download the list."""
    list_slots: Slots
    code: str = ""
    """The digest of the code that this server was started with, so that the doctor finds old code; '': not known."""
