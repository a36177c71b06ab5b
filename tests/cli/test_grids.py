"""``n2k grids``: which grids there are, where each comes from, and how to remove one that registrations created."""

import json

import pytest

from tests.support.asking import over_http
from tests.support.commands import Commands
from tests.support.sandbox import GOVERNOR, csv
from tests.support.standalone import serving

KEYS = [f"{n:08x}-2222-3333-4444-555555555555" for n in range(30)]


@pytest.mark.measured
def test_where_each_comes_from(n2k: Commands) -> None:
    """From the settings, a dump or a registration; with the number of captures of each."""
    n2k("import", "--grid", "Dumped", "-", stdin=csv((GOVERNOR, "Dumped One")).encode())
    n2k("register", "--grid", "brought", "New Comer", KEYS[1])
    n2k("register", "--grid", "OpenSim", "Old Comer", KEYS[2])
    assert n2k("grids").out.splitlines() == [
        "OpenSim\tsettings\t1 capture",
        "Production\tsettings\t0 captures",
        "Testing\tsettings\t0 captures",
        "brought\tregistrations\t1 capture",
        "dumped\tdumps\t0 captures",
    ]
    rows = [json.loads(line) for line in n2k("grids", "list", "--json").out.splitlines()]
    assert {"grid": "brought", "from": ["registrations"], "captures": 1} in rows


def test_a_grid_goes_with_its_captures_and_makes_room(n2k: Commands) -> None:
    """Its avatars are unknown then, other grids' captures of the same key are kept, and another grid can be created."""
    for grid, name in (("opnesim", "Shared Name"), ("OpenSim", "Shared Name"), ("other", "Other Name")):
        assert n2k("register", "--grid", grid, name, KEYS[1], N2K_MAX_GRIDS="2").code == 0
    assert n2k("register", "--grid", "third", "Third Name", KEYS[2], N2K_MAX_GRIDS="2").code == 20
    done = n2k("grids", "remove", "OPNESIM")
    assert (done.code, done.err) == (0, "removed: opnesim, 1 capture\n")
    assert n2k("lookup", "--grid", "opnesim", "shared name").code == 17
    assert n2k("lookup", "--grid", "OpenSim", "shared name").out == f"Shared Name\t{KEYS[1]}\tOpenSim\n"
    assert n2k("lookup", "--grid", "other", KEYS[1]).out == f"Other Name\t{KEYS[1]}\tother\n"
    assert "opnesim" not in n2k("grids").out
    assert n2k("register", "--grid", "third", "Third Name", KEYS[2], N2K_MAX_GRIDS="2").code == 0
    assert n2k("check").code == 0


@pytest.mark.parametrize(
    ("grid", "why"),
    [
        ("production", "the setting 'grids' names it"),
        ("dumped", "the live generation has rows of it"),
        ("nowhere", "no registration created it, see 'n2k grids'"),
    ],
)
def test_other_grids_stay(n2k: Commands, grid: str, why: str) -> None:
    """Grids of the settings and of dumps cannot be removed: one line says why, and nothing changes."""
    n2k("import", "--grid", "Dumped", "-", stdin=csv((GOVERNOR, "Dumped One")).encode())
    before = n2k("grids").out
    done = n2k("grids", "remove", grid)
    assert (done.code, done.out) == (24, "") and done.err.endswith(f": {why}\n")
    assert n2k("grids").out == before


def test_one_token_does_not_use_up_the_room(n2k: Commands) -> None:
    """One token may create eight grids, also by lists; another token may create more."""
    greedy, other = (n2k("token", "create", "--scope", "register").out.split()[-1] for _ in range(2))
    with serving(n2k.data_dir) as server:
        ask = over_http(server.host, server.port)

        def register(token: str, first: int, count: int) -> list[str]:
            rows = [{"name": "Some One", "key": KEYS[n], "grid": f"grid{n}"} for n in range(first, first + count)]
            headers = {"X-N2K-Token": token, "Content-Type": "application/json"}
            answer = ask("POST", "/api/v1/avatars", headers, json.dumps({"avatars": rows}).encode())
            return [each["why"] for each in json.loads(answer.body)["refused"]]

        refused = register(greedy, 1, 12)
        assert len(refused) == 4 and "unknown grid 'grid9', and callers have created 8 grids, the most allowed" in refused[0]
        assert len(register(greedy, 13, 1)) == 1
        assert register(other, 13, 3) == []
