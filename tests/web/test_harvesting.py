"""Who may see names that he does not know: the search and the csv, by settings and scopes. Lookups stay open."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.model.choices import Permission, Scope
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from tests.support.asking import wsgi
from tests.support.golden import Reply
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

SEARCH = "/api/v1/search?prefix=m"
CSV = "/name2key.csv"
OPENSIM = "11111111-2222-3333-4444-555555555555"
SCOPES = (*Scope, "read of OpenSim")


class Site:
    """A service whose settings file can be edited, and tokens by their scope."""

    def __init__(self, data_dir: Path) -> None:
        box = Sandbox(data_dir)
        box.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")), as_of=100)
        box.record(OPENSIM, "Mia Elsewhere", 200, grid="OpenSim")
        tokens = box.store.tokens
        self._texts = {scope.value: create_token(tokens, (scope,)).text for scope in Scope if scope is not Scope.KEYVALUE}
        self._texts["read of OpenSim"] = create_token(tokens, (Scope.READ,), "OpenSim").text
        self._texts["keyvalue"] = create_token(tokens, (Scope.KEYVALUE,), namespace="shop").text
        box.close()
        self._data_dir = data_dir
        self.application = LiveApplication({"data_dir": str(data_dir)})

    def set(self, **settings: str) -> None:
        """Edit the settings, and serve with them."""
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self._data_dir / "n2k.ini").write_text(f"[n2k]\n{lines}")
        self.application.close()
        self.application = LiveApplication({"data_dir": str(self._data_dir)})

    def ask(self, target: str, scope: str = "") -> Reply:
        """One request, with the token of a scope or without one."""
        headers = {"X-N2K-Token": self._texts[scope]} if scope else {}
        return wsgi(self.application)("GET", target, headers, b"")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two avatars on Production, one on OpenSim; all settings have their defaults."""
    made = Site(tmp_path / "data")
    yield made
    made.application.close()


def names(reply: Reply) -> list[str]:
    """The names on a page of a search."""
    return [avatar["name"] for avatar in json.loads(reply.body)["avatars"]]


def test_by_default_anyone_may_search_and_nobody_copies_the_list(site: Site) -> None:
    """As before these settings were there: the search answers without a token, whatever is sent; the csv needs one."""
    assert names(site.ask(SEARCH)) == names(site.ask(SEARCH, "forget")) == ["Masakazu Kojima", "Mia Elsewhere"]
    assert site.ask(CSV).status == 401


def test_search_with_a_token(site: Site) -> None:
    """With 'search = token' only the scopes read and admin find anything; refusals tell no name."""
    site.set(search="token")
    allowed = {scope: site.ask(SEARCH, scope) for scope in SCOPES}
    assert {scope for scope, reply in allowed.items() if reply.status == 200} == {"read", "admin", "read of OpenSim"}
    assert {reply.status for scope, reply in allowed.items() if not {"read", "admin"} & set(scope.split())} == {403}
    without = site.ask(SEARCH)
    assert without.status == 401 and json.loads(without.body)["error"].startswith("a valid token is needed")
    assert names(allowed["read"]) == ["Masakazu Kojima", "Mia Elsewhere"]
    assert all(reply.headers["cache-control"] == "no-store" for reply in (without, *allowed.values()))
    refused = [reply.body for reply in (without, *allowed.values()) if reply.status != 200]
    assert not [body for body in refused if b"Masakazu" in body or b"Mia" in body]


def test_a_token_of_one_grid_finds_its_own(site: Site) -> None:
    """Without grid= it is that grid; another one is refused, in upper or lower case of its name."""
    site.set(search="token")
    assert names(site.ask(SEARCH, "read of OpenSim")) == ["Mia Elsewhere"]
    assert names(site.ask(f"{SEARCH}&grid=opensim", "read of OpenSim")) == ["Mia Elsewhere"]
    assert site.ask(f"{SEARCH}&grid=Production", "read of OpenSim").status == 403


def test_search_off(site: Site) -> None:
    """With 'search = off' nobody searches, the owner's tokens included; the line names the setting."""
    site.set(search="off")
    for scope in ("", *SCOPES):
        reply = site.ask(SEARCH, scope)
        said = {"error": "/api/v1/search is switched off on this server (setting 'search')"}
        assert (reply.status, json.loads(reply.body)) == (403, said), scope


def test_the_scope_read_copies_the_list_too(site: Site) -> None:
    """Whoever searches for every letter has the list anyway; a token of one grid gets that grid's."""
    assert {scope for scope in SCOPES if site.ask(CSV, scope).status == 200} == {"csv", "read", "admin"}
    assert b"Mia Elsewhere" in site.ask(f"{CSV}?grid=OpenSim", "read of OpenSim").body
    assert site.ask(CSV, "read of OpenSim").status == 403


def test_a_token_in_the_url_is_refused(site: Site) -> None:
    """It would end up in logs: 400, also where the token is right."""
    site.set(search="token")
    assert site.ask(f"{SEARCH}&token=n2k_1_2", "read").status == 400


@pytest.mark.parametrize("setting", Permission)
def test_lookups_are_not_touched(site: Site, setting: Permission) -> None:
    """A script that knows a name or a key gets its answer, whatever the two settings are."""
    site.set(search=setting, csv=setting)
    assert site.ask("/?name=Masakazu+Kojima").body == MASAKAZU.encode()
    assert site.ask(f"/key2name/{MASAKAZU}").body == b"masakazu.kojima"
    assert names(site.ask("/api/v1/avatars?name=masakazu.kojima")) == ["Masakazu Kojima"]
