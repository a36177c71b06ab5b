"""Send a request to a web server as a script in-world does: follow no redirect, raise nothing."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from n2k_fcgi import __version__

TIMEOUT = 30.0
"""Seconds for one whole response: mod_fcgid takes a few to start a worker on a busy host, and many after failures."""

READ_BYTES = 64 * 1024

AGENT = f"n2k-doctor/{__version__}"
"""Filters reject Python-urllib's own."""


class Reply(NamedTuple):
    """One response; header names in lower case. Status 0: there was none, and ``body`` has the reason."""

    status: int
    body: str
    headers: Mapping[str, str]

    @property
    def is_ours_in_form(self) -> bool:
        """Whether it has the form of our error lines: text/plain with nosniff, one line."""
        kind, guess = self.headers.get("content-type", ""), self.headers.get("x-content-type-options", "")
        return (kind, guess) == ("text/plain; charset=utf-8", "nosniff") and self.body.count("\n") == 1


def ask(url: str, form: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """GET *url*, or POST *form* to it; follow no redirect. Errors of the network are a ``Reply``."""
    import http.client  # late: urllib is slow to load, and few commands ask a site
    import urllib.error
    import urllib.request

    from n2k_fcgi.deploy.deadline import handlers

    class Stay(urllib.request.HTTPRedirectHandler):
        def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> None:  # noqa: PLR0917
            """Ignore it: the target may not be an address."""

        http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    try:
        data = None if form is None else form.encode()
        request = urllib.request.Request(url, data, {"User-Agent": AGENT, **(headers or {})})
        try:
            answer = urllib.request.build_opener(Stay, *handlers(time.monotonic() + TIMEOUT)).open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            body = answer.read(READ_BYTES).decode("utf-8", "replace")
            fields = answer.headers
            return Reply(answer.status, body, {name.lower(): ", ".join(fields.get_all(name, [])) for name in fields})
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)  # urllib wraps errors of connecting
        return Reply(0, str(getattr(cause, "strerror", None) or cause), {})
