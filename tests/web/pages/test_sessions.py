"""The owner's log-in, session and forms through the real application: who gets in, what ends it, and what others can send."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlencode

import pytest

from n2k_fcgi import wiring
from n2k_fcgi.config import Settings
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access import sessions
from n2k_fcgi.service.access.sessions import Sessions, form_token
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.base import Store
from tests.support.commands import Commands
from tests.support.owner import Browser
from tests.support.people import Page
from tests.support.sandbox import MASAKAZU, Sandbox, csv
from tests.support.with_clock import NOON, limits_by

COOKIE = "n2k_session"
HOUR = 3600
ACTIONS = {
    "/status/generation": {"name": "20260101T000000.000Z"},
    "/status/dataset": {"namespace": "shop", "dataset": "red"},
    "/status/tokens": {"scope": "admin"},
    "/status/revoked": {"token": "0123456789ab"},
    "/logout": {},
}
"""Every form of the status page."""


class Site:
    """A service in this process, tokens, and the commands that its owner has, each a process of its own."""

    def __init__(self, data_dir: Path, application: LiveApplication, tokens: dict[str, str]) -> None:
        self.n2k = Commands(data_dir)
        self.data_dir = data_dir
        self.browser = partial(Browser, application)
        self.tokens = tokens
        """Text by purpose: ``admin``, ``grid`` (admin of one), ``register``."""

    def logged_in(self, **options: str) -> Browser:
        """A browser with a session of the admin token."""
        browser = self.browser(**options)
        assert browser.place(browser.log_in(token=self.tokens["admin"]), "/login") == "/status"
        return browser

    def code(self) -> str:
        """A new one-time code."""
        return self.n2k("pages", "code").out.strip()

    def all_tokens(self) -> str:
        """As they are listed."""
        return self.n2k("token", "list").out

    def log(self) -> str:
        """The log of the service."""
        return "".join(path.read_text("utf-8") for path in (self.data_dir / "log").glob("*.log*"))


@contextlib.contextmanager
def serving(data_dir: Path, clock: Callable[[], float] = lambda: NOON, **settings: str) -> Iterator[Site]:
    """Limits, and with *clock* sessions, go by a clock that stands still unless it is given."""
    box = Sandbox(data_dir)
    box.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    made = {"admin": (Scope.ADMIN, None), "grid": (Scope.ADMIN, "Production"), "register": (Scope.REGISTER, None)}
    tokens = {name: create_token(box.store.tokens, (scope,), grid).text for name, (scope, grid) in made.items()}
    box.close()
    with limits_by(clock):
        application = LiveApplication({"data_dir": str(data_dir), "log_level": "DEBUG", **settings})
    try:
        yield Site(data_dir, application, tokens)
    finally:
        application.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """With the settings as they are without a file."""
    with serving(tmp_path / "data") as made:
        yield made


@contextlib.contextmanager
def sessions_by(clock: Callable[[], float]) -> Iterator[None]:
    """Applications whose first session is asked for in the block count the time of sessions by *clock*."""
    really = wiring.sessions

    def timed(store: Store, settings: Settings) -> Sessions:
        with patch.object(sessions, "Sessions", partial(Sessions, clock=clock)):
            return really(store, settings)

    with patch.object(wiring, "sessions", timed):
        yield


def test_a_token_begins_a_session(site: Site) -> None:
    """The cookie is one of HTTPS, for our own scripts not to read and other sites not to send; nothing of it is stored."""
    browser = site.browser(mount="/n2k")
    reply = browser.log_in(token=f" {site.tokens['admin']} ")
    assert browser.place(reply, "/login") == "/status"
    (text,) = browser.set
    value = browser.cookies[COOKIE][0]
    assert text == f"{COOKIE}={value}; HttpOnly; SameSite=Strict; Secure"
    assert len(value) == 64 and not value.strip("0123456789abcdef")
    assert browser.cookies[COOKIE][1] == "/n2k", "the mount, and nothing above it"
    assert "Status" in browser.status().text
    for path in site.data_dir.rglob("*"):
        if path.is_file():
            assert value.encode() not in path.read_bytes() and bytes.fromhex(value) not in path.read_bytes(), path
    assert browser.place(browser.get("/login"), "/login") == "/status"


def test_a_code_begins_one_session(site: Site) -> None:
    """The second browser gets the form again, 401; the code is in no log."""
    code = site.code()
    first, second = site.browser(), site.browser()
    assert first.place(first.log_in(code=code.lower()), "/login") == "/status"
    assert second.log_in(code=code).status == 401 and not second.cookies
    assert first.is_logged_in() and not second.is_logged_in()
    assert code not in site.log() and code.replace("-", "") not in site.log()


@pytest.mark.parametrize(("fields", "status"), [
    ({"token": "{register}"}, 403),
    ({"token": "{grid}"}, 403),
    ({"token": "n2k_0123456789ab_" + "0" * 64}, 401),
    ({"token": "<script>"}, 401),
    ({"code": "AAAA-BBBB-CCCC-DDDD"}, 401),
    ({"code": "\x00\ud7ff" * 2000}, 401),
    ({}, 401),
    ({"token": "", "code": ""}, 401),
])  # fmt: skip
def test_who_is_not_let_in(site: Site, fields: dict[str, str], status: int) -> None:
    """The form again, with what is wrong, never with what was typed; no cookie."""
    browser = site.browser()
    given = {name: value.format(**site.tokens) for name, value in fields.items()}
    reply = browser.log_in(**given)
    assert reply.status == status and not browser.set
    assert reply.headers["cache-control"] == "no-store" and "Log in" in Page(reply.body).text
    assert not any(value and value in reply.body.decode() for value in given.values())
    assert browser.place(browser.get("/status"), "/status") == "/login"


def test_log_out(site: Site) -> None:
    """The cookie is removed, and would be worth nothing; another browser's session goes on."""
    browser, other = site.logged_in(), site.logged_in()
    kept = dict(browser.cookies)
    assert browser.place(browser.send("/logout"), "/logout") == "/login"
    assert not browser.cookies and not browser.is_logged_in()
    browser.cookies = kept
    assert not browser.is_logged_in() and other.is_logged_in()
    assert site.n2k("pages", "log-out").err == "1 session ended\n"
    assert not other.is_logged_in()


