"""Registrations: the conflict rule against generation and captures, also during imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from n2k_fcgi.errors import BadKey, BadName, NameTaken, TooManyNewGrids
from n2k_fcgi.model.keys import parse_key
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv


def test_a_name_of_the_dump_stays_with_its_key(sandbox: Sandbox) -> None:
    """Refused, and nothing is stored."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    with pytest.raises(NameTaken, match="belongs to another key on Production"):
        sandbox.register("masakazu.kojima", USERNAME)
    assert list(sandbox.store.captures.all_stored()) == []


def test_a_former_name_stays_with_its_key_too(sandbox: Sandbox) -> None:
    """Second Life never issues a name again."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    sandbox.import_text(csv((MASAKAZU, "Masakazu Newname")), as_of=2)
    with pytest.raises(NameTaken):
        sandbox.register("Masakazu Kojima", USERNAME)


def test_newest_lets_names_move_on_other_grids_only(tmp_path: Path) -> None:
    """``on_conflict = newest`` has no effect in Second Life."""
    box = Sandbox(tmp_path / "data", on_conflict="newest")
    try:
        for grid in ("Production", "OpenSim"):
            box.import_text(csv((MASAKAZU, "Masakazu Kojima")), grid=grid, as_of=1)
        box.register("Masakazu Kojima", USERNAME, "OpenSim")
        with pytest.raises(NameTaken):
            box.register("Masakazu Kojima", USERNAME, "Production")
        avatar = box.view().name2key("masakazu.kojima", "OpenSim")
        assert avatar is not None and avatar.key == parse_key(USERNAME)
    finally:
        box.close()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 64, "x" * 100_000, GOVERNOR, "(Loading...)", "\ud800", "a\x00b"])
def test_a_bad_name_stores_nothing(sandbox: Sandbox, name: str) -> None:
    """It is refused."""
    with pytest.raises(BadName):
        sandbox.register(name, MASAKAZU)
    assert list(sandbox.store.captures.all_stored()) == []


@pytest.mark.parametrize("key", ["", "xyz", "00000000-0000-0000-0000-000000000000", MASAKAZU + "0"])
def test_a_bad_key_stores_nothing(sandbox: Sandbox, key: str) -> None:
    """It is refused."""
    with pytest.raises(BadKey):
        sandbox.register("Masakazu Kojima", key)
    assert list(sandbox.store.captures.all_stored()) == []


NOT_LINDENS = {
    "Cyrillic o": "G\u043evernor Linden",
    "Greek capitals": "\u0391nna \u0392ell",
    "wide letters": "\uff27overnor Linden",
    "Kelvin sign, which folds to k": "\u212aarl Resident",
    "Hangul filler, which is not seen": "Governor\u3164 Linden",
    "accent": "Zo\u00eb Resident",
    "three parts": "Governor Van Linden",
    "Resident behind two parts": "Governor Linden Resident",
    "punctuation": "Governor-Linden",
    "quotes": "'Governor' Linden",
}


@pytest.mark.parametrize("name", NOT_LINDENS.values(), ids=NOT_LINDENS)
def test_second_life_has_no_look_alikes(sandbox: Sandbox, name: str) -> None:
    """Names that Linden Lab does not issue are refused on Production, in any form; other grids accept them."""
    for grid, text in (("Production", name), ("Production", f"{name} @Production"), ("OpenSim", f"{name} @production")):
        with pytest.raises(BadName, match="on Production a name is one or two parts of ASCII letters, digits and underscores"):
            sandbox.register(text, MASAKAZU, grid)
    assert list(sandbox.store.captures.all_stored()) == []
    sandbox.register(name, MASAKAZU, "OpenSim")
    assert [avatar.name for avatar in sandbox.view().with_key(parse_key(MASAKAZU))] == [name]


@pytest.mark.parametrize(
    "name", ["Governor Linden", "governor.linden", "GOVERNOR+LINDEN", "x", "_a_1", "Foo Resident", "123 4"]
)
def test_second_life_has_names_in_all_their_spellings(sandbox: Sandbox, name: str) -> None:
    """Names that Linden Lab issues are accepted in any spelling."""
    sandbox.register(name, MASAKAZU)
    assert [stored.capture.key for stored in sandbox.store.captures.all_stored()] == [parse_key(MASAKAZU)]


def test_odd_names_of_dumps_and_stores_stay(sandbox: Sandbox) -> None:
    """Rows of a dump, and captures from before the rule, are answered as before."""
    sandbox.import_text(csv((GOVERNOR, "\u00c9lodie Stra\u00dfe")))
    sandbox.record(MASAKAZU, "Zo\u00eb Van Bell", 100)
    for name, key in (("\u00e9lodie.strasse", GOVERNOR), ("zo\u00eb.van.bell", MASAKAZU)):
        avatar = sandbox.view().name2key(name)
        assert avatar is not None and avatar.key == parse_key(key)


def test_an_import_meanwhile_loses_no_registration(sandbox: Sandbox) -> None:
    """Registrations of another process while imports publish are all found afterwards, in both directions."""
    code = (
        "import sys; from pathlib import Path; from tests.support.sandbox import Sandbox\n"
        "from tests.contract.engines import be_patient; be_patient()\n"
        "box = Sandbox(Path(sys.argv[1]))\n"
        "for n in range(1, 201): box.register(f'Busy{n} Resident', f'{n:032x}')\n"
    )
    rows = csv(*[(f"{n:08x}-0000-0000-0000-000000000001", f"Name{n} Last") for n in range(1, 3000)])
    with subprocess.Popen([sys.executable, "-c", code, str(sandbox.data_dir)]) as child:
        imports = 0
        while child.poll() is None or imports < 3:
            imports += 1
            sandbox.import_text(rows, as_of=imports)
        assert child.returncode == 0
    view = sandbox.view()
    for n in range(1, 201):
        avatar = view.name2key(f"busy{n}")
        assert avatar is not None and avatar.key == n.to_bytes(16, "big")
        assert [a.name for a in view.with_key(avatar.key)] == [f"Busy{n} Resident"]


def test_a_grid_of_the_dump_is_no_new_one(tmp_path: Path) -> None:
    """If callers may create no grids, they can still register on grids of the settings and of dumps."""
    box = Sandbox(tmp_path / "data", max_grids="0")
    try:
        box.import_text(csv((MASAKAZU, "Masakazu Kojima")), grid="imported")
        box.register("Seen There", USERNAME, "imported")
        box.register("Seen There", USERNAME, "OpenSim")
        with pytest.raises(TooManyNewGrids, match="'grids', 'max_grids'"):
            box.register("Seen There", USERNAME, "elsewhere")
    finally:
        box.close()


def test_a_grid_that_was_created_once_stays(tmp_path: Path) -> None:
    """The limit is on new grids: registrations on existing ones are accepted when it is reached."""
    box = Sandbox(tmp_path / "data", max_grids="1")
    try:
        for name, key in (("First One", MASAKAZU), ("Second One", USERNAME), ("First One", MASAKAZU)):
            box.register(name, key, "created")
        with pytest.raises(TooManyNewGrids):
            box.register("First One", MASAKAZU, "another")
        assert [a.grid for a in box.view().with_key(parse_key(MASAKAZU))] == ["created"]
    finally:
        box.close()


def test_a_name_is_taken_on_its_grid_only(sandbox: Sandbox) -> None:
    """In the dump or in captures: on another grid the name may belong to another avatar."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.register("Seen There", GOVERNOR, "Testing")
    for grid in ("OpenSim", "elsewhere"):
        sandbox.register("Masakazu Kojima", USERNAME, grid)
        sandbox.register("Seen There", USERNAME, grid)
    for name, grid in (("Masakazu Kojima", "Production"), ("Seen There", "Testing")):
        with pytest.raises(NameTaken):
            sandbox.register(name, USERNAME, grid)


