"""The area of people: pages in HTML, whose root is the root of the service (``classic/root.py`` sends browsers here).

Every page works without script. ``docs/pages.md`` says how a page, a text or a language is added.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING, late
from n2k_fcgi.errors import is_no_memory
from n2k_fcgi.web.area import Area, Route
from n2k_fcgi.web.requests import token_in_headers
from n2k_fcgi.web.responses import error as line

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer, Headers


def error(request: Request, status: int, message: str, headers: Headers) -> Answer:
    """Return the page with an error; one line for a fault of ours, which the page may have too, and without memory for it."""
    if status != 500:
        try:
            page: Answer = late.module("web.pages.frame").error(request, status, message, headers)
            return page
        except (MemoryError, SystemError, ImportError, OSError) as problem:
            if not is_no_memory(problem):
                raise
    return line(status, message, headers)


AREA = Area(
    folder="pages",
    prefixes=(b"/avatar", b"/found", b"/leave", b"/lists", b"/privacy", b"/programs", b"/scripts", b"/static"),
    routes=(
        Route("/found", "home.found"),
        Route("/avatar/<key>", "avatar.avatar"),
        Route("/leave", "avatar.leave"),
        Route("/lists", "lists.lists", ("GET", "POST")),
        Route("/programs", "programs.programs"),
        Route("/scripts", "scripts.scripts"),
        Route("/scripts/<name>", "scripts.script"),
        Route("/privacy", "privacy.privacy"),
        Route("/static/<name>", "static.file"),
    ),
    error=error,
    token=token_in_headers,
)
