"""``n2k forget``, ``search``, ``pending`` and ``lookup --history`` as an owner types them."""

import json

import pytest

from tests.support.commands import Commands
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, csv

OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("who", [MASAKAZU, MASAKAZU.upper(), "Masakazu Kojima", "masakazu+kojima"])
def test_forget_by_anything(peopled: Commands, who: str) -> None:
    """Key or name in any spelling; neither the output nor the log names the avatar."""
    done = peopled("forget", who)
    assert (done.code, done.out, done.err) == (0, "", "hidden from now on; 'n2k purge' removes it from the files\n")
    assert peopled("lookup", MASAKAZU, "masakazu kojima").code == 17
    assert "forgotten: 1\npending: 0\n" in peopled("stats").out
    log = (peopled.data_dir / "log" / "n2k.log").read_text().lower()
    assert "forget" in log and "masakazu" not in log and MASAKAZU not in log
    done = peopled("forget", "--undo", who)
    assert (done.code, done.err) == (0, "shown again\n")
    assert peopled("lookup", MASAKAZU).code == 0


@pytest.mark.parametrize(
    ("who", "what"),
    [
        ("Masakazu Kojma", "of that name on Production"),
        ("masakazu.kojima @grid.example:8002", "of that name on grid.example:8002"),
        (OTHER, "with that key"),
    ],
)
def test_forgetting_somebody_unknown_says_so(peopled: Commands, who: str, what: str) -> None:
    """A typing error is reported; an avatar that gets that name or key later is hidden, until the undo."""
    done = peopled("forget", who)
    said = f"no avatar {what} is known: one that appears later will be hidden (mistyped? --undo reverts it)\n"
    assert (done.code, done.out, done.err) == (0, "", said)
    assert peopled("lookup", "masakazu kojima").code == 0
    assert peopled("register", "Masakazu Kojma" if who == OTHER else who, OTHER).code == 18
    done = peopled("forget", "--undo", who)
    assert (done.code, done.err) == (0, "no longer hidden; no such avatar is known yet\n")
    assert peopled("register", "Masakazu Kojma" if who == OTHER else who, OTHER).code == 0


@pytest.mark.parametrize(("who", "code"), [("no-key-nor-@", 10), ("", 10), ("00000000-0000-0000-0000-000000000000", 11)])
def test_forget_what_cannot_be(peopled: Commands, who: str, code: int) -> None:
    """An impossible name or key is refused."""
    assert peopled("forget", who).code == code


def test_forget_on_a_grid(n2k: Commands) -> None:
    """A name is forgotten on that grid; the avatar of that name on another grid is kept."""
    n2k("import", "-", stdin=csv((MASAKAZU, "Twin Name")).encode())
    n2k("import", "--grid", "OpenSim", "-", stdin=csv((OTHER, "Twin Name")).encode())
    n2k("forget", "--grid", "OpenSim", "Twin Name")
    assert n2k("lookup", "--grid", "OpenSim", "twin name").code == 17
    assert n2k("lookup", "twin name").out == f"Twin Name\t{MASAKAZU}\tProduction\n"


@pytest.mark.parametrize("who", ["Twin Name", "twin.name", "TWIN+NAME"])
def test_forget_a_name_of_another_grid_asks_which(n2k: Commands, who: str) -> None:
    """A name known on another grid only: refused, and the line says how; with --grid, or for an unknown name, accepted."""
    n2k("import", "--grid", "OpenSim", "-", stdin=csv((OTHER, "Twin Name")).encode())
    done = n2k("forget", who)
    where = f"not found: '{who}' is not known on Production, but on OpenSim: add --grid OpenSim, or give the key"
    assert (done.code, done.out, done.err) == (17, "", f"n2k: {where}; no avatar was hidden\n")
    assert "forgotten: 0\n" in n2k("stats").out
    assert n2k("register", "Twin Name", MASAKAZU).code == 0, "the name is free for others on Production"
    assert n2k("forget", who).err == "hidden from now on; 'n2k purge' removes it from the files\n"
    assert n2k("forget", "--grid", "OpenSim", who).code == 0
    assert n2k("lookup", who).code == 17
    assert n2k("forget", who).code == 0, "who is hidden everywhere is not told of"


@pytest.mark.measured
def test_forget_names_every_other_grid(n2k: Commands) -> None:
    """Two grids know the name; a label with a space is quoted; --grid with a third one still hides there."""
    n2k("import", "--grid", "OpenSim", "-", stdin=csv((OTHER, "Twin Name")).encode())
    n2k("import", "--grid", "My World", "-", stdin=csv((MASAKAZU, "Twin Name")).encode())
    said = n2k("forget", "Twin Name")
    assert said.code == 17 and "--grid 'my world'" in said.err and "--grid OpenSim" in said.err
    assert n2k("forget", "--grid", "Production", "Twin Name").code == 0


def test_undoing_what_was_never_asked(peopled: Commands) -> None:
    """Exit code 19, and one line."""
    done = peopled("forget", "--undo", GOVERNOR)
    assert (done.code, done.err) == (19, f"n2k: no request to forget {GOVERNOR} is stored\n")


