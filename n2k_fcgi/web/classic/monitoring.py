"""Health checks."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import NoGeneration
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.web.responses import text

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer
    from n2k_fcgi.web.services import Services

CODE = "X-N2K-Code"


def health(request: Request, services: Services) -> Answer:
    """200 while the process answers, without reading a file. X-N2K-Code identifies the code."""
    return text("alive\n", headers=((CODE, services.code),) if services.code else ())


def ready(request: Request, services: Services) -> Answer:
    """200 if the store can be read and a generation is live, else 503 with one line."""
    view = services.directory.view()
    view.named("governor.linden")  # reads generation and captures
    if view.generation_name == NO_GENERATION:
        raise NoGeneration
    return text("ready\n", view.generation_name)
