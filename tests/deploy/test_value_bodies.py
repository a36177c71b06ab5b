"""Bodies of values through real web servers: chunked ones too, which some pass on without a length."""

import pytest

from tests.support.apache import apache
from tests.support.foreground import free_port
from tests.support.machine import Machine
from tests.support.snippets import parsed, snippets, units
from tests.support.value_bodies import send_all_kinds

SERVICE = parsed(dict(reversed(units()))["n2k.service"])["Service"]["ExecStart"]
"""The command of the first service unit, which listens itself."""


def token_of(machine: Machine) -> str:
    """The token of a namespace."""
    return machine.account.golden.placeholders["{SHOP_TOKEN}"]


@pytest.mark.parametrize("gateway", ["fcgid", "cgid"])
def test_apache(machine: Machine, gateway: str) -> None:
    """The deployed script and .htaccess, with mod_fcgid and as plain CGI."""
    machine.account.n2k("deploy", str(machine.account.site))
    with apache(machine.account.site, gateway=gateway) as server:
        send_all_kinds("127.0.0.1", server.port, token_of(machine))


def test_nginx(machine: Machine) -> None:
    """The snippet of docs/deploy.md."""
    port = free_port()
    snippet = snippets("nginx")[0].replace("listen 80;", f"listen 127.0.0.1:{port};")
    with machine.service(SERVICE), machine.nginx(snippet, port):
        send_all_kinds("127.0.0.1", port, token_of(machine), "/n2k")


def test_lighttpd(machine: Machine) -> None:
    """The snippet of docs/deploy.md."""
    port = free_port()
    with machine.service(SERVICE), machine.lighttpd(snippets("lighttpd")[0], port):
        send_all_kinds("127.0.0.1", port, token_of(machine), "/n2k")
