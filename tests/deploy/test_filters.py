"""Web servers that compress answers on their way, and change the ETag by that: a caller who has an answer still gets 304."""

import contextlib
import gzip
from collections.abc import Callable, Iterator

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


@contextlib.contextmanager
def behind_apache(machine: Machine, settings: str) -> Iterator[Ask]:
    """What deploy wrote, with a filter of the host's."""
    machine.account.n2k("deploy", str(machine.account.site))
    with apache(machine.account.site, settings=settings) as server:
        yield over_http("127.0.0.1", server.port)


@contextlib.contextmanager
def behind_nginx(machine: Machine, settings: str) -> Iterator[Ask]:
    """nginx as docs/deploy.md has it, with more settings."""
    port = free_port()
    snippet = snippets("nginx")[0].replace("listen 80;", f"listen 127.0.0.1:{port}; {settings}")
    with machine.service(SERVICE), machine.nginx(snippet, port):
        yield over_http("127.0.0.1", port, "/n2k")


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
    server: Callable[[Machine, str], contextlib.AbstractContextManager[Ask]],
    settings: str,
    encoding: str,
    changed: str,
) -> None:
    """Asked with the tag that came, alone, in a list and by an asterisk: 304 without a body; another tag gets all of it."""
    with server(machine, settings) as ask:
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
"""What guides to a fast site say, and hosts set; it means files, and is done to answers as well."""


def test_a_host_that_has_answers_kept(machine: Machine) -> None:
    """Names are found by somebody else tomorrow: no cache and no browser may answer with what was true a month ago."""
    with behind_apache(machine, KEPT_FOR_A_MONTH) as ask:
        for address in ("/?name=masakazu.kojima", "/name2key/masakazu.kojima", "/ready", AVATAR, STATISTICS, "/?name=%"):
            kept = ask("GET", address, {}, b"").headers["cache-control"]
            assert "no-cache" in kept.split(", "), address
            assert "max-age" in kept or "%" in address, "the precondition: the module is on"
