"""Limits behind the owner's proxies, with real web servers: each passes headers on in its own way."""

import contextlib
import http.client
from collections.abc import Callable, Iterator

import pytest

from tests.deploy.test_homes import SERVICE
from tests.support.apache import apache
from tests.support.foreground import free_port
from tests.support.hosting import REPOSITORY
from tests.support.machine import Machine
from tests.support.snippets import snippets
from tests.support.standalone import serving

JOINED = "fastcgi_param HTTP_X_FORWARDED_FOR $http_x_forwarded_for if_not_empty;"
"""The line that docs/hosting/nginx.md has for nginx behind other proxies."""


@contextlib.contextmanager
def by_apache(machine: Machine) -> Iterator[int]:
    """The port of Apache with mod_fcgid."""
    machine.account.n2k("deploy", str(machine.account.site))
    with apache(machine.account.site) as server:
        yield server.port


@contextlib.contextmanager
def by_nginx(machine: Machine) -> Iterator[int]:
    """The port of nginx as in docs/hosting/nginx.md."""
    assert JOINED in (REPOSITORY / "docs" / "hosting" / "nginx.md").read_text("utf-8")
    port = free_port()
    snippet = snippets("nginx")[0].replace("listen 80;", f"listen 127.0.0.1:{port};")
    with machine.service(SERVICE), machine.nginx(snippet.replace("fastcgi_pass", f"{JOINED} fastcgi_pass"), port):
        yield port


@contextlib.contextmanager
def by_lighttpd(machine: Machine) -> Iterator[int]:
    """The port of lighttpd as in docs/deploy.md."""
    port = free_port()
    with machine.service(SERVICE), machine.lighttpd(snippets("lighttpd")[0], port):
        yield port


@contextlib.contextmanager
def by_granian(machine: Machine) -> Iterator[int]:
    """The port of ``n2k serve``."""
    with serving(machine.account.data) as server:
        yield server.port


def statuses(port: int, mount: str, caller: str, *fields: tuple[str, str]) -> list[int]:
    """Four registrations with these headers; '*' in a value is a different number each time, *caller* makes names unique."""
    found = []
    for number in range(4):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            connection.putrequest(
                "GET", f"{mount}/?name={caller}{number}+Last&key={number:08x}-2222-3333-4444-{ord(caller):012x}"
            )
            for name, value in fields:
                connection.putheader(name, value.replace("*", str(number)))
            connection.endheaders()
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
    return found


@pytest.mark.parametrize(("server", "mount"), [(by_apache, ""), (by_nginx, "/n2k"), (by_lighttpd, "/n2k"), (by_granian, "")])
def test_callers_are_told_apart(
    machine: Machine, server: Callable[[Machine], contextlib.AbstractContextManager[int]], mount: str
) -> None:
    """With ports, in one header or several, by either header, behind a second proxy: three writes each, then 429."""
    machine.account.settings("register = open\nwrite_limit = 3\ntrusted_proxies = 127.0.0.0/8")
    listed, limited = "X-Forwarded-For", [200, 200, 200, 429]
    with server(machine) as port:
        assert statuses(port, mount, "a", (listed, "203.0.113.1:5123*")) == limited
        assert statuses(port, mount, "b", (listed, "6.6.6.*"), (listed, "203.0.113.2:5123*")) == limited
        assert statuses(port, mount, "c", (listed, "6.6.6.*"), (listed, "203.0.113.3"), (listed, "127.0.0.9:80")) == limited
        assert statuses(port, mount, "d", (listed, "203.0.113.4, 127.0.0.9")) == limited
        assert statuses(port, mount, "e", ("Forwarded", 'for="[2001:db8::1*]:443";proto=https, for=127.0.0.9')) == limited
