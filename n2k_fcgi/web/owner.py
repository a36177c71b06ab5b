"""The owner in a browser: log-in, the cookie of the session, and forms that only pages of this service may send."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import ForgedForm, NothingHere, PlainHttp, TokenNeeded
from n2k_fcgi.named import NamedTuple
from n2k_fcgi.service.access.sessions import form_token, is_form_token
from n2k_fcgi.service.access.tokens import token_id
from n2k_fcgi.web.addresses import client_address
from n2k_fcgi.web.transport import Transport, refuse_forged, transport

if TYPE_CHECKING:
    from n2k_fcgi.model.sessions import Session
    from n2k_fcgi.service.access.limits import Limits
    from n2k_fcgi.service.access.sessions import Sessions
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Headers

COOKIE = "n2k_session"


class LoggedIn(NamedTuple):
    """The session of a request."""

    session: Session
    id: str
    form_token: str


class Owner:
    """*trusted_proxies* and *url* are settings."""

    def __init__(self, sessions: Sessions, limits: Limits, trusted_proxies: tuple[str, ...], url: str) -> None:
        self._sessions = sessions
        self._limits = limits
        self._trusted_proxies = trusted_proxies
        self._url = url

    def refuse_plain(self, request: Request) -> Transport:
        """Return how the request came. Raises PlainHttp if others can read it; its answer is this caller's alone."""
        request.wants_token = True
        way = transport(request.environ, self._trusted_proxies)
        if way is Transport.PLAIN:
            raise PlainHttp
        return way

    def log_in(self, request: Request) -> Headers:
        """Begin a session with the field ``token``, or ``code``, of a form; return the header that sets its cookie.

        Raises PlainHttp, ForgedForm, TokenNeeded, TokenNotEnough, TooManyRequests, BadRequest, NothingHere. A valid token or
        code is never rejected for the failures of others.
        """
        _refuse_below(request)
        way = self.refuse_plain(request)
        refuse_forged(request, way, self._trusted_proxies, self._url)
        token, code = (request.form.get(name, "").strip() for name in ("token", "code"))
        try:
            new = self._sessions.begin(token) if token else self._sessions.begin_by_code(code)
        except TokenNeeded:
            self._limits.failure(client_address(request.environ, self._trusted_proxies), token_id(token))
            raise
        return _cookie(new.id, way)

    def logged_in(self, request: Request) -> LoggedIn | None:
        """Return the session of the request's cookie; None: the owner must log in. Raises PlainHttp."""
        self.refuse_plain(request)
        for id in _ids(request):
            session = self._sessions.find(id)
            if session is not None:
                return LoggedIn(session, id, form_token(id))
        return None

    def form(self, request: Request) -> tuple[LoggedIn, dict[str, str]] | None:
        """Return the session and the fields of a form that a page of this session sent; None: the owner must log in.

        Raises PlainHttp, ForgedForm, BadRequest.
        """
        way = self.refuse_plain(request)
        refuse_forged(request, way, self._trusted_proxies, self._url)
        owner = self.logged_in(request)
        if owner is None:
            return None
        if not is_form_token(owner.id, request.form.get("form", "")):
            raise ForgedForm(why="its form token is missing, or of another session")
        return owner, request.form

    def log_out(self, request: Request, owner: LoggedIn) -> Headers:
        """End the session; return the header that removes its cookie. Raises NothingHere."""
        _refuse_below(request)
        self._sessions.end(owner.id)
        return _cookie("", self.refuse_plain(request), "; Max-Age=0")


def _refuse_below(request: Request) -> None:
    """Raises NothingHere for ``/login/``: a browser takes that folder, and not the mount, for the cookie's."""
    if request.raw_path.count(b"/") > 1:
        raise NothingHere


def _cookie(value: str, way: Transport, more: str = "") -> Headers:
    """The cookie has no Path, so that the browser takes the folder of the address that sets it, which is the mount.

    (RFC 6265, 5.1.4.) That is right behind a proxy that removes a folder from the path, too. It must be set by an address
    just below the mount.
    """
    secure = "; Secure" if way is Transport.ENCRYPTED else ""
    return (("Set-Cookie", f"{COOKIE}={value}; HttpOnly; SameSite=Strict{secure}{more}"),)


def _ids(request: Request) -> list[str]:
    """Every value of our cookie: two services below one another on a host have one each, and a neighbour may set more.

    As many as fit into a header, so that none of them hides ours; each costs one read of the volatile file.
    """
    pairs = request.environ.get("HTTP_COOKIE", "").replace(",", ";").split(";")
    values = (value.strip() for name, _, value in (pair.partition("=") for pair in pairs) if name.strip() == COOKIE)
    return list(dict.fromkeys(values))
