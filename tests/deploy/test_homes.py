"""Every way to run the service, from the snippets of docs/deploy.md: all golden cases, byte for byte."""

import contextlib

import pytest

from n2k_fcgi.servers.live import LiveApplication
from tests.support.apache import apache
from tests.support.asking import over_http, wsgi
from tests.support.foreground import free_port
from tests.support.golden import CASES_FILE, run_all
from tests.support.machine import Machine
from tests.support.snippets import changed, parsed, snippets, units

CASES = len(CASES_FILE.read_text("utf-8").splitlines())
SERVICE = parsed(dict(reversed(units()))["n2k.service"])["Service"]["ExecStart"]
"""The command of the first service unit, which listens itself."""

NGINX_ROOT = ("location /n2k/", "location /"), ('fastcgi_param SCRIPT_NAME "/n2k";', 'fastcgi_param SCRIPT_NAME "";')
LIGHTTPD_ROOT = (('"/n2k" =>', '"/" =>'),)
APACHE_ROOT = (
    ('<Location "/n2k/">', '<Location "/">'),
    ('ProxyFCGISetEnvIf "true" SCRIPT_NAME "/n2k"', 'ProxyFCGISetEnvIf "true" SCRIPT_NAME ""'),
)

in_two_places = pytest.mark.parametrize("mount", ["/n2k", ""])


def asked(machine: Machine, port: int, mount: str = "", *, skipped: str = "") -> int:
    """Send every golden case there; *skipped* is a header that the web server removes."""
    return run_all(over_http("127.0.0.1", port, mount), machine.account.golden, skipped_headers=frozenset({skipped}))


def test_the_page_has_each_home_once() -> None:
    """One nginx snippet, two of lighttpd (n2k beside it, and started by it), two of Apache (a proxy, mod_wsgi), three units."""
    assert [len(snippets(language)) for language in ("nginx", "lighttpd", "apache", "ini")] == [1, 2, 2, 3]
    assert ["bin-path" in snippet for snippet in snippets("lighttpd")] == [False, True]


@in_two_places
def test_nginx(machine: Machine, mount: str) -> None:
    """nginx in front of the service unit's command, in a folder and at the root."""
    port = free_port()
    snippet = snippets("nginx")[0] if mount else changed(snippets("nginx")[0], *NGINX_ROOT)
    assert "listen 80;" in snippet
    with machine.service(SERVICE), machine.nginx(snippet.replace("listen 80;", f"listen 127.0.0.1:{port};"), port):
        assert asked(machine, port, mount) == CASES


@pytest.mark.parametrize("starts", [False, True], ids=["external", "bin-path"])
@in_two_places
def test_lighttpd(machine: Machine, mount: str, starts: bool) -> None:
    """lighttpd in front of the service unit's command, and starting the deployed script itself; in a folder and at the root."""
    port = free_port()
    machine.account.n2k("deploy", str(machine.account.site))
    snippet = snippets("lighttpd")[starts]
    if not mount:
        snippet = changed(snippet, *LIGHTTPD_ROOT)
    with contextlib.nullcontext() if starts else machine.service(SERVICE), machine.lighttpd(snippet, port):
        assert asked(machine, port, mount) == CASES


@in_two_places
def test_apache_with_mod_proxy_fcgi(machine: Machine, mount: str) -> None:
    """Apache's proxy in front of the service unit's command, in a folder and at the root."""
    snippet = snippets("apache")[0] if mount else changed(snippets("apache")[0], *APACHE_ROOT)
    with (
        machine.service(SERVICE),
        apache(machine.account.site, gateway="proxy_fcgi", settings=machine.own(snippet)) as server,
    ):
        assert asked(machine, server.port, mount, skipped="Content-Length") == CASES


def test_apache_with_plain_cgi(machine: Machine) -> None:
    """The deployed script where Apache has only mod_cgid, one process per request, for one case of each kind."""
    machine.account.n2k("deploy", str(machine.account.site))
    application = LiveApplication({"data_dir": str(machine.account.data)})
    skipped = frozenset({"Content-Length"})
    try:
        with apache(machine.account.site, gateway="cgid") as server:
            ask = over_http("127.0.0.1", server.port)
            assert run_all(ask, machine.account.golden, others=wsgi(application), skipped_headers=skipped) == CASES
    finally:
        application.close()
