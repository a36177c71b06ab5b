"""Search by the beginning of a name: in order, in pages, both ways, against a plain sorted list."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2k_fcgi.errors import BadName, BadRequest
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory import search as module
from n2k_fcgi.service.directory.search import search
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv


def names(box: Sandbox, prefix: str, **how: object) -> list[str]:
    """The spelled names of all pages, two avatars per page unless *how* has another limit."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = search(box.view(), prefix, **{"limit": 2, "cursor": cursor, **how})  # type: ignore[arg-type]
        found += [avatar.name for _, avatars in page.names for avatar in avatars]
        cursor = page.next
        if cursor is None:
            return found


@pytest.mark.parametrize("prefix", ["G", "gov", "GOVERNOR", "Governor ", "governor.", "governor+l", " Governor  Linden"])
def test_a_prefix_in_any_spelling(sandbox: Sandbox, prefix: str) -> None:
    """Case, dots, plus signs and spaces mean what they mean in a lookup."""
    sandbox.import_text(csv((GOVERNOR, "Governor Linden"), (MASAKAZU, "Masakazu Kojima"), (USERNAME, "Governorx Resident")))
    expected = ["Governor Linden"] if "linden" in prefix.lower() or prefix[-1] in " ." or "+" in prefix else None
    assert names(sandbox, prefix) == (expected or ["Governor Linden", "Governorx Resident"])


def test_former_names_are_not_found(sandbox: Sandbox) -> None:
    """Neither a dump's nor a capture's; the captured name is."""
    sandbox.import_text(csv((MASAKAZU, "Anna One")), as_of=1)
    sandbox.import_text(csv((MASAKAZU, "Anna Two"), (GOVERNOR, "Anna Other")), as_of=2)
    sandbox.record(MASAKAZU, "Anna Three", 300)
    sandbox.record(MASAKAZU, "Anna Four", 400)
    assert names(sandbox, "anna") == ["Anna Four", "Anna Other"]


def test_one_grid_only(sandbox: Sandbox) -> None:
    """Names of other grids are skipped; without a grid a name on two grids is one entry with two avatars."""
    sandbox.import_text(csv((MASAKAZU, "Twin Name"), (GOVERNOR, "Twin Other")), as_of=1)
    sandbox.import_text(csv((USERNAME, "Twin Name")), grid="OpenSim", as_of=1)
    assert names(sandbox, "twin", grid="OpenSim") == ["Twin Name"]
    page = search(sandbox.view(), "twin", limit=1)
    assert [(name, len(avatars)) for name, avatars in page.names] == [("twin.name", 2)] and page.next == "twin.name"


def test_a_cursor_from_elsewhere_leads_nowhere_else(sandbox: Sandbox) -> None:
    """Callers can send any cursor: one outside of the prefix returns names with the prefix, or none, never others."""
    sandbox.import_text(csv((MASAKAZU, "Anna One"), (GOVERNOR, "Mike Two"), (USERNAME, "Zoe Three")))
    for cursor, reverse, found in (
        ("a", False, ["Mike Two"]),
        ("", False, ["Mike Two"]),
        ("zzz", False, []),
        ("a", True, []),
        ("zzz", True, ["Mike Two"]),
        ("mike.two", False, []),
        ("mike.two", True, []),
    ):
        page = search(sandbox.view(), "mike", limit=5, cursor=cursor, reverse=reverse)
        assert [avatar.name for _, avatars in page.names for avatar in avatars] == found, (cursor, reverse)


def test_a_page_looks_at_a_bounded_number_of_names(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing matches, the page is empty and has a cursor: continuing reaches the end, in both directions."""
    monkeypatch.setattr(module, "_STEP", 10)
    monkeypatch.setattr(module, "MOST_SCANNED", 30)
    rows = [(format_key(n.to_bytes(16, "big")), f"Many{n:03} Last") for n in range(1, 101)]
    sandbox.import_text(csv(*rows))
    sandbox.import_text(csv((GOVERNOR, "Many050x Last")), grid="OpenSim")
    for reverse in (False, True):
        page = search(sandbox.view(), "many", limit=5, grid="OpenSim", reverse=reverse)
        assert (page.names, page.next is not None) == ([], True)
        assert names(sandbox, "many", grid="OpenSim", reverse=reverse) == ["Many050x Last"]


@pytest.mark.parametrize("prefix", ["", " ", "...", "+", "x" * 5000, "a\0", "a\n", "\ud800"])
def test_a_bad_prefix(sandbox: Sandbox, prefix: str) -> None:
    """An empty prefix, one that is far too long, and one that no name can have are refused."""
    with pytest.raises(BadName):
        search(sandbox.view(), prefix, limit=5)


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_bad_limit(sandbox: Sandbox, limit: int) -> None:
    """A page has from 1 to 1,000 avatars."""
    with pytest.raises(BadRequest):
        search(sandbox.view(), "a", limit=limit)


WORDS = st.text(st.sampled_from("abéß.z"), min_size=1, max_size=5).filter(lambda word: canonical(word) != "")
_numbers = itertools.count()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(WORDS, min_size=1, max_size=15), st.sets(WORDS, max_size=6), WORDS, st.integers(1, 4))
def test_pages_are_the_sorted_list(tmp_path: Path, imported: set[str], captured: set[str], prefix: str, limit: int) -> None:
    """Dump and captures together, any page size, both directions: sorted by the bytes of canonical names."""
    box = Sandbox(tmp_path / str(next(_numbers)))
    try:
        distinct = {canonical(word): word for word in sorted(imported)}
        box.import_text(csv(*[(format_key((n + 1).to_bytes(16, "big")), w) for n, w in enumerate(distinct.values())]))
        for n, word in enumerate(sorted(captured)):
            if canonical(word) not in distinct:
                distinct[canonical(word)] = word
                box.record((n + 100).to_bytes(16, "big"), word, 5)
        beginning = canonical(prefix) + ("." if prefix.endswith(".") else "")
        expected = [distinct[form] for form in sorted(distinct, key=str.encode) if form.startswith(beginning)]
        assert names(box, prefix, limit=limit) == expected
        assert names(box, prefix, limit=limit, reverse=True) == expected[::-1]
        assert box.problems() == []
    finally:
        box.close()
