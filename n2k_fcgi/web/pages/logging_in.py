"""Logging in and out of the owner's pages."""

from n2k_fcgi import logs
from n2k_fcgi.errors import N2KError, TokenNeeded, TokenNotEnough
from n2k_fcgi.web.pages import frame
from n2k_fcgi.web.pages.headers import SAFE
from n2k_fcgi.web.pages.languages import language_of
from n2k_fcgi.web.pages.links import Links
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer, Headers
from n2k_fcgi.web.services import Services


def form(request: Request, services: Services) -> Answer:
    """The form; whoever is logged in is sent on."""
    frame.refuse_scripts(request)
    if services.owner().logged_in(request):
        return to(request, "status")
    return _form(request, 200, None)


def log_in(request: Request, services: Services) -> Answer:
    """Begin a session, or the form again with what is wrong."""
    frame.refuse_scripts(request)
    try:
        cookie = services.owner().log_in(request)
    except (TokenNeeded, TokenNotEnough) as problem:
        return _form(request, problem.status, problem)
    logs.info("status page: the owner logged in")
    return to(request, "status", cookie)


def log_out(request: Request, services: Services) -> Answer:
    """End the session, and forget its cookie."""
    frame.refuse_scripts(request)
    owner = services.owner()
    found = owner.form(request)
    return to(request, "login", owner.log_out(request, found[0]) if found else ())


def to(request: Request, path: str, headers: Headers = (), **query: str) -> Answer:
    """Send the browser to another page of the owner, by GET."""
    place = Links(request, language_of(request))(path, **query)
    return Answer(303, b"", headers=(("Location", place), *SAFE, *headers), private=True)


def _form(request: Request, status: int, problem: N2KError | None) -> Answer:
    headers: Headers = (("WWW-Authenticate", "Bearer"),) if status == 401 else ()
    values = {"is_unknown": isinstance(problem, TokenNeeded), "is_not_enough": isinstance(problem, TokenNotEnough)}
    return frame.page(request, "login.html", values, status=status, headers=headers, private=True)