def test_a_revoked_token_ends_its_sessions(site: Site) -> None:
    """From the next request on, wherever it was revoked; a session of a code goes on."""
    browser, by_code = site.logged_in(), site.browser()
    by_code.log_in(code=site.code())
    site.n2k("token", "revoke", site.tokens["admin"].split("_")[1])
    assert not browser.is_logged_in() and by_code.is_logged_in()
    assert browser.log_in(token=site.tokens["admin"]).status == 401


def test_the_page_revokes_the_token_of_its_own_session(site: Site) -> None:
    """And is logged out by it."""
    browser = site.logged_in()
    reply = browser.send("/status/revoked", token=site.tokens["admin"].split("_")[1])
    assert browser.place(reply, "/status/revoked") == "/status" and not browser.is_logged_in()


def test_a_session_ends_after_session_hours(tmp_path: Path) -> None:
    """By the clock, to the moment, whatever was done meanwhile."""
    now = [NOON]
    with sessions_by(lambda: now[0]), serving(tmp_path / "data", session_hours="2") as site:
        browser = site.logged_in()
        now[0] += 2 * HOUR - 1
        assert browser.is_logged_in()
        now[0] += 1
        assert not browser.is_logged_in()
        assert browser.place(browser.post("/status/tokens", {"scope": "admin"}), "/status/tokens") == "/login"


