"""The service's own address, for examples and scripts that people take elsewhere. Links never need it."""

import re
from urllib.parse import quote, urljoin

from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.services import Services

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_ON = ("on", "1", "https")


def own_address(request: Request, services: Services) -> str:
    """Return the address of the root, with a slash at its end: the setting ``url``, else where the browser asked.

    Headers decide the latter. Any caller can send them, and only for himself.
    """
    if services.url:
        return services.url.rstrip("/") + "/"
    environ = request.environ
    says = (environ.get(name, "").lower() for name in ("HTTPS", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO"))
    scheme = "https" if any(word in _ON for word in says) else "http"
    host = request.header("HOST")
    if not _HOST.fullmatch(host):
        host = environ.get("SERVER_NAME", "localhost")
    uri: str = environ.get("REQUEST_URI") or environ.get("SCRIPT_NAME", "") + quote(environ.get("PATH_INFO", ""))
    path = "/" + uri.partition("?")[0].lstrip("/")
    return urljoin(f"{scheme}://{host}{path}", request.way_to_root or "./")
