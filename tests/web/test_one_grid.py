"""A token for one grid cannot affect another grid: through the real application, as its holder would try."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from tests.support.asking import wsgi
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

NOBODY = "99999999-2222-3333-4444-555555555555"


class Grids:
    """An application, and a token of every scope for each of two grids and for all."""

    def __init__(self, data_dir: Path) -> None:
        box = Sandbox(data_dir)
        box.import_text(csv((GOVERNOR, "Governor Linden"), (USERNAME, "Username Resident")))
        box.import_text(csv((MASAKAZU, "Masakazu Kojima")), grid="OpenSim")
        grids = {"opensim": "OpenSim", "production": "Production", "all": None}
        scopes = ("register", "forget", "admin")
        self.tokens = {name: create_token(box.store.tokens, scopes, grid).text for name, grid in grids.items()}
        self.tokens["lower case"] = create_token(box.store.tokens, scopes, "opensim").text
        box.close()
        self.application = LiveApplication({"data_dir": str(data_dir)})
        self._ask = wsgi(self.application)

    def ask(self, method: str, what: str, token: str, **body: Any) -> tuple[int, Any]:
        """A JSON request: status and object."""
        headers = {"X-N2K-Token": self.tokens[token], "Content-Type": "application/json"}
        reply = self._ask(method, f"/api/v1/{what}", headers, json.dumps(body).encode() if body else b"")
        return reply.status, json.loads(reply.body)

    def forget(self, token: str, **who: str) -> int:
        """The status of a request to be forgotten."""
        return self.ask("POST", "forgotten", token, **who)[0]

    def register(self, token: str, name: str, key: str, grid: str) -> int:
        """The status of a registration."""
        return self.ask("POST", "avatars", token, name=name, key=key, grid=grid)[0]

    def name_of(self, key: str, grid: str) -> str:
        """The result of key2name."""
        return self._ask("GET", f"/?key={key}&grid={grid}", {}, b"").body.decode()

    def key_of(self, name: str, grid: str) -> str:
        """The result of name2key; '' if it is unknown."""
        found = self._ask("GET", f"/?name={name.replace(' ', '+')}&grid={grid}", {}, b"").body.decode()
        return "" if not found.strip("0-") else found


@pytest.fixture
def grids(tmp_path: Path) -> Iterator[Grids]:
    """Governor and Username on Production, Masakazu on OpenSim."""
    made = Grids(tmp_path / "data")
    try:
        yield made
    finally:
        made.application.close()


def test_a_name_on_one_grid_takes_nobody_from_another(grids: Grids) -> None:
    """Registering a key under another name and forgetting that name, or the key, hides it on OpenSim only."""
    for who in ({"name": "Evil Twin", "grid": "OpenSim"}, {"key": GOVERNOR}, {"name": "Evil.Twin @opensim"}):
        grids.register("opensim", "Evil Twin", GOVERNOR, "OpenSim")
        assert grids.forget("opensim", **who) == 200
        assert grids.name_of(GOVERNOR, "OpenSim") == "" and grids.key_of("Evil Twin", "OpenSim") == ""
        assert grids.name_of(GOVERNOR, "Production") == "Governor Linden"
        assert grids.key_of("Governor Linden", "Production") == GOVERNOR
        assert grids.register("production", "Governor Linden", GOVERNOR, "Production") == 200
        assert grids.register("opensim", "Evil Twin", GOVERNOR, "OpenSim") == 409
        assert grids.ask("DELETE", f"forgotten/{GOVERNOR}", "opensim")[0] == 200


@pytest.mark.parametrize("who", [{"name": "Governor Linden", "grid": "Production"}, {"name": "Governor.Linden @PRODUCTION"}])
def test_a_name_of_another_grid_is_refused(grids: Grids, who: dict[str, str]) -> None:
    """The grid in the request, or a visitor's own, must be the token's."""
    status, answer = grids.ask("POST", "forgotten", "opensim", **who)
    assert (status, answer) == (403, {"error": "this token does not permit it: it is for the grid 'OpenSim' only"})
    assert grids.name_of(GOVERNOR, "Production") == "Governor Linden"


def test_who_is_known_on_another_grid_only_is_not_this_kiosks(grids: Grids) -> None:
    """A token for the wrong grid is reported: the request would succeed, and the avatar would still be found."""
    assert grids.forget("opensim", key=GOVERNOR) == 403
    assert grids.forget("production", key=GOVERNOR) == 200
    assert grids.name_of(GOVERNOR, "Production") == ""


def test_a_planted_row_does_not_keep_anybody_from_leaving(grids: Grids) -> None:
    """Another caller registers the key on OpenSim: the kiosk on Production hides it all the same."""
    assert grids.register("opensim", "Evil Twin", GOVERNOR, "OpenSim") == 200
    assert grids.forget("production", key=GOVERNOR) == 200
    assert grids.name_of(GOVERNOR, "Production") == "" and grids.key_of("Governor Linden", "Production") == ""
    assert grids.forget("production", key=GOVERNOR) == 200  # the same again


def test_an_unknown_key_is_hidden_on_the_tokens_grid_only(grids: Grids) -> None:
    """An unknown avatar can be forgotten at a kiosk; registrations of that key on other grids are not affected."""
    assert grids.forget("opensim", key=NOBODY) == 200
    assert grids.register("all", "New Comer", NOBODY, "OpenSim") == 409
    assert grids.register("all", "New Comer", NOBODY, "Production") == 200
    assert grids.name_of(NOBODY, "Production") == "New Comer"
    assert grids.forget("opensim", key=NOBODY) == 200
    assert grids.name_of(NOBODY, "Production") == "New Comer"


def test_without_a_grid_a_token_hides_everywhere(grids: Grids) -> None:
    """Known or not, by key or by name; it includes what one grid hid before, and one undo shows all of it."""
    grids.register("opensim", "Other Name", GOVERNOR, "OpenSim")
    assert grids.forget("opensim", key=GOVERNOR) == grids.forget("all", name="Governor Linden", grid="Production") == 200
    assert grids.name_of(GOVERNOR, "Production") == grids.name_of(GOVERNOR, "OpenSim") == ""
    assert grids.forget("all", key=NOBODY) == 200
    assert grids.register("all", "New Comer", NOBODY, "Production") == 409
    assert grids.ask("GET", "statistics", "all")[1]["forgotten"] == 2
    assert grids.ask("DELETE", f"forgotten/{GOVERNOR}", "all")[0] == 200
    assert grids.name_of(GOVERNOR, "Production") == "Governor Linden"
    assert grids.name_of(GOVERNOR, "OpenSim") == "Other Name"


def test_one_grid_does_not_undo_what_another_hid(grids: Grids) -> None:
    """An avatar hidden everywhere, or on the other grid, is still hidden; of both grids, the other one is kept."""
    grids.register("opensim", "Other Name", GOVERNOR, "OpenSim")
    grids.forget("all", key=GOVERNOR)
    status, answer = grids.ask("DELETE", f"forgotten/{GOVERNOR}", "opensim")
    assert status == 403 and "hidden on all of them" in answer["error"]
    assert grids.name_of(GOVERNOR, "OpenSim") == grids.name_of(GOVERNOR, "Production") == ""
    assert grids.ask("DELETE", f"forgotten/{GOVERNOR}", "all")[0] == 200
    grids.forget("production", key=GOVERNOR)
    assert grids.ask("DELETE", f"forgotten/{GOVERNOR}", "opensim")[0] == 404
    grids.forget("opensim", key=GOVERNOR)
    assert grids.ask("DELETE", f"forgotten/{GOVERNOR}", "opensim")[0] == 200
    assert grids.name_of(GOVERNOR, "OpenSim") == "Other Name" and grids.name_of(GOVERNOR, "Production") == ""
    assert grids.ask("DELETE", f"forgotten/{GOVERNOR}", "production")[0] == 200
    assert grids.key_of("Governor Linden", "Production") == GOVERNOR


def test_conflicts_of_another_grid_are_not_shown(grids: Grids) -> None:
    """An admin of one grid sees those of that grid."""
    for name, key, grid in (("Governor Linden", NOBODY, "Production"), ("Masakazu Kojima", NOBODY, "OpenSim")):
        assert grids.register("all", name, key, grid) == 409
    seen = {token: grids.ask("GET", "conflicts", token)[1]["conflicts"] for token in grids.tokens}
    assert [[each["grid"] for each in seen[token]] for token in ("opensim", "production")] == [["OpenSim"], ["Production"]]
    assert len(seen["all"]) == 2


def test_a_key_waits_on_production_whatever_another_grid_says(grids: Grids) -> None:
    """A name on OpenSim does not count in Second Life, which has no visitors; a visitor's name at home counts on OpenSim."""
    grids.register("all", "Seen Before", "77777777-2222-3333-4444-555555555555", "OpenSim")
    for key in (NOBODY, "77777777-2222-3333-4444-555555555555"):
        for grid in ("Production", "OpenSim"):
            assert grids.ask("POST", "pending", "all", keys=[key], grid=grid)[1] == {"new": int((key, grid) in WANTED)}
    assert grids.register("opensim", "Evil Twin", NOBODY, "OpenSim") == 200
    assert sorted(grids.ask("GET", "pending?grid=Production", "all")[1]["keys"]) == sorted(key for key, grid in WANTED[::2])
    assert grids.ask("GET", "pending?grid=OpenSim", "all")[1]["keys"] == []
    assert grids.ask("POST", "pending/unknown", "opensim", keys=[NOBODY], grid="Production")[0] == 403
    grids.register("production", "True Name", NOBODY, "Production")
    assert NOBODY not in grids.ask("GET", "pending?grid=Production", "all")[1]["keys"]


WANTED = [(NOBODY, "Production"), (NOBODY, "OpenSim"), ("77777777-2222-3333-4444-555555555555", "Production")]


def test_a_label_in_another_case_is_the_same_grid(grids: Grids) -> None:
    """A token made before the settings had the label in this spelling writes on that grid, and on no other."""
    assert grids.register("lower case", "Small Letters", NOBODY, "OPENSIM") == 200
    assert grids.forget("lower case", key=NOBODY) == 200
    assert grids.name_of(NOBODY, "OpenSim") == ""
    assert grids.ask("GET", "pending", "lower case")[0] == 200
    assert grids.ask("DELETE", f"forgotten/{NOBODY}", "lower case")[0] == 200
    assert grids.name_of(NOBODY, "OpenSim") == "Small Letters"
    assert grids.register("lower case", "Small Letters", NOBODY, "production") == 403
    assert grids.register("lower case", "Small.Letters @Production", NOBODY, "OpenSim") == 403
