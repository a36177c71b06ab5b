"""What the views need of the layers below, put together by ``wiring``."""

from typing import NamedTuple

from n2k_fcgi.service.lookup import Directory
from n2k_fcgi.service.register import Registrar
from n2k_fcgi.web.access import Access


class Services(NamedTuple):
    """The services behind the views."""

    directory: Directory
    registrar: Registrar
    access: Access
    default_grid: str
    known_grids: tuple[str, ...]
