"""Each kind of deployment by a real Apache, with the modules of that kind of host alone: all golden cases, byte for byte."""

from pathlib import Path

import pytest

from tests.support.apache import apache
from tests.support.golden import CASES_FILE, run_all
from tests.support.hosting import Account
from tests.support.parallel import in_parallel
from tests.support.passenger import app_of, panel
from tests.support.snippets import snippets

CASES = len(CASES_FILE.read_text("utf-8").splitlines())

in_two_places = pytest.mark.parametrize("mount", ["/n2k", ""])


def docroot(account: Account, mount: str) -> Path:
    """What the server serves, so that the folder for n2k is at *mount*."""
    return account.site.parent if mount else account.site


@in_two_places
def test_mod_fcgid(account: Account, mount: str) -> None:
    """``--as fcgid`` with mod_fcgid."""
    account.n2k("deploy", "--as", "fcgid", str(account.site))
    with apache(docroot(account, mount)) as server:
        assert run_all(server.asking(mount), account.golden) == CASES


def test_mod_cgid(account: Account) -> None:
    """``--as cgi`` with mod_cgid, a process for each of the requests. Apache takes away the length of a HEAD's answer."""
    account.n2k("deploy", "--as", "cgi", str(account.site))
    with apache(account.site.parent, gateway="cgid") as server:
        skipped = frozenset({"Content-Length"})
        assert run_all(server.asking("/n2k"), account.golden, skipped_headers=skipped) == CASES


@in_two_places
def test_passenger(account: Account, mount: str) -> None:
    """``--as passenger`` with Debian's Passenger, set up as a control panel does it."""
    account.n2k("deploy", "--as", "passenger", str(account.site))
    with apache(docroot(account, mount), gateway="passenger", settings=panel(app_of(account), mount)) as server:
        assert run_all(server.asking(mount), account.golden) == CASES


@in_two_places
def test_mod_wsgi(account: Account, mount: str) -> None:
    """The same file under mod_wsgi, in a process of its own with threads, after the page's snippet."""
    account.n2k("deploy", "--as", "passenger", str(account.site))
    snippet = snippets("apache")[1]
    assert "WSGIScriptAlias /n2k " in snippet and "threads=" in snippet
    settings = snippet.replace("/home/you", str(account.home)).replace(" user=you", "")
    if not mount:
        settings = settings.replace("WSGIScriptAlias /n2k ", "WSGIScriptAlias / ")
    with apache(account.site.parent, gateway="wsgi", settings=settings) as server:
        assert run_all(server.asking(mount), account.golden) == CASES


def test_threads_of_mod_wsgi_lose_no_count(account: Account) -> None:
    """Eight callers at once, from the first request on, in one process with eight threads."""
    account.n2k("deploy", "--as", "passenger", str(account.site))
    account.settings("token_limit = 100000\nwrite_limit = 100000")
    token = {"X-N2K-Token": account.golden.placeholders["{SHOP_TOKEN}"]}
    settings = snippets("apache")[1].replace("/home/you", str(account.home)).replace(" user=you", "")
    with apache(account.site.parent, gateway="wsgi", settings=settings) as server:
        ask = server.asking("/n2k")

        def work(number: int) -> int:
            return sum(ask("POST", "/db/hosted?op=incr&initial=1", token, b"").status in (200, 201) for _ in range(10))

        assert in_parallel(8, work) == [10] * 8
        assert ask("GET", "/db/hosted", token, b"").body == b"80"


def test_mod_wsgi_in_the_processes_of_apache(account: Account) -> None:
    """Embedded, without a daemon process: Apache forks its processes, and serves in threads."""
    account.n2k("deploy", "--as", "passenger", str(account.site))
    settings = f"""
WSGIScriptAlias /n2k {app_of(account)}/passenger_wsgi.py
WSGIPassAuthorization On
WSGIApplicationGroup %{{GLOBAL}}
<Directory {app_of(account)}>
Require all granted
</Directory>
"""
    with apache(account.site.parent, gateway="wsgi", settings=settings) as server:
        assert run_all(server.asking("/n2k"), account.golden) == CASES
