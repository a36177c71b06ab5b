"""What the views need of the layers below, put together by ``wiring``."""

from typing import NamedTuple

from n2k_fcgi.model.grids import Grid
from n2k_fcgi.service.about import About
from n2k_fcgi.service.forget import Forgetting
from n2k_fcgi.service.lookup import Directory
from n2k_fcgi.service.pending import Unknown
from n2k_fcgi.service.register import Registrar
from n2k_fcgi.web.access import Access


class Services(NamedTuple):
    """The services behind the views."""

    directory: Directory
    registrar: Registrar
    forgetting: Forgetting
    unknown: Unknown
    access: Access
    about: About
    default_grid: str
    known_grids: tuple[str, ...]
    """Their labels."""
    grids: tuple[Grid, ...]
    is_csv_open: bool
