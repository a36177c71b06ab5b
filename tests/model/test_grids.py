"""Grids: one spelling each, so that stores can compare them as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.errors import BadGrid
from n2k_fcgi.model.grids import GRID_BYTES, PRODUCTION, TESTING, Grid, Grids, Wanted, parse_grid
from n2k_fcgi.model.names import parse_name
from tests.support.strategies import any_text, hostile_text, name_part, relaxed


@pytest.mark.parametrize("text", ["Production", "production", "PRODUCTION", " Production\u00a0"])
def test_second_lifes_grids_have_one_spelling(text: str) -> None:
    """The headers of Second Life's simulators, in any case, name Production and Testing."""
    assert parse_grid(text) == PRODUCTION
    assert parse_grid(text.lower().replace("production", "testing")) == TESTING


def test_an_owner_cannot_respell_second_life() -> None:
    """Whatever spelling is known, Production is always Production: the rule that its names never move depends on it."""
    for text in ("Production", "production", "PRODUCTION", "ProDuction "):
        assert parse_grid(text, ("production", "PRODUCTION")) == PRODUCTION
    for text in ("Testing", "testing", " TESTING"):
        assert parse_grid(text, ("TESTING", "testing")) == TESTING


def test_known_grids_are_given_in_their_spelling() -> None:
    """A known grid is found in any case, the first of two; others are folded."""
    known = ("OSgrid", "osGRID", "Größe")
    assert parse_grid("OSGRID", known) == "OSgrid"
    assert parse_grid("GRÖSSE", known) == "Größe"
    assert parse_grid("OSGRID") == "osgrid"
    assert parse_grid("Host.Example:8002") == "host.example:8002"


def test_a_grid_exists_by_the_settings_or_by_an_import() -> None:
    """Either is enough, and a registration on such a grid creates none; any other grid is new."""
    grids = Grids((Grid(PRODUCTION, PRODUCTION), Grid("OSgrid", "OSgrid")))
    assert grids.is_established("OSgrid", ()) and grids.is_established("OSgrid", {"osgrid", "other"})
    assert grids.is_established("other", {"other"})
    assert not grids.is_established("other", ()) and not grids.is_established("other", {PRODUCTION})


@relaxed
@given(hostile_text | any_text | name_part, st.lists(name_part, max_size=2))
def test_parsing_is_idempotent(text: str, known: list[str]) -> None:
    """A grid is refused with BadGrid, or it is printable, short, and parses to itself in any case."""
    try:
        grid = parse_grid(text, tuple(known))
    except BadGrid as refused:
        assert str(refused).isprintable()
        return
    assert grid in known or len(grid.encode()) <= GRID_BYTES
    assert grid.isprintable()
    assert parse_grid(f" {grid.casefold()} ", tuple(known)) == grid


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \u2003", "empty"),
        (" \n", "cannot be shown"),
        ("\r\nX", "cannot be shown"),
        ("Production\n", "cannot be shown"),
        ("a\nb", "cannot be shown"),
        ("a\x00", "cannot be shown"),
        ("\ud800", "cannot be shown"),
        ("a\u00a0b", "cannot be shown"),
        ("x" * 64, "at most 63 bytes"),
        ("ß" * 32, "at most 63 bytes"),
        ("ŉ" * 30, "at most 63 bytes"),
        ("x" * 100_000, "at most 63 bytes"),
    ],
)
def test_what_is_no_grid(text: str, why: str) -> None:
    """Nothing, what cannot be shown, and what is too long once folded is refused with the text and the reason."""
    with pytest.raises(BadGrid, match=why) as caught:
        parse_grid(text)
    assert str(caught.value).startswith(str(BadGrid(grid=text, why="")))


def test_what_a_refusal_says() -> None:
    """The whole line, as a user sees it."""
    for text, why in (("", "it is empty"), ("a\nb", "it has characters that cannot be shown"), ("x" * 64, "at most 63 bytes")):
        with pytest.raises(BadGrid) as caught:
            parse_grid(text)
        assert str(caught.value) == str(BadGrid(grid=text, why=why))


def test_a_grid_as_the_setting_has_it() -> None:
    """The label, and the shard where it is another."""
    assert str(Grid("Mine", "Mine")) == "Mine" and str(Grid("Mine", "OpenSim")) == "Mine=OpenSim"


def test_a_shard_means_the_grid_of_the_settings() -> None:
    """In any case and with spaces around; otherwise it is a label; Second Life's two always mean Second Life."""
    grids = Grids((Grid("Mine", "OpenSim"), Grid("Odd", "Production"), Grid("Odder", "testing"), Grid("OSgrid", "x")))
    assert grids.of_shard(" opensim ") == "Mine" and grids.of_shard("OSGRID") == "OSgrid" and grids.of_shard("Other") == "other"
    assert {grids.of_shard(text) for text in ("Production", "production ", "PRODUCTION")} == {PRODUCTION}
    assert {grids.of_shard(text) for text in ("Testing", " testing")} == {TESTING}
    assert grids.labels == ("Mine", "Odd", "Odder", "OSgrid")


def test_the_longest_grid() -> None:
    """GRID_BYTES of UTF-8 are accepted."""
    assert parse_grid("X" * GRID_BYTES) == "x" * GRID_BYTES


GRIDS = Grids((Grid("Production", "Production"), Grid("Mine", "OpenSim")), default="Mine")


@pytest.mark.parametrize(
    ("named", "shard", "wanted", "one"),
    [
        (None, "", Wanted(None, False), "Mine"),
        (None, "opensim", Wanted("Mine", False), "Mine"),
        (None, "Production", Wanted("Production", False), "Production"),
        ("PRODUCTION", "OpenSim", Wanted("Production", True), "Production"),
        ("Elsewhere", "", Wanted("elsewhere", True), "elsewhere"),
        ("mine", "\n", Wanted("Mine", True), "Mine"),
    ],
)
def test_which_grid_is_meant(named: str | None, shard: str, wanted: Wanted, one: str) -> None:
    """The named one only; otherwise the simulator's first; otherwise the default, if one is needed."""
    assert GRIDS.wanted(named, shard) == wanted and GRIDS.one(wanted) == one


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Anna Grid", Wanted("Production", False)),
        ("Anna.Grid @opensim", Wanted("opensim", True)),
        ("Anna.Grid @MINE", Wanted("Mine", True)),
    ],
)
def test_a_visitors_name_says_its_own_grid(name: str, meant: Wanted) -> None:
    """Whatever the request names; a home is a label, in the spelling that is known, and not a shard."""
    assert parse_name(name, GRIDS).on(Wanted("Production")) == meant


def test_a_bad_grid_is_refused_wherever_it_stands() -> None:
    """In a parameter and in the header of a simulator."""
    for named, shard in (("", ""), (None, "\x01"), ("x" * 64, "Production")):
        with pytest.raises(BadGrid):
            GRIDS.wanted(named, shard)
