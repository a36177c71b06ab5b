"""The owner's browser: it keeps cookies and sends forms as browsers do, over HTTPS, from this machine, or over plain HTTP."""

import io
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from tests.support.asking import cgi_environ
from tests.support.golden import Reply
from tests.support.people import BROWSER, Page

FORM = "application/x-www-form-urlencoded"


class Browser:
    """Asks *application*, mounted at *mount*, over *scheme* as *host*, from *peer*.

    *environ*: more variables of the web server. Cookies go where RFC 6265 lets them.
    """

    def __init__(
        self,
        application: Callable[..., Any],
        *,
        mount: str = "",
        scheme: str = "https",
        host: str = "n2k.example",
        peer: str = "198.51.100.7",
        **environ: str,
    ) -> None:
        self._application = application
        self.mount = mount
        self.scheme = scheme
        self.host = host
        self._environ = {"REMOTE_ADDR": peer, "HTTP_HOST": host, **environ}
        if scheme == "https":
            self._environ["HTTPS"] = "on"  # as web servers say it in FastCGI and CGI
        self.cookies: dict[str, tuple[str, str]] = {}
        """Name -> (value, path)."""
        self.set: list[str] = []
        """Each Set-Cookie that came."""

    @property
    def origin(self) -> str:
        """Of our pages."""
        return f"{self.scheme}://{self.host}"

    def get(self, target: str, **headers: str) -> Reply:
        """A page that is asked for."""
        return self.ask("GET", target, b"", headers)

    def post(self, target: str, fields: dict[str, str], **headers: str) -> Reply:
        """A form of our page is sent: without a referrer browsers send no origin but ``null``. '' leaves a header out."""
        usual = {"Content_Type": FORM, "Origin": "null", "Sec_Fetch_Site": "same-origin"}
        sent = {name: value for name, value in {**usual, **headers}.items() if value}
        return self.ask("POST", target, urlencode(fields).encode(), sent)

    def ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Any request; *headers* with underscores."""
        path = self.mount + urlsplit(target).path
        named = {"Accept": BROWSER, **{name.replace("_", "-"): value for name, value in headers.items()}}
        cookies = [f"{name}={value}" for name, (value, where) in self.cookies.items() if _reaches(where, path)]
        if cookies:
            named["Cookie"] = "; ".join(cookies)
        environ: dict[str, Any] = {**cgi_environ(method, target, named, body, self.mount), **self._environ}
        environ |= {"wsgi.input": io.BytesIO(body), "wsgi.url_scheme": self.scheme}
        got: dict[str, Any] = {}

        def start_response(status: str, fields: list[tuple[str, str]]) -> None:
            got.update(status=int(status[:3]), fields=fields)

        answered = b"".join(self._application(environ, start_response))
        for name, value in got["fields"]:
            if name == "Set-Cookie":
                self._keep(value, path)
        return Reply(got["status"], {name.lower(): value for name, value in got["fields"]}, answered)

    def _keep(self, text: str, path: str) -> None:
        self.set.append(text)
        for name, morsel in SimpleCookie(text).items():
            assert morsel["samesite"] == "Strict" and morsel["httponly"]
            assert bool(morsel["secure"]) == (self.scheme == "https")
            where = morsel["path"] or path.rpartition("/")[0] or "/"
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value, where

    def log_in(self, **fields: str) -> Reply:
        """Send the form of the log-in."""
        return self.post("/login", fields)

    def status(self) -> Page:
        """The page of whoever is logged in."""
        reply = self.get("/status")
        assert reply.status == 200, reply
        return Page(reply.body)

    def is_logged_in(self) -> bool:
        """Whether the page is shown, and not the log-in."""
        reply = self.get("/status")
        assert reply.status == 200 or self.place(reply, "/status") == "/login"
        return reply.status == 200

    def send(self, action: str, **fields: str) -> Reply:
        """Send the form of the status page that leads to *action*, with its form token."""
        (token,) = {each["value"] for each in self.status().every("input") if each.get("name") == "form"}
        return self.post(action, {"form": token, **fields})

    def place(self, reply: Reply, target: str) -> str:
        """Where a redirect leads, below the mount."""
        assert reply.status == 303
        return urlsplit(urljoin(self.mount + target, reply.headers["location"])).path.removeprefix(self.mount)


def _reaches(where: str, path: str) -> bool:
    """Whether a cookie of the path *where* is sent to *path* (RFC 6265, 5.1.4)."""
    return path == where or path.startswith(where if where.endswith("/") else where + "/")