def test_another_process_knows_the_session(site: Site, tmp_path: Path) -> None:
    """A session that one worker began is found by another, and ended for both by a command."""
    browser = site.logged_in()
    code = (
        "import sys\nfrom n2k_fcgi.servers.live import LiveApplication\nfrom tests.support.owner import Browser\n"
        "browser = Browser(LiveApplication({'data_dir': sys.argv[1]}))\n"
        "browser.cookies = {'n2k_session': (sys.argv[2], '/')}\n"
        "print(browser.is_logged_in(), browser.send('/logout').status, browser.is_logged_in())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(site.data_dir), browser.cookies[COOKIE][0]], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True 303 False\n" and not browser.is_logged_in()


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"},
    {"Origin": "https://evil.example", "Sec_Fetch_Site": ""},
    {"Origin": "http://n2k.example", "Sec_Fetch_Site": ""},
    {"Origin": "https://n2k.example:8443", "Sec_Fetch_Site": ""},
    {"Origin": "https://n2k.example.evil.example", "Sec_Fetch_Site": ""},
    {"Origin": "null", "Sec_Fetch_Site": ""},
    {"Origin": "", "Sec_Fetch_Site": ""},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site", "Origin": "https://n2k.example"},
    {"Sec_Fetch_Site": "none"},
])  # fmt: skip
def test_a_forged_form_does_nothing(site: Site, action: str, headers: dict[str, str]) -> None:
    """403, whatever the form has: another origin, another scheme or port of ours, and browsers that do not say."""
    browser = site.logged_in()
    before = site.all_tokens()
    form = {"form": form_token(browser.cookies[COOKIE][0]), **ACTIONS[action]}
    reply = browser.post(action, form, **headers)
    assert reply.status == 403 and b"this form is not of this page" in reply.body
    assert browser.is_logged_in() and site.all_tokens() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_a_form_without_the_sessions_token_does_nothing(site: Site, action: str) -> None:
    """Missing, empty, of another session, or the session's id itself; the same without a session leads to the log-in."""
    browser, other = site.logged_in(), site.logged_in()
    before = site.all_tokens()
    id = browser.cookies[COOKIE][0]
    for given in ({}, {"form": ""}, {"form": form_token(other.cookies[COOKIE][0])}, {"form": id}):
        assert browser.post(action, {**ACTIONS[action], **given}).status == 403
    assert browser.is_logged_in() and site.all_tokens() == before
    stranger = site.browser()
    assert stranger.place(stranger.post(action, {**ACTIONS[action], "form": form_token(id)}), action) == "/login"
    assert site.all_tokens() == before


def test_forms_of_ours_in_every_browser(site: Site) -> None:
    """With the real origin instead of null; without Sec-Fetch-Site; and with both."""
    for headers in (
        {"Origin": "https://n2k.example", "Sec_Fetch_Site": ""},
        {"Origin": "https://n2k.example"},
        {"Origin": ""},
    ):
        browser = site.browser()
        assert browser.post("/login", {"token": site.tokens["admin"]}, **headers).status == 303


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}])
def test_another_site_cannot_log_its_visitor_in(site: Site, headers: dict[str, str]) -> None:
    """A log-in is a form of ours, too: no cookie, and a code is not used up."""
    browser, code = site.browser(), site.code()
    assert browser.post("/login", {"code": code}, **headers).status == 403 and not browser.set
    assert browser.log_in(code=code).status == 303


def test_a_get_changes_nothing(site: Site) -> None:
    """No action has an address that a link or a picture could lead to."""
    browser = site.logged_in()
    form = form_token(browser.cookies[COOKIE][0])
    before = site.all_tokens()
    for action, fields in ACTIONS.items():
        query = urlencode({**fields, "form": form})
        assert browser.get(f"{action}?{query}").status == {"/logout": 405, "/status/revoked": 400}.get(action, 303), action
    assert browser.is_logged_in() and site.all_tokens() == before


def test_a_cookie_is_no_token(site: Site) -> None:
    """It opens the owner's pages alone. Programs need the token: a page of another site could not use the cookie there."""
    browser = site.logged_in()
    assert browser.get("/api/v1/status").status == 401
    assert browser.post("/api/v1/switchdb", {"filename": "x"}).status == 401
    assert browser.get("/api/v1/status", X_N2K_Token=browser.cookies[COOKIE][0]).status == 401


PLAIN = {"scheme": "http"}


