"""A name of Second Life never moves to another key: refused, answered as before, and listed for the owner."""

import contextlib
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2k_fcgi.errors import NameTaken
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.wiring import overview, registrar
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv


def answer(box: Sandbox, name: str, grid: str = "Production") -> str | None:
    """The key that a name returns."""
    avatar = box.view().name2key(name, grid, strict=True)
    return avatar and format_key(avatar.key)


def listed(box: Sandbox) -> list[tuple[str, str, str, str, int]]:
    """Name, the key that keeps it, the key refused, origin and count of each conflict."""
    found = overview(box.store).conflicts()
    return [(c.name, format_key(c.holder), format_key(c.key), c.provenance, c.times_seen) for c in found]


def test_a_newer_dump_does_not_move_a_name(sandbox: Sandbox) -> None:
    """Whether the newer dump has the first key under that name, under another one, or not at all; each attempt is listed."""
    sandbox.import_text(csv((MASAKAZU, "Wanted Name")), as_of=1)
    for time, rows in enumerate(
        (
            [(USERNAME, "Wanted Name")],
            [(USERNAME, "Wanted Name"), (MASAKAZU, "Wanted Name")],
            [(MASAKAZU, "Renamed Now"), (USERNAME, "Wanted Name")],
            [(USERNAME, "Wanted Name"), (MASAKAZU, "Wanted Name")],
        ),
        2,
    ):
        report = sandbox.import_text(csv(*rows), as_of=time)
        assert answer(sandbox, "wanted.name") == MASAKAZU
        assert sandbox.problems() == []
        assert len(report.moves) == (time in (2, 4))
    assert listed(sandbox) == [("wanted.name", MASAKAZU, USERNAME, "dump", 2)]
    assert sandbox.view().key2name(parse_key(USERNAME)).name == "Wanted Name"  # type: ignore[union-attr]


@pytest.mark.parametrize("elsewhere", [MASAKAZU, USERNAME, GOVERNOR])
def test_the_holder_is_found_whatever_other_grids_know(sandbox: Sandbox, elsewhere: str) -> None:
    """The holder was renamed and another key has the name now: the holder is the answer, whatever other grids have."""
    sandbox.import_text(csv((elsewhere, "Wanted Name")), grid="OpenSim", as_of=1)
    sandbox.import_text(csv((MASAKAZU, "Wanted Name")), as_of=2)
    sandbox.import_text(csv((MASAKAZU, "Renamed Now"), (USERNAME, "Wanted Name")), as_of=3)
    assert answer(sandbox, "wanted.name") == MASAKAZU
    assert answer(sandbox, "wanted.name", "OpenSim") == elsewhere


def test_replace_begins_anew(sandbox: Sandbox) -> None:
    """For an owner whose first dump was wrong."""
    sandbox.import_text(csv((MASAKAZU, "Wanted Name")), as_of=1)
    sandbox.import_text(csv((USERNAME, "Wanted Name")), as_of=2, replace=True)
    assert answer(sandbox, "wanted.name") == USERNAME


def test_elsewhere_the_newer_dump_wins(sandbox: Sandbox) -> None:
    """The rule holds in Second Life only."""
    sandbox.import_text(csv((MASAKAZU, "Wanted Name")), grid="OpenSim", as_of=1)
    report = sandbox.import_text(csv((USERNAME, "Wanted Name")), grid="OpenSim", as_of=2)
    assert answer(sandbox, "wanted.name", "OpenSim") == USERNAME and report.moves == []


def test_a_registration_is_refused_and_listed(sandbox: Sandbox) -> None:
    """Against the dump, and against an earlier capture; attempts are counted together."""
    sandbox.import_text(csv((MASAKAZU, "Wanted Name")))
    sandbox.register("Seen First", GOVERNOR)
    for name in ("Wanted Name", "wanted.name", "Seen First"):
        with pytest.raises(NameTaken):
            sandbox.register(name, USERNAME)
    assert sorted(listed(sandbox)) == [
        ("Seen First", GOVERNOR, USERNAME, "capture", 1),
        ("wanted.name", MASAKAZU, USERNAME, "capture", 2),
    ]
    assert (answer(sandbox, "wanted.name"), answer(sandbox, "seen.first")) == (MASAKAZU, GOVERNOR)


def test_a_list_of_offers_notes_all_its_conflicts(sandbox: Sandbox) -> None:
    """Against the dump, against captures, and within the same list; the valid ones are stored."""
    sandbox.import_text(csv((MASAKAZU, "Wanted Name")))
    sandbox.register("Seen First", GOVERNOR)
    other = "11111111-2222-3333-4444-555555555555"
    job = registrar(sandbox.store, sandbox.settings)
    offers = [
        job.offer(name, key, Wanted("Production"))
        for name, key in (
            ("Wanted Name", USERNAME),
            ("New One", USERNAME),
            ("Seen First", USERNAME),
            ("New One", other),
            ("", other),
        )
    ]
    done = job.register_all(offers, Source())
    assert [type(result).__name__ for result in done] == ["NameTaken", "Registered", "NameTaken", "NameTaken", "BadName"]
    assert sorted(listed(sandbox)) == [
        ("New One", USERNAME, other, "capture", 1),
        ("Seen First", GOVERNOR, USERNAME, "capture", 1),
        ("Wanted Name", MASAKAZU, USERNAME, "capture", 1),
    ]


def test_who_was_forgotten_is_not_listed(sandbox: Sandbox) -> None:
    """Neither as the holder nor as the refused key."""
    sandbox.import_text(csv((MASAKAZU, "Wanted Name"), (GOVERNOR, "Other Name")))
    for name in ("Wanted Name", "Other Name"):
        with pytest.raises(NameTaken):
            sandbox.register(name, USERNAME)
    sandbox.forget_key(parse_key(MASAKAZU))
    assert [name for name, *_ in listed(sandbox)] == ["Other Name"]
    sandbox.forget_key(parse_key(USERNAME))
    assert listed(sandbox) == []


KEYS = st.sampled_from([MASAKAZU, GOVERNOR, USERNAME])
STEPS = st.lists(
    st.tuples(st.sampled_from(["dump", "register", "json"]), KEYS, st.sampled_from(["Ann Lee", "Bob", "Cy Dee"])), max_size=10
)
_numbers = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_comes_an_imported_name_keeps_its_key(tmp_path: Path, steps: list[tuple[str, str, str]]) -> None:
    """Dumps, JSON lines with former names and registrations in any order: the key of an imported name never changes."""
    box = Sandbox(tmp_path / str(next(_numbers)))
    given_out: dict[str, str | None] = {}
    try:
        for time, (kind, key, name) in enumerate(steps, 1):
            if kind == "dump":
                box.import_text(csv((key, name)), as_of=time)
            elif kind == "json":
                line = f'{{"key": "{key}", "name": "{name}", "former": [{{"name": "Old {name}", "seen": {time}}}]}}\n'
                box.import_text(line, as_of=time)
            else:
                with contextlib.suppress(NameTaken):
                    box.register(name, key)
                continue
            for form in ("ann.lee", "bob", "cy.dee", "old.ann.lee", "old.bob", "old.cy.dee"):
                generation = box.store.generations.current()
                holder = generation and generation.holder(form)
                if holder:
                    assert given_out.setdefault(form, format_key(holder)) == format_key(holder)
                    assert answer(box, form) == format_key(holder)
        assert box.problems() == []
    finally:
        box.close()
