"""The page that a browser gets where a script gets one line."""

import pytest

from n2k_fcgi.wiring import live_application
from tests.support.asking import wsgi
from tests.support.golden import Reply
from tests.support.sandbox import MASAKAZU, Sandbox

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LSL = "text/*, application/xhtml+xml, application/atom+xml, application/json"


def _ask(sandbox: Sandbox, target: str, **headers: str) -> Reply:
    application = live_application({"data_dir": str(sandbox.data_dir)})
    try:
        return wsgi(application)("GET", target, {name.replace("_", "-"): text for name, text in headers.items()}, b"")
    finally:
        application.close()


def test_a_browser_gets_the_form(sandbox: Sandbox) -> None:
    """At the root, with a word to caches that others get something else."""
    reply = _ask(sandbox, "/", Accept=BROWSER)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.headers["vary"] == "Accept" and b'name="name"' in reply.body and b'name="key"' in reply.body


@pytest.mark.parametrize("headers", [{}, {"Accept": LSL}, {"Accept": BROWSER, "X_SecondLife_Shard": "Production"}])
def test_a_script_gets_one_line(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """LSL's own Accept has text/*, and a script may send any Accept."""
    reply = _ask(sandbox, "/", **headers)
    assert (reply.status, reply.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert reply.body.count(b"\n") == 1


def test_a_browser_that_asks_gets_the_answer(sandbox: Sandbox) -> None:
    """The form leads to plain text, also for a browser."""
    assert _ask(sandbox, f"/?key={MASAKAZU}", Accept=BROWSER).headers["content-type"] == "text/plain; charset=utf-8"
