"""What web servers do to answers: they compress them, which changes the ETag, and add headers for caches."""

import contextlib
import gzip
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.deploy.test_homes import SERVICE
from tests.support.apache import MODULES, apache
from tests.support.asking import over_http
from tests.support.foreground import free_port
from tests.support.golden import Ask
from tests.support.machine import Machine
from tests.support.snippets import snippets

AVATAR = "/api/v1/avatars/a27b84f0-2757-4176-9579-43a181d4a5a0"
STATISTICS = "/api/v1/statistics"
ADDRESSES = (AVATAR, f"{AVATAR}/history", "/api/v1/search?prefix=former")

DEFLATE = "SetOutputFilter DEFLATE"
BROTLI = f"LoadModule brotli_module {MODULES}/mod_brotli.so\nSetOutputFilter BROTLI_COMPRESS"
GZIP = "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;"


def asking(url: str) -> Ask:
    """A function that sends requests below *url*."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return over_http(parts.hostname, parts.port, parts.path)


@contextlib.contextmanager
def behind_apache(machine: Machine, settings: str) -> Iterator[str]:
    """A deployed folder, with a filter of the host."""
    machine.account.n2k("deploy", str(machine.account.site))
    with apache(machine.account.site, settings=settings) as server:
        yield server.url


@contextlib.contextmanager
def behind_nginx(machine: Machine, settings: str) -> Iterator[str]:
    """nginx as in docs/deploy.md, with additional settings."""
    port = free_port()
    snippet = snippets("nginx")[0].replace("listen 80;", f"listen 127.0.0.1:{port}; {settings}")
    with machine.service(SERVICE), machine.nginx(snippet, port):
        yield f"http://127.0.0.1:{port}/n2k"


@pytest.mark.parametrize(
    "server, settings, encoding, changed",
    [
        (behind_apache, DEFLATE, "gzip", '"{}-gzip"'),
        (behind_apache, BROTLI, "br", '"{}-br"'),
        (behind_apache, f"{DEFLATE}\nDeflateAlterETag NoChange", "gzip", '"{}"'),
        (behind_nginx, GZIP, "gzip", 'W/"{}"'),
    ],
    ids=["deflate", "brotli", "unchanged", "nginx"],
)
def test_a_compressed_answer_is_known_again(
    machine: Machine,
    server: Callable[[Machine, str], contextlib.AbstractContextManager[str]],
    settings: str,
    encoding: str,
    changed: str,
) -> None:
    """With the received tag, alone, in a list, or with an asterisk: 304 without a body; another tag gets the whole answer."""
    with server(machine, settings) as url:
        ask = asking(url)
        for address in ADDRESSES:
            plain = ask("GET", address, {}, b"")
            packed = ask("GET", address, {"Accept-Encoding": encoding}, b"")
            assert packed.headers["content-encoding"] == encoding and packed.body != plain.body
            assert encoding != "gzip" or gzip.decompress(packed.body) == plain.body
            tag = packed.headers["etag"]
            assert tag == changed.format(plain.headers["etag"].strip('"')), "the precondition: the filter is on"
            for known in (tag, f'"0", {tag}, "1"', "*"):
                for method in ("GET", "HEAD"):
                    again = ask(method, address, {"Accept-Encoding": encoding, "If-None-Match": known}, b"")
                    assert (again.status, again.body) == (304, b""), (method, known)
            other = ask("GET", address, {"Accept-Encoding": encoding, "If-None-Match": '"0-gzip"'}, b"")
            assert (other.status, other.body) == (200, packed.body)


KEPT_FOR_A_MONTH = f"""
LoadModule expires_module {MODULES}/mod_expires.so
ExpiresActive on
ExpiresDefault "access plus 1 month"
"""
"""What guides to a fast site say, and hosts set; it is meant for files, and applied to answers, too."""


def test_a_host_that_has_answers_kept(machine: Machine) -> None:
    """Names may change at any time: no cache and no browser may answer with last month's data."""
    with behind_apache(machine, KEPT_FOR_A_MONTH) as url:
        ask = asking(url)
        for address in ("/?name=masakazu.kojima", "/name2key/masakazu.kojima", "/ready", AVATAR, STATISTICS, "/?name=%"):
            kept = ask("GET", address, {}, b"").headers["cache-control"]
            assert "no-cache" in kept.split(", "), address
            assert "max-age" in kept or "%" in address, "the precondition: the module is on"


@pytest.mark.parametrize(
    "server, settings, may_keep",
    [(behind_nginx, "", ""), (behind_nginx, "expires 30d;", "max-age=2592000"), (behind_apache, KEPT_FOR_A_MONTH, "")],
    ids=["plain", "nginx", "apache"],
)
def test_doctor_warns_where_answers_are_kept(
    machine: Machine, server: Callable[[Machine, str], contextlib.AbstractContextManager[str]], settings: str, may_keep: str
) -> None:
    """nginx replaces our header, which is reported; Apache adds its own, which is harmless."""
    with server(machine, settings) as url:
        done = machine.account.run("doctor", url)
    line = next(line for line in done.stdout.splitlines() if "lookup: " in line)
    if may_keep:
        assert line.startswith("warning") and f"Cache-Control: {may_keep}," in line and "expires off" in line
    else:
        assert line.startswith("ok")
