"""The area of people: pages in HTML, whose root is the root of the service (``classic/root.py`` sends browsers here).

Every page works without script. ``docs/pages.md`` says how a page, a text or a language is added.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING, late
from n2k_fcgi.errors import BadRequest, is_no_memory
from n2k_fcgi.model.choices import Kind
from n2k_fcgi.web.area import Area, Route
from n2k_fcgi.web.browser import wants_page
from n2k_fcgi.web.requests import token_in_headers
from n2k_fcgi.web.responses import error as line

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer, Headers


def error(request: Request, status: int, message: str, headers: Headers) -> Answer:
    """Return the page with an error.

    One line to a caller that gets no page, for a fault of ours, which the page may have too, and without memory for it.
    """
    if status != 500 and wants_page(request):
        try:
            page: Answer = late.module("web.pages.frame").error(request, status, message, headers)
            return page
        except (MemoryError, SystemError, ImportError, OSError) as problem:
            if not is_no_memory(problem):
                raise
    return line(status, message, headers)


def refuse(request: Request) -> None:
    """Raises BadRequest for a token or a one-time code in the query, which the answer does not repeat."""
    if not request.query.keys().isdisjoint(("token", "code")):
        request.wants_token = True
        raise BadRequest(why="a token or code in a URL ends up in logs: type it into the form, and make a new one")


AREA = Area(
    folder="pages",
    prefixes=(
        *(b"/avatar", b"/found", b"/leave", b"/lists", b"/privacy", b"/programs", b"/scripts", b"/static"),
        *(b"/login", b"/logout", b"/status"),
    ),
    routes=(
        Route("/found", "home.found", kind=Kind.SEARCH),
        Route("/avatar/<key>", "avatar.avatar", kind=Kind.PAGE),
        Route("/leave", "avatar.leave", kind=Kind.PAGE),
        Route("/lists", "lists.lists", ("GET", "POST"), Kind.PAGE),
        Route("/programs", "programs.programs", kind=Kind.PAGE),
        Route("/scripts", "scripts.scripts", kind=Kind.PAGE),
        Route("/scripts/<name>", "scripts.script", kind=Kind.PAGE),
        Route("/privacy", "privacy.privacy", kind=Kind.PAGE),
        Route("/static/<name>", "static.file"),
        Route("/login", "logging_in.form", kind=Kind.OWNER),
        Route("/login", "logging_in.log_in", ("POST",), Kind.OWNER),
        Route("/logout", "logging_in.log_out", ("POST",), Kind.OWNER),
        Route("/status", "status.page", kind=Kind.OWNER),
        Route("/status/generation", "status.use_generation", ("POST",), Kind.OWNER),
        Route("/status/dataset", "status.use_dataset", ("POST",), Kind.OWNER),
        Route("/status/tokens", "status.make_token", ("POST",), Kind.OWNER),
        Route("/status/revoked", "status.revoke", ("POST",), Kind.OWNER),
        *(Route(f"/status/{form}", "status.back", kind=Kind.OWNER) for form in ("generation", "dataset", "tokens", "revoked")),
    ),
    error=error,
    token=token_in_headers,
    refuse=refuse,
)