@pytest.mark.parametrize("options", [
    PLAIN,
    {**PLAIN, "peer": "127.0.0.1"},
    {**PLAIN, "host": "127.0.0.1"},
    {**PLAIN, "peer": "127.0.0.1", "host": "localhost", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
    {**PLAIN, "peer": "127.0.0.1", "host": "localhost", "HTTP_VIA": "1.1 proxy"},
    {**PLAIN, "peer": "127.0.0.1", "host": "localhost", "HTTP_X_REAL_IP": "198.51.100.7"},
    {**PLAIN, "HTTP_X_FORWARDED_PROTO": "https"},
    {**PLAIN, "HTTP_FORWARDED": "proto=https"},
    {**PLAIN, "peer": "", "host": "localhost"},
    {**PLAIN, "peer": "127.0.0.1", "host": "localhost.evil.example"},
])  # fmt: skip
def test_no_log_in_over_plain_http(site: Site, options: dict[str, str]) -> None:
    """403 and one line, from elsewhere, through proxies that are not trusted, and by another name of this machine."""
    browser = site.browser(**options)
    code = site.code()
    for reply in (browser.get("/login"), browser.get("/status"), browser.log_in(code=code), browser.post("/logout", {})):
        assert reply.status == 403 and b"no log-in over plain HTTP" in reply.body
        assert reply.headers["cache-control"] == "no-store"
    assert not browser.set
    secure = site.browser()
    assert secure.log_in(code=code).status == 303, "the code was not used up"
    browser.cookies = secure.cookies
    assert browser.get("/status").status == 403, "a cookie over plain HTTP opens nothing"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "127.3.2.1", "::ffff:127.0.0.1"])
def test_plain_http_from_this_machine(site: Site, host: str, peer: str) -> None:
    """Without Secure, which browsers would not send back here; a form of the same origin is one of ours."""
    browser = site.browser(scheme="http", host=host, peer=peer)
    reply = browser.post("/login", {"token": site.tokens["admin"]}, Origin=browser.origin.lower(), Sec_Fetch_Site="")
    assert reply.status == 303 and "Secure" not in browser.set[0]
    assert browser.is_logged_in()


TRUSTED = {"trusted_proxies": "192.0.2.0/24"}


@pytest.mark.parametrize(("headers", "is_secure"), [
    ({"HTTP_X_FORWARDED_PROTO": "https"}, True),
    ({"HTTP_X_FORWARDED_PROTO": "HTTPS"}, True),
    ({"HTTP_X_FORWARDED_PROTO": "https, https"}, True),
    ({"HTTP_FORWARDED": 'for=198.51.100.7;proto="https"'}, True),
    ({"HTTP_FORWARDED": "for=198.51.100.7;proto=https, for=192.0.2.9;proto=https"}, True),
    ({"HTTP_FORWARDED": "for=198.51.100.7", "HTTP_X_FORWARDED_PROTO": "https"}, True),
    ({"HTTP_X_FORWARDED_PROTO": "http"}, False),
    ({"HTTP_X_FORWARDED_PROTO": "https, http"}, False),
    ({"HTTP_X_FORWARDED_PROTO": "http, https"}, False),
    ({"HTTP_FORWARDED": "proto=http", "HTTP_X_FORWARDED_PROTO": "https"}, False),
    ({"HTTP_FORWARDED": 'proto="https', "HTTP_X_FORWARDED_PROTO": "https"}, True),
    ({"HTTP_X_FORWARDED_FOR": "198.51.100.7"}, False),
])  # fmt: skip
def test_a_trusted_proxy_says_how_it_was_asked(tmp_path: Path, headers: dict[str, str], is_secure: bool) -> None:
    """It is HTTPS if each hop was; the cookie is Secure then. Without a word of it, it is plain."""
    with serving(tmp_path / "data", **TRUSTED) as site:
        browser = site.browser(scheme="http", peer="192.0.2.1", **headers)
        browser.scheme = "https" if is_secure else "http"
        if is_secure:
            browser_reply = browser.post("/login", {"token": site.tokens["admin"]}, Origin="https://n2k.example")
            assert browser_reply.status == 303 and "Secure" in browser.set[0]
        else:
            assert browser.log_in(token=site.tokens["admin"]).status == 403


def test_a_proxy_that_was_asked_over_plain_http(tmp_path: Path) -> None:
    """It came here over HTTPS, but everybody could read it before."""
    with serving(tmp_path / "data", **TRUSTED) as site:
        assert site.browser(peer="192.0.2.1").log_in(code="x").status == 401
        assert site.browser(peer="192.0.2.1", HTTP_X_FORWARDED_PROTO="http").log_in(code="x").status == 403


