"""What each kind of deployment counts behind a real Apache outlives its processes, which end with the server."""

import json

import pytest

from tests.support.apache import apache
from tests.support.hosting import Account
from tests.support.passenger import app_of, panel
from tests.support.snippets import snippets

ASKED = 40


@pytest.mark.parametrize(
    ("kind", "gateway", "front"),
    [
        ("fcgid", "fcgid", "fastcgi"),
        ("cgi", "cgid", "cgi"),
        ("passenger", "passenger", "hosted"),
        ("passenger", "wsgi", "hosted"),
    ],
    ids=["mod_fcgid", "mod_cgid", "passenger", "mod_wsgi"],
)
def test_every_request_is_counted(account: Account, kind: str, gateway: str, front: str) -> None:
    """Each lookup once: by workers that the server stops, by a process for each of them, in the server's own processes."""
    account.n2k("deploy", "--as", kind, str(account.site))
    of_wsgi = snippets("apache")[1].replace("/home/you", str(account.home)).replace(" user=you", "")
    settings = {"passenger": panel(app_of(account), "/n2k"), "wsgi": of_wsgi}.get(gateway, "")
    with apache(account.site.parent, gateway=gateway, settings=settings) as server:
        ask = server.asking("/n2k")
        for number in range(ASKED):
            assert ask("GET", "/?name=nobody" if number % 4 == 3 else "/?name=masakazu.kojima", {}, b"").status == 200
    total = json.loads(account.n2k("stats", "--json"))["usage"]["total"]
    assert total["by_kind"]["lookup"] == ASKED and (total["hits"], total["misses"]) == (ASKED * 3 // 4, ASKED // 4)
    assert total["starts"].keys() == {front} and (front != "cgi" or total["starts"][front] == ASKED)
