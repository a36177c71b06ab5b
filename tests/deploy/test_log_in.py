"""The log-in behind real Apache with mod_fcgid: over TLS, over plain HTTP, below a folder of the site, with two workers."""

import http.client
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.apache import MODULES, Apache, apache
from tests.support.foreground import free_port
from tests.support.golden import Reply
from tests.support.hosting import Account
from tests.support.processes import eventually
from tests.support.web_server import CERTIFICATE

TLS = """
LoadModule ssl_module {modules}/mod_ssl.so
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
SSLEngine on
SSLCertificateFile {certificate}
SSLCertificateKeyFile {certificate}
DocumentRoot {docroot}
</VirtualHost>
"""


class Site:
    """One site, in both ways."""

    def __init__(self, account: Account, server: Apache, port: int) -> None:
        self.account = account
        self.server = server
        self.port = port
        self.log = account.home / "access.log"
        self.cookie = ""

    def ask(self, method: str, target: str, fields: dict[str, str] | None = None, *, tls: bool = True, host: str = "") -> Reply:
        """A request as a browser sends it, with the cookie that it has."""
        port = self.port if tls else self.server.port
        context = ssl._create_unverified_context()
        made = (
            http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        )
        host = host or f"127.0.0.1:{port}"
        headers = {"Accept": "text/html", "Host": host, "Cookie": self.cookie}
        if fields is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http{'s' * tls}://{host}"}
        try:
            made.request(method, target, urlencode(fields) if fields is not None else None, headers)
            answer = made.getresponse()
            reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            made.close()
        if "set-cookie" in reply.headers:
            self.cookie = reply.headers["set-cookie"].partition(";")[0]
        return reply

    def log_in(self, **options: object) -> Reply:
        """With a new code."""
        code = self.account.n2k("pages", "code").strip()
        return self.ask("POST", "/n2k/login", {"code": code}, **options)  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The service below ``/n2k`` of a site that is served over HTTP and HTTPS."""
    account = Account(tmp_path / "home")
    folder = account.site / "n2k"
    folder.mkdir()
    account.n2k("deploy", str(folder))
    port = free_port()
    settings = f"TransferLog {account.home / 'access.log'}\n" + TLS.format(
        modules=MODULES, port=port, certificate=CERTIFICATE, docroot=account.site
    )
    with apache(account.site, settings=settings) as server:
        yield Site(account, server, port)


def test_a_session_over_tls(site: Site) -> None:
    """Apache says HTTPS: the cookie is Secure, redirects stay below the folder, forms work, and log-out ends it."""
    reply = site.log_in()
    assert (reply.status, reply.headers["location"]) == (303, "./status")
    assert reply.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict; Secure")
    page = site.ask("GET", "/n2k/status")
    assert page.status == 200 and b"<svg" in page.body and page.headers["cache-control"] == "no-store"
    (form,) = set(re.findall(r'name="form" value="([0-9a-f]{64})"', page.body.decode()))
    made = site.ask("POST", "/n2k/status/tokens", {"form": form, "scope": "register"})
    assert made.status == 200 and re.search(r"n2k_[0-9a-f]{12}_[0-9a-f]{64}", made.body.decode())
    assert site.ask("POST", "/n2k/status/tokens", {"scope": "register"}).status == 403
    kept = site.cookie
    assert site.ask("POST", "/n2k/logout", {"form": form}).headers["location"] == "./login"
    site.cookie = kept
    assert site.ask("GET", "/n2k/status").headers["location"] == "./login"


def test_over_plain_http(site: Site) -> None:
    """From this machine by its name, without Secure; by the name of the site nobody logs in, nor uses a session."""
    reply = site.log_in(tls=False)
    assert reply.status == 303 and reply.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict")
    assert site.ask("GET", "/n2k/status", tls=False).status == 200
    refused = site.ask("GET", "/n2k/status", tls=False, host="example.com")
    assert refused.status == 403 and b"no log-in over plain HTTP" in refused.body
    assert site.log_in(tls=False, host="example.com").status == 403


def test_no_secret_is_in_apaches_log(site: Site) -> None:
    """Neither the code nor the session: no address has one."""
    code = site.account.n2k("pages", "code").strip()
    site.ask("POST", "/n2k/login", {"code": code})
    site.ask("GET", "/n2k/status")
    assert eventually(lambda: b"GET /n2k/status" in site.log.read_bytes())
    logged = site.log.read_text() + site.server.error_log
    assert "POST /n2k/login" in logged
    for secret in (code, code.replace("-", ""), site.cookie.partition("=")[2]):
        assert secret and secret not in logged
