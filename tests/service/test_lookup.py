"""The choice rule and the overlay of captures over a generation."""

import subprocess
import sys

import pytest

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.service.directory.choice import choose
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

A, B, C = (parse_key(key) for key in (MASAKAZU, GOVERNOR, USERNAME))


def _avatar(key: bytes, grid: str, seen: int, *, former: bool = False) -> Avatar:
    return Avatar(key, "Some Name", grid, seen, Provenance.DUMP, former)


def test_the_grid_asked_for_comes_first() -> None:
    """Then the default grid, then the avatar seen most recently."""
    found = [_avatar(A, "Production", 1), _avatar(B, "OpenSim", 9), _avatar(C, "elsewhere", 5)]
    assert choose(found, "elsewhere", "Production") == found[2]
    assert choose(found, None, "Production") == found[0]
    assert choose(found[1:], "Testing", "Production") == found[1]


def test_strict_means_that_grid_or_nobody() -> None:
    """A caller who names a grid gets no key of another grid."""
    assert choose([_avatar(A, "Production", 1)], "OpenSim", "Production", strict=True) is None


def test_a_current_name_beats_a_later_former_one_of_another_grid() -> None:
    """An avatar with the current name is preferred to one with a former name."""
    found = [_avatar(A, "x", 9, former=True), _avatar(B, "y", 1)]
    assert choose(found, None, "Production") == found[1]


def test_a_capture_is_found_at_once_over_a_generation(sandbox: Sandbox) -> None:
    """A registration is found without an import."""
    sandbox.import_text(csv((GOVERNOR, "Governor Linden")), as_of=1)
    sandbox.register("Masakazu Kojima", MASAKAZU)
    view = sandbox.view()
    assert (view.name2key("masakazu.kojima") or _avatar(C, "", 0)).key == A
    assert (view.key2name(A) or _avatar(C, "", 0)).name == "Masakazu Kojima"


def test_a_capture_survives_every_import(sandbox: Sandbox) -> None:
    """It is stored in a separate file."""
    sandbox.register("Masakazu Kojima", MASAKAZU)
    for as_of in (1, 2, 3):
        sandbox.import_text(csv((GOVERNOR, "Governor Linden")), as_of=as_of, replace=True)
    assert sandbox.view().name2key("masakazu.kojima") is not None


def test_a_later_capture_renames_a_dumped_avatar(sandbox: Sandbox) -> None:
    """Captured after the dump: the key returns the new name, the old name still returns the key."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    sandbox.register("Masakazu Newname", MASAKAZU)
    view = sandbox.view()
    assert [a.name for a in view.with_key(A)] == ["Masakazu Newname"]
    assert {a.key for a in view.named("masakazu.kojima")} == {A}


def test_a_later_dump_renames_a_captured_avatar(sandbox: Sandbox) -> None:
    """The later time wins, in either direction."""
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1_600_000_000)
    sandbox.import_text(csv((MASAKAZU, "Masakazu Newname")), as_of=1_600_000_001)
    assert [a.name for a in sandbox.view().with_key(A)] == ["Masakazu Newname"]


def test_what_was_seen_in_the_very_second_of_the_dump_wins(sandbox: Sandbox) -> None:
    """Writing a dump takes time; a capture from meanwhile is newer."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=100)
    sandbox.record(MASAKAZU, "Masakazu Newname", 100)
    assert [a.name for a in sandbox.view().with_key(A)] == ["Masakazu Newname"]
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=101)
    assert [a.name for a in sandbox.view().with_key(A)] == ["Masakazu Kojima"]


def test_the_captured_spelling_is_given_where_the_name_is_the_same(sandbox: Sandbox) -> None:
    """W-Hat's dump has no upper case; a capture has."""
    sandbox.record(MASAKAZU, "McFly Resident", 1_600_000_000)
    sandbox.import_text(csv((MASAKAZU, "Mcfly Resident")), as_of=1_600_000_001)
    assert [a.name for a in sandbox.view().with_key(A)] == ["McFly Resident"]


def test_in_second_life_the_dump_outranks_a_capture(sandbox: Sandbox) -> None:
    """A wrong registration is corrected by the dump; scripts pay money by these answers."""
    sandbox.register("Masakazu Kojima", USERNAME)
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    assert (sandbox.view().name2key("masakazu.kojima") or _avatar(C, "", 0)).key == A


def test_on_other_grids_the_later_binding_wins(sandbox: Sandbox) -> None:
    """Other grids may be reset and assign names again."""
    sandbox.register("Masakazu Kojima", USERNAME, "OpenSim")
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), grid="OpenSim", as_of=1)
    assert (sandbox.view().name2key("masakazu.kojima") or _avatar(A, "", 0)).key == C


def test_names_of_both_sources_in_order(sandbox: Sandbox) -> None:
    """Up to the limit, from either source, forwards or backwards; each once."""
    sandbox.import_text(csv((MASAKAZU, "Name B"), (GOVERNOR, "Name D")), as_of=1)
    for number, letter in enumerate("ACDE", 1):
        sandbox.record(bytes(15) + bytes([number]), f"Name {letter}", 1, refuse=False)
    view = sandbox.view()
    everything = [f"name.{letter}".encode() for letter in "abcde"]
    for limit in range(1, 7):
        assert view.names_between(b"n", b"o", limit, reverse=False) == everything[:limit]
        assert view.names_between(b"n", b"o", limit, reverse=True) == everything[::-1][:limit]
    for first in range(5):
        for end in range(first, 5):
            between = everything[first:end]  # the first one is in it, the end is not
            assert view.names_between(everything[first], everything[end], 9, reverse=False) == between
            assert view.names_between(everything[first], everything[end], 9, reverse=True) == between[::-1]


def test_a_snapshot_is_one_moment_of_both_sources(sandbox: Sandbox) -> None:
    """Registrations of another process are not seen inside, only after it; each source is read in one transaction."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    code = "import sys, pathlib, tests.support.sandbox as s; s.Sandbox(pathlib.Path(sys.argv[1])).register(*sys.argv[2:])"
    view = sandbox.view()
    with view.snapshot():
        assert view.name2key("masakazu.kojima") is not None and view.name2key("new.comer") is None
        subprocess.run([sys.executable, "-c", code, str(sandbox.data_dir), "New Comer", USERNAME], check=True)
        assert view.name2key("new.comer") is None and view.with_key(C) == []
        assert view.names_between(b"m", b"z", 9, reverse=False) == [b"masakazu.kojima"]
        assert view.key2name(A) is not None
    assert view.name2key("new.comer") is not None


def test_a_snapshot_ends_whatever_happens_in_it(sandbox: Sandbox) -> None:
    """An error inside leaves both sources readable and writable."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    view = sandbox.view()
    with pytest.raises(KeyError), view.snapshot():
        raise KeyError
    sandbox.register("New Comer", USERNAME)
    assert view.name2key("new.comer") is not None