def test_guesses_are_limited_and_the_owner_is_not_locked_out(tmp_path: Path) -> None:
    """After three failures from one address 429, codes and tokens together; right ones are accepted all the same."""
    with serving(tmp_path / "data", failure_limit="3") as site:
        browser = site.browser()
        wrong = [{"code": "AAAA"}, {"token": "n2k_0123456789ab_" + "1" * 64}, {"code": ""}, {"code": "B"}, {"token": "x"}]
        replies = [browser.log_in(**fields) for fields in wrong]
        assert [reply.status for reply in replies] == [401, 401, 401, 429, 429]
        assert int(replies[-1].headers["retry-after"]) > 0
        assert site.browser(peer="203.0.113.9").log_in(code="AAAA").status == 401, "another address"
        assert browser.log_in(code=site.code()).status == 303
        assert browser.log_in(token=site.tokens["admin"]).status == 303


def test_no_secret_is_logged(site: Site) -> None:
    """At the level DEBUG, with tokens made and revoked: ids are, secrets are not, and no address has one."""
    browser = site.logged_in()
    made = browser.send("/status/tokens", scope="register", note="a greeter")
    (text,) = [word for word in Page(made.body).text.split() if word.startswith("n2k_")]
    browser.send("/status/revoked", token=text.split("_")[1])
    browser.send("/logout")
    log = site.log()
    assert f"token {text.split('_')[1]} made" in log and "revoked" in log
    for secret in (text.split("_")[2], site.tokens["admin"].split("_")[2], browser.set[0].partition(";")[0].split("=")[1]):
        assert secret not in log


def test_the_owners_pages_are_kept_by_nobody(site: Site) -> None:
    """No cache stores them, no frame shows them, no form leads elsewhere."""
    browser = site.logged_in()
    for reply in (browser.get("/status"), browser.get("/status?format=json"), browser.get("/login"), browser.log_in(code="x")):
        assert reply.headers["cache-control"] == "no-store"
        if reply.headers["content-type"].startswith("text/html"):
            assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
            assert reply.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("field", ["token", "code"])
def test_a_secret_in_the_address_logs_nobody_in(site: Site, field: str) -> None:
    """Not even beside a right one in the form, and a code is not used up by it."""
    browser = site.browser()
    secret = {"token": site.tokens["admin"], "code": site.code()}[field]
    for fields in ({}, {field: secret}):
        reply = browser.post(f"/login?{field}={secret}", fields)
        assert reply.status == 400 and secret.encode() not in reply.body and not browser.cookies
    assert browser.place(browser.log_in(**{field: secret}), "/login") == "/status"


@pytest.mark.parametrize("script", [{"Accept": "text/*"}, {"X_SecondLife_Shard": "Production"}])
def test_a_script_gets_no_session(site: Site, script: dict[str, str]) -> None:
    """Neither by a right token nor by a code, which is not used up; one line, 406."""
    browser, code = site.browser(), site.code()
    for fields in ({"token": site.tokens["admin"]}, {"code": code}):
        reply = browser.post("/login", fields, **script)
        assert reply.status == 406 and reply.headers["content-type"].startswith("text/plain") and not browser.cookies
    assert browser.get("/status", **script).status == 406
    assert browser.place(browser.log_in(code=code), "/login") == "/status"


def test_cookies_of_neighbours_do_not_hide_ours(site: Site) -> None:
    """Whatever another service on this host set before, up to a whole header."""
    browser = site.logged_in()
    ours = browser.cookies.pop(COOKIE)[0]
    foreign = "; ".join(f"{COOKIE}={number:064x}" for number in range(90))
    assert browser.get("/status", Cookie=f"{foreign}; {COOKIE}={ours}").status == 200
    assert browser.place(browser.get("/status", Cookie=foreign), "/status") == "/login"


def test_a_log_in_with_a_slash_at_its_end_sets_no_cookie(site: Site) -> None:
    """Its folder would be /login, where no other page is; the form there leads to the right address."""
    browser, code = site.browser(), site.code()
    assert browser.post("/login/", {"code": code}).status == 404 and not browser.set
    assert browser.get("/login/").status == 200
    assert browser.place(browser.log_in(code=code), "/login") == "/status"
    assert browser.send("/logout/").status == 404 and browser.is_logged_in()