def test_search_in_order_and_backwards(peopled: Commands) -> None:
    """Name, key, grid; the limit; as JSON; no match."""
    peopled("register", "Gov Other", OTHER)
    assert peopled("search", "gov").out == f"Gov Other\t{OTHER}\tProduction\nGovernor Linden\t{GOVERNOR}\tProduction\n"
    assert peopled("search", "--reverse", "--limit", "1", "Gov").out == f"Governor Linden\t{GOVERNOR}\tProduction\n"
    row = {"name": "Gov Other", "key": OTHER, "grid": "Production", "origin": "capture"}
    assert json.loads(peopled("search", "--json", "gov o").out) == row
    assert peopled("search", "--grid", "OpenSim", "gov").code == 17
    assert peopled("search", "zzz").err == "n2k: not found: names that begin with zzz\n"
    assert peopled("search", " ").code == 10


@pytest.mark.measured
def test_search_goes_over_pages(n2k: Commands) -> None:
    """It continues after the first page."""
    rows = [(f"{n:08x}-0000-0000-0000-000000000001", f"Name{n:04} Last") for n in range(1, 2501)]
    n2k("import", "-", stdin=csv(*rows).encode())
    assert n2k("search", "--limit", "2400", "name").out.count("\n") == 2400
    assert n2k("search", "--limit", "9999", "name").out.count("\n") == 2500


@pytest.mark.measured
def test_history_of_a_renamed_avatar(peopled: Commands) -> None:
    """By any of its names; as text, as JSON with the source of a capture, and for one grid only."""
    peopled("import", "--force", "--as-of", "2026-02-02", "-", stdin=csv((MASAKAZU, "Masakazu Newname")).encode())
    peopled("register", "Masakazu Newest", MASAKAZU)
    for asked in ("masakazu kojima", "Masakazu Newest", MASAKAZU):
        lines = [line.split("\t") for line in peopled("lookup", "--history", asked).out.splitlines()]
        assert [line[:3] for line in lines] == [
            [name, MASAKAZU, "Production"] for name in ("Masakazu Newest", "Masakazu Newname", "Masakazu Kojima")
        ]
        assert lines[0][3].startswith("seen 20")
        assert [line[3] for line in lines[1:]] == ["former name, dump of 2026-02-02", "former name, dump of 2026-01-02"]
    rows = [json.loads(line) for line in peopled("lookup", "--history", "--json", MASAKAZU).out.splitlines()]
    assert [row["former"] for row in rows] == [False, True, True]
    assert [row["origin"] for row in rows] == ["capture", "dump", "dump"]
    assert list(rows[0]) == ["key", "name", "grid", "seen", "origin", "former", "capture"]
    assert rows[0]["capture"]["source"] == {"object_key": "", "owner_key": "", "region": "n2k register", "grid": ""}
    assert rows[1]["capture"] is None and rows[0]["key"] == MASAKAZU
    assert peopled("lookup", "--history", "--grid", "OpenSim", MASAKAZU).code == 17
    assert peopled("lookup", "--history", USERNAME, "nobody").code == 17


def test_pending_lists_nothing_and_conflicts(peopled: Commands) -> None:
    """Empty at first; a refused registration is listed as a conflict, as JSON, too."""
    assert (peopled("pending").out, peopled("pending", "--conflicts").out) == ("", "")
    peopled("register", "Masakazu Kojima", OTHER)
    row = json.loads(peopled("pending", "--conflicts", "--json").out)
    assert (row["name"], row["holder"], row["key"], row["times_seen"]) == ("Masakazu Kojima", MASAKAZU, OTHER, 1)
    assert (row["grid"], row["origin"], row["first_seen"] <= row["last_seen"]) == ("Production", "capture", True)
    assert len(row) == 8
    assert peopled("pending").out == ""


def test_an_import_that_would_move_a_name_says_so(peopled: Commands) -> None:
    """One line names the command that lists the conflicts; silent with -q."""
    dump = csv((OTHER, "Masakazu Kojima")).encode()
    done = peopled("import", "--force", "--as-of", "2026-03-03", "-", stdin=dump)
    assert "  1 name of Second Life keeps its key: see 'n2k pending --conflicts'\n" in done.err
    assert peopled("pending", "--conflicts").out.split("\t")[:4] == ["masakazu.kojima", "Production", MASAKAZU, OTHER]
    assert peopled("-q", "import", "--force", "--as-of", "2026-03-04", "-", stdin=dump).err == ""
    assert peopled("lookup", "masakazu kojima").out == f"Masakazu Kojima\t{MASAKAZU}\tProduction\n"


def test_new_grids_are_bounded(n2k: Commands) -> None:
    """Known grids are always accepted, others up to the setting; a grid of a dump is known."""
    keys = [f"{n:08x}-2222-3333-4444-555555555555" for n in range(9)]
    for n, (grid, code) in enumerate(
        [("one", 0), ("two", 0), ("three", 20), ("one", 0), ("OpenSim", 0), ("Production", 0), ("four", 20)]
    ):
        done = n2k("register", "--grid", grid, f"Name{n} Last", keys[n], N2K_MAX_GRIDS="2")
        assert done.code == code, done
    assert (
        "unknown grid 'three', and callers have created 2 grids, the most allowed"
        in n2k("register", "--grid", "three", "Name9 Last", keys[8], N2K_MAX_GRIDS="2").err
    )
    n2k("import", "--grid", "three", "-", stdin=csv((OTHER, "Dumped One")).encode())
    assert n2k("register", "--grid", "three", "Name9 Last", keys[8], N2K_MAX_GRIDS="2").code == 0
    assert n2k("register", "First Last @host.example:8002", keys[7], N2K_MAX_GRIDS="2").code == 20
