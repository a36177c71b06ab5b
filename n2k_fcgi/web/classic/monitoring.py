"""For monitors: is the process alive, and can it answer?"""

from n2k_fcgi.errors import NoGeneration
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer, text
from n2k_fcgi.web.services import Services

CODE = "X-N2K-Code"


def health(request: Request, services: Services) -> Answer:
    """200 as long as the process answers; touches no file. X-N2K-Code says which code it is."""
    return text("alive\n", headers=((CODE, services.code),) if services.code else ())


def ready(request: Request, services: Services) -> Answer:
    """200 when the store opens and a generation is current, else 503 with one line."""
    view = services.directory.view()
    view.named("governor.linden")  # reads from both files, so that a broken one shows
    if view.generation_name == NO_GENERATION:
        raise NoGeneration
    return text("ready\n", view.generation_name)