def test_a_key_that_has_the_name_too_may_be_seen_again(sandbox: Sandbox) -> None:
    """The dump has two keys of the name: the one that does not hold it is not a third."""
    sandbox.import_text(csv((MASAKAZU, "Wanted Name")), as_of=1)
    sandbox.import_text(csv((USERNAME, "Wanted Name"), (MASAKAZU, "Wanted Name")), as_of=2)
    sandbox.register("Wanted Name", USERNAME)
    with pytest.raises(NameTaken):
        sandbox.register("Wanted Name", GOVERNOR)
    assert sandbox.view().name2key("wanted.name").key == parse_key(MASAKAZU)  # type: ignore[union-attr]


def test_a_registration_does_not_hang_on_what_may_be_lost(sandbox: Sandbox) -> None:
    """The queue and the list of conflicts cannot be written: registrations are accepted and refused as usual."""
    sandbox.import_text(csv((GOVERNOR, "Governor Linden")))
    (sandbox.data_dir / "volatile.mdb").mkdir()
    sandbox.register("Masakazu Kojima", MASAKAZU)
    with pytest.raises(NameTaken):
        sandbox.register("Governor Linden", USERNAME)
    assert sandbox.view().name2key("masakazu.kojima") is not None
    (sandbox.data_dir / "volatile.mdb").rmdir()


def test_a_visitor_of_a_known_grid_is_of_that_grid(sandbox: Sandbox) -> None:
    """``@opensim`` and the header ``OpenSim`` are one grid: the conflict rule holds between them."""
    sandbox.register("Masakazu Kojima", MASAKAZU, "OpenSim")
    with pytest.raises(NameTaken):
        sandbox.register("Masakazu.Kojima @opensim", USERNAME)
