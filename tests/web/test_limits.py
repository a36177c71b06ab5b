"""429 through the real application: which requests count, by address or token, over all workers; lookups are not limited."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.web.addresses import client_address
from tests.support.asking import cgi_environ
from tests.support.fastcgi_client import get
from tests.support.sandbox import MASAKAZU, Sandbox, csv
from tests.support.with_clock import NOON, limits_by
from tests.support.worker import worker

LOW = {"write_limit": "5", "token_limit": "4", "failure_limit": "3"}


class Asker:
    """Sends requests to an application in this process, from a given address."""

    def __init__(self, application: Any, token: str, other: str) -> None:
        self._application = application
        self.token = token
        self.other = other
        self._count = 0

    def ask(self, method: str, target: str, body: bytes = b"", peer: str = "192.0.2.1", **headers: str) -> tuple[int, str, str]:
        """Status, Retry-After ('' without one) and body."""
        got: dict[str, Any] = {}

        def start_response(status: str, fields: list[tuple[str, str]]) -> None:
            got.update(status=int(status[:3]), wait=dict(fields).get("Retry-After", ""))

        named = {name.replace("_", "-"): value for name, value in headers.items()}
        environ = {**cgi_environ(method, target, named, body), "REMOTE_ADDR": peer, "wsgi.input": io.BytesIO(body)}
        answered = b"".join(self._application(environ, start_response)).decode()
        return got["status"], got["wait"], answered

    def register(self, token: str | None = None, peer: str = "192.0.2.1", **headers: str) -> int:
        """Register a new avatar; return the status."""
        self._count += 1
        form = f"/?name=Name{self._count}+Last&key={self._count:08x}-2222-3333-4444-555555555555"
        return self.ask("POST", form, peer=peer, **({"X_N2K_Token": token} if token else {}), **headers)[0]


@contextlib.contextmanager
def asker(data_dir: Path, **flags: str) -> Iterator[Asker]:
    """An application with low limits, which do not refill, and two tokens."""
    box = Sandbox(data_dir)
    box.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    tokens = [create_token(box.store.tokens, ("register",)).text for _ in range(2)]
    box.close()
    with limits_by():
        application = LiveApplication({"data_dir": str(data_dir), **LOW, **flags})
    try:
        yield Asker(application, *tokens)
    finally:
        application.close()


def test_a_token_is_limited_and_another_is_not(tmp_path: Path) -> None:
    """Four writes, then 429 with one line and how long to wait, and nothing stored; lookups go on."""
    with asker(tmp_path / "data", write_limit="100") as one:
        assert [one.register(one.token, peer=f"192.0.2.{n}") for n in range(5)] == [200, 200, 200, 200, 429]
        status, wait, said = one.ask("POST", "/?name=New+One&key=" + MASAKAZU, X_N2K_Token=one.token)
        assert (status, said.count("\n")) == (429, 1) and 0 < int(wait) <= 15
        assert said == f"too many writes from here: try again in {wait} s\n"
        assert one.register(one.other) == 200
        assert one.ask("GET", "/?name=name5.last")[2] == "00000000-0000-0000-0000-000000000000"
        for _ in range(50):
            assert one.ask("GET", "/?name=masakazu.kojima")[::2] == (200, MASAKAZU)


def test_an_address_is_limited_whatever_its_tokens(tmp_path: Path) -> None:
    """Five from one address, also with open registration; another address is not affected."""
    with asker(tmp_path / "data", register="open") as one:
        assert [one.register() for _ in range(6)] == [200] * 5 + [429]
        assert one.register(peer="192.0.2.2") == 200


def test_json_says_it_in_json(tmp_path: Path) -> None:
    """A list counts as many writes as it has rows; one object, one line."""
    with asker(tmp_path / "data", write_limit="100") as one:
        rows = [{"name": f"Many{n} Last", "key": f"{n:08x}-aaaa-3333-4444-555555555555"} for n in range(1, 4)]
        body = json.dumps({"avatars": rows}).encode()
        assert one.ask("POST", "/api/v1/avatars", body, X_N2K_Token=one.token)[0] == 200
        status, wait, said = one.ask("POST", "/api/v1/avatars", body, X_N2K_Token=one.token)
        assert status == 429 and json.loads(said) == {"error": f"too many writes from here: try again in {wait} s"}


def test_anonymous_keys_are_writes(tmp_path: Path) -> None:
    """One address cannot fill the queue of keys without a name."""
    with asker(tmp_path / "data") as one:
        asked = [one.ask("GET", f"/name2key?keys={n:08x}-aaaa-3333-4444-555555555555")[0] for n in range(1, 7)]
        assert asked == [200] * 5 + [429]
        assert one.ask("GET", "/name2key?keys=none")[::2] == (200, "0 new keys.")


@pytest.mark.parametrize("path", ["/name2key", "/api/v1/pending"])
def test_many_keys_in_few_requests_are_counted_one_by_one(tmp_path: Path, path: str) -> None:
    """Ten requests of 1,000 keys would fill the queue of 10,000. Known or queued keys are not counted."""
    with asker(tmp_path / "data", write_limit="100") as one:

        def ask(first: int) -> tuple[int, str, str]:
            keys = [f"{n:08x}-aaaa-3333-4444-555555555555" for n in range(first, first + 1000)]
            body = json.dumps({"keys": keys}) if path != "/name2key" else " ".join(keys)
            return one.ask(
                "POST", path, body.encode(), Content_Type="application/json" if path != "/name2key" else "text/plain"
            )

        assert ask(1)[0] == 200
        assert ask(1)[0] == 200
        status, wait, said = ask(2000)
        assert status == 429 and "too many unknown keys from here" in said and int(wait) > 100
        assert ask(1)[0] == 200
        assert one.register(one.token) == 200


def test_a_list_counts_as_many_as_its_rows(tmp_path: Path) -> None:
    """With a rate of one per minute a list of fifty is followed by fifty minutes of 429."""
    with asker(tmp_path / "data") as one:
        rows = [{"name": f"Name{n}", "key": f"{n:08x}-2222-3333-4444-555555555555"} for n in range(1, 51)]
        body = json.dumps({"avatars": rows}).encode()
        store = Sandbox(tmp_path / "data")
        slow = create_token(store.store.tokens, ("register",), rate=1).text
        store.close()
        one_a_minute = {"X_N2K_Token": slow, "Content_Type": "application/json"}
        assert one.ask("POST", "/api/v1/avatars", body, **one_a_minute)[0] == 200
        status, wait, _ = one.ask("POST", "/api/v1/avatars", body, **one_a_minute)
        assert status == 429 and 2900 <= int(wait) <= 3000


def test_anonymous_asking_refuses_no_token(tmp_path: Path) -> None:
    """Whatever is requested without a token, a valid token from the same address can register."""
    with asker(tmp_path / "data") as one:
        asked = [one.ask("GET", f"/name2key?keys={n:08x}-aaaa-3333-4444-555555555555")[0] for n in range(1, 7)]
        assert asked[-1] == 429
        assert [one.register(one.token) for _ in range(4)] == [200] * 4


def test_wrong_tokens_are_limited_and_right_ones_are_not(tmp_path: Path) -> None:
    """After three failures 401 becomes 429 at that address; a valid token there is not affected."""
    wrong = "n2k_" + "0" * 12 + "_" + "0" * 64
    with asker(tmp_path / "data") as one:
        assert [one.register(wrong) for _ in range(5)] == [401, 401, 401, 429, 429]
        assert one.register("nonsense") == 429 and one.register() == 429
        assert one.register(one.token) == 200
        assert one.register("nonsense", peer="192.0.2.2") == 401
        status, wait, said = one.ask("POST", "/api/v1/forgotten", b"{}", X_N2K_Token="x")
        assert status == 429 and "failed authentications" in json.loads(said)["error"] and int(wait) > 0


def test_a_lack_of_scope_is_no_failure(tmp_path: Path) -> None:
    """403 is not counted as a failed authentication: the token is valid."""
    with asker(tmp_path / "data") as one:
        for _ in range(10):
            assert one.ask("POST", "/api/v1/forgotten", b"{}", X_N2K_Token=one.token)[0] == 403


def test_workers_count_together(tmp_path: Path) -> None:
    """Two processes on one data directory share the counts."""
    box = Sandbox(tmp_path / "data")
    token = create_token(box.store.tokens, ("register",), rate=6).text
    box.close()
    clock = tmp_path / "clock"
    clock.write_text(f"{NOON * 1000:.0f}")
    through = [sys.executable, "-m", "tests.support.with_clock", str(clock)]
    with worker(tmp_path / "data", through=through) as one, worker(tmp_path / "data", through=through) as two:
        statuses = []
        for n in range(1, 11):
            target = f"/?name=Name{n}+Last&key={n:08x}-2222-3333-4444-555555555555"
            child = (one, two)[n % 2]
            statuses.append(int(get(child.address, target, HTTP_X_N2K_TOKEN=token).status[:3]))
        assert statuses == [200] * 6 + [429] * 4


def test_a_trusted_proxy_says_who_it_was(tmp_path: Path) -> None:
    """The address before the proxy counts; the header of an untrusted peer is ignored."""
    with asker(tmp_path / "data", register="open", trusted_proxies="10.0.0.0/8") as one:
        through = [one.register(peer="10.0.0.1", X_Forwarded_For="198.51.100.1") for _ in range(6)]
        assert through == [200] * 5 + [429]
        assert one.register(peer="10.0.0.1", X_Forwarded_For="198.51.100.2") == 200
        forged = [one.register(peer="192.0.2.9", X_Forwarded_For=f"198.51.100.{n}") for n in range(3, 9)]
        assert forged == [200] * 5 + [429]


PROXIES = ("10.0.0.0/8", "2001:db8:aaaa::/48")


@pytest.mark.parametrize(
    ("listed", "address"),
    [
        ("203.0.113.20:51231", "203.0.113.20"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::1:443", "2001:db8::/64"),
        ("::ffff:203.0.113.20", "203.0.113.20"),
        ("[::ffff:203.0.113.20]:443", "203.0.113.20"),
        ("6.6.6.6, 203.0.113.20:51231", "203.0.113.20"),
        ("203.0.113.20:51231, 10.0.0.2:80", "203.0.113.20"),
        ("203.0.113.20, 10.0.0.3, [2001:db8:aaaa::7]:8080,10.0.0.2", "203.0.113.20"),
        ("6.6.6.6,203.0.113.20 ,, 10.0.0.2,", "203.0.113.20"),
        ("203.0.113.20, unknown", "10.0.0.1"),
        ("203.0.113.20, unknown, 10.0.0.2", "10.0.0.2"),
        ("_hidden", "10.0.0.1"),
        ("203.0.113.20:port:", "10.0.0.1"),
        ("203.0.113.256", "10.0.0.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (",", "10.0.0.1"),
    ],
)
def test_who_is_behind_proxies(listed: str, address: str) -> None:
    """X-Forwarded-For with ports, with several proxies, from several headers (a server joins them by commas), with gaps."""
    assert client_address({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": listed}, PROXIES) == address


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("for=203.0.113.20", "203.0.113.20"),
        ('For="203.0.113.20:51231"', "203.0.113.20"),
        ('for="[2001:db8::1]:443";proto=https;by=203.0.113.43', "2001:db8::/64"),
        ('proto=https; FOR="[2001:db8::1]"', "2001:db8::/64"),
        ("for=6.6.6.6, for=203.0.113.20;by=10.0.0.2", "203.0.113.20"),
        ('for=203.0.113.20;host="a,b;for=6.6.6.6", for="10.0.0.2:80"', "203.0.113.20"),
        (r'for=203.0.113.20;host="a\",for=6.6.6.6"', "203.0.113.20"),
        ('for="203.0.113.20:_port"', "203.0.113.20"),
        ("for=203.0.113.20, for=_hidden", "10.0.0.1"),
        ('for=203.0.113.20, for="_hidden:_port", for=10.0.0.2', "10.0.0.2"),
        ("for=203.0.113.20, for=unknown", "10.0.0.1"),
        ("for=203.0.113.20, proto=https", "10.0.0.1"),
        ("for=203.0.113.20;for=6.6.6.6", "10.0.0.1"),
        ('for="6.6.6.6, for=203.0.113.20', "10.0.0.1"),
        ("203.0.113.20", "10.0.0.1"),
    ],
)
def test_who_is_behind_proxies_that_follow_the_standard(header: str, address: str) -> None:
    """Forwarded: quotes, ports, other pairs; a hidden or unreadable hop counts as the proxy before it."""
    assert client_address({"REMOTE_ADDR": "10.0.0.1", "HTTP_FORWARDED": header}, PROXIES) == address


@pytest.mark.parametrize(
    ("listed", "header", "address"),
    [
        ("203.0.113.20:51231", 'for="203.0.113.20:51231"', "203.0.113.20"),
        ("6.6.6.6, 203.0.113.20", "for=203.0.113.20", "203.0.113.20"),
        ("203.0.113.20", "for=6.6.6.6", "10.0.0.1"),
        ("6.6.6.6", "for=203.0.113.20", "10.0.0.1"),
    ],
)
def test_two_headers_that_disagree(listed: str, header: str, address: str) -> None:
    """A proxy sets one header and passes on the other, forged by the caller: the forged one creates no separate limit."""
    environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": listed, "HTTP_FORWARDED": header}
    assert client_address(environ, PROXIES) == address


@pytest.mark.parametrize("form", ["203.0.113.{}:51231", "[2001:db8:0:{}::1]:443", "10.9.9.9, 203.0.113.{}, 10.0.0.2"])
def test_callers_behind_one_proxy_do_not_share_its_limit(tmp_path: Path, form: str) -> None:
    """Each has five writes, whatever the port."""
    with asker(tmp_path / "data", register="open", trusted_proxies="10.0.0.0/30") as one:
        for caller in range(1, 4):
            through = [one.register(peer="10.0.0.1", X_Forwarded_For=form.format(caller)) for _ in range(6)]
            assert through == [200] * 5 + [429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("192.0.2.1", "", (), "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", (), "192.0.2.1"),
        ("10.0.0.1", "198.51.100.1", ("10.0.0.0/8",), "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", ("10.0.0.0/8",), "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", ("10.0.0.0/8",), "198.51.100.1"),
        ("10.0.0.1", "nonsense", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", "", ("10.0.0.0/8",), "10.0.0.1"),
        ("::ffff:192.0.2.1", "", (), "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "", (), "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "", (), "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "", (), "fe80::/64"),
        ("", "", (), "unknown"),
        ("unix:", "198.51.100.1", ("10.0.0.0/8",), "unknown"),
    ],
)
def test_whose_address_it_is(peer: str, forwarded: str, trusted: tuple[str, ...], address: str) -> None:
    """The nearest that is not trusted, from the right; IPv6 by network; one word for unknown addresses."""
    assert client_address({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}, trusted) == address
