"""How a request came: encrypted, from this machine, or so that others can read it; from a page of ours, or another site's."""

from __future__ import annotations

from enum import Enum, auto

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import ForgedForm
from n2k_fcgi.web.addresses import is_loopback, is_trusted
from n2k_fcgi.web.forwarded import protocols

if TYPE_CHECKING:
    from n2k_fcgi.web.decoding import Environ
    from n2k_fcgi.web.requests import Request

_OF_PROXIES = (
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED"),
    *("HTTP_X_REAL_IP", "HTTP_VIA"),
)
"""Headers that say that a proxy passed a request on."""

_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


class Transport(Enum):
    """What others can read of a request."""

    ENCRYPTED = auto()
    LOOPBACK = auto()
    """Plain, but it never left this machine."""
    PLAIN = auto()


def transport(environ: Environ, trusted: tuple[str, ...]) -> Transport:
    """Return how the request came to this server, or to the first of its proxies.

    *trusted*: networks of proxies. What such a proxy tells of the protocol counts, in X-Forwarded-Proto or Forwarded: it is
    encrypted if every hop was. LOOPBACK: no proxy had it, and the browser asked for this very machine by its name, which is
    not so when another site's name leads here (DNS rebinding).
    """
    scheme = environ.get("wsgi.url_scheme", "http")
    peer: str = environ.get("REMOTE_ADDR", "")
    told = protocols(environ) if is_trusted(peer, trusted) else []
    if told:
        return Transport.ENCRYPTED if set(told) == {"https"} else Transport.PLAIN
    if scheme == "https":
        return Transport.ENCRYPTED
    is_direct = not any(name in environ for name in _OF_PROXIES)
    host = _without_port(environ.get("HTTP_HOST", ""))
    is_here = host == "localhost" or is_loopback(host)
    return Transport.LOOPBACK if is_direct and is_here and is_loopback(peer) else Transport.PLAIN


def refuse_forged(request: Request, way: Transport, trusted: tuple[str, ...], url: str) -> None:
    """Raise ForgedForm unless the browser says that a page of this service sent the form. *url*: the setting.

    Our pages have ``Referrer-Policy: no-referrer``, with which browsers send ``Origin: null``, also to ourselves (Fetch
    standard, "append a request Origin header"): then Sec-Fetch-Site decides, which they send over HTTPS and to this machine.
    """
    environ = request.environ
    site, origin = environ.get("HTTP_SEC_FETCH_SITE", ""), environ.get("HTTP_ORIGIN", "")
    if site and site != "same-origin":
        raise ForgedForm(why="Sec-Fetch-Site is not same-origin")
    if origin in ("", "null"):
        if not site:
            raise ForgedForm(why="the browser sent neither Origin nor Sec-Fetch-Site")
        return
    if origin not in _own_origins(environ, way, trusted, url):
        raise ForgedForm(why="Origin is another site")


def _own_origins(environ: Environ, way: Transport, trusted: tuple[str, ...], url: str) -> set[str]:
    scheme = "https" if way is Transport.ENCRYPTED else "http"
    hosts = [environ.get("HTTP_HOST", "")]
    if is_trusted(environ.get("REMOTE_ADDR", ""), trusted):
        hosts.append(environ.get("HTTP_X_FORWARDED_HOST", "").rpartition(",")[2].strip())
    origins = {f"{scheme}://{host.lower().removesuffix(_DEFAULT_PORTS[scheme])}" for host in hosts if host}
    if url:
        origins.add("/".join(url.split("/")[:3]).lower())
    return origins


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
