"""Every name that an avatar has or had, with its times: from dumps, from captures, from both."""

import json

import pytest

from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.service.directory.history import History
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

KEY = parse_key(MASAKAZU)


def names(box: Sandbox, key: bytes = KEY) -> list[tuple[str, str, int, bool]]:
    """Name, origin, time, and whether it is a former one."""
    told = History(box.view())
    return [(n.avatar.name, n.avatar.provenance, n.avatar.seen, n.avatar.former) for n in told.names_of(key)]


def test_two_imports_with_renames_between_them(sandbox: Sandbox) -> None:
    """Current name first, former ones with the times of the dumps that last had them; each former name finds its key."""
    governor = (GOVERNOR, "Governor Linden")
    sandbox.import_text(csv((MASAKAZU, "First Name"), governor, (USERNAME, "Same Still")), as_of=100)
    done = sandbox.import_text(csv((MASAKAZU, "Second Name"), governor, (USERNAME, "Renamed Too")), as_of=200)
    assert (done.manifest.changed, done.manifest.unchanged, done.manifest.former) == (2, 1, 2)
    sandbox.import_text(csv((MASAKAZU, "Third Name"), governor, (USERNAME, "Renamed Too")), as_of=300)
    assert names(sandbox) == [
        ("Third Name", "dump", 300, False),
        ("Second Name", "dump", 200, True),
        ("First Name", "dump", 100, True),
    ]
    assert names(sandbox, parse_key(USERNAME)) == [("Renamed Too", "dump", 300, False), ("Same Still", "dump", 100, True)]
    for name in ("first.name", "second.name", "third.name"):
        avatar = sandbox.view().name2key(name)
        assert avatar is not None and avatar.key == KEY and avatar.former == (name != "third.name")
    assert sandbox.view().key2name(KEY).name == "Third Name"  # type: ignore[union-attr]


def test_captures_and_dumps_are_compared_by_time(sandbox: Sandbox) -> None:
    """A capture is newer than yesterday's dump, and older than tomorrow's; all names are still found."""
    sandbox.import_text(csv((MASAKAZU, "Old Name")), as_of=100)
    sandbox.record(MASAKAZU, "Seen Name", 200)
    assert names(sandbox) == [("Seen Name", "capture", 200, False), ("Old Name", "dump", 100, True)]
    sandbox.import_text(csv((MASAKAZU, "New Name")), as_of=300)
    assert names(sandbox) == [
        ("New Name", "dump", 300, False),
        ("Seen Name", "capture", 200, True),
        ("Old Name", "dump", 100, True),
    ]
    sandbox.import_text(csv((MASAKAZU, "Ancient Name")), as_of=50)
    assert names(sandbox)[0][0] == "New Name" and names(sandbox)[-1][0] == "Ancient Name"


def test_a_name_that_comes_back_is_no_former_one(sandbox: Sandbox) -> None:
    """In Second Life an account may return to a previous name."""
    for time, name in ((100, "First Name"), (200, "Second Name"), (300, "First Name")):
        sandbox.import_text(csv((MASAKAZU, name)), as_of=time)
    assert names(sandbox) == [("First Name", "dump", 300, False), ("Second Name", "dump", 200, True)]


def test_a_capture_tells_first_last_and_count(sandbox: Sandbox) -> None:
    """A capture belongs to the name that was captured; a former name of a dump has none."""
    for time, name in ((10, "Old Seen"), (20, "New Seen"), (40, "New Seen"), (30, "New Seen")):
        sandbox.record(MASAKAZU, name, time)
    told = History(sandbox.view()).names_of(KEY)
    assert [(n.avatar.name, n.capture and (n.capture.first_seen, n.capture.last_seen, n.capture.times_seen)) for n in told] == [
        ("New Seen", (10, 40, 4)),
        ("Old Seen", None),
    ]


def test_each_grid_has_its_own(sandbox: Sandbox) -> None:
    """A key that other grids also assigned has a separate history on each."""
    sandbox.import_text(csv((MASAKAZU, "Agni Name")), as_of=100)
    line = {"key": MASAKAZU, "name": "Os Name", "grid": "OpenSim", "seen": 50, "former": [{"name": "Os Old", "seen": 20}]}
    sandbox.import_text(json.dumps(line), as_of=100)
    assert sorted(names(sandbox)) == [
        ("Agni Name", "dump", 100, False),
        ("Os Name", "dump", 50, False),
        ("Os Old", "dump", 20, True),
    ]


def test_a_forgotten_name_is_in_nobodys_history(sandbox: Sandbox) -> None:
    """Outside Second Life a name may pass on: its present avatar is hidden, and the previous one loses only that name."""
    sandbox.import_text(csv((MASAKAZU, "Same Name")), grid="OpenSim", as_of=1)
    sandbox.import_text(csv((MASAKAZU, "Other Name"), (USERNAME, "Same Name")), grid="OpenSim", as_of=2)
    assert [name for name, *_ in names(sandbox)] == ["Other Name", "Same Name"]
    sandbox.forget_name("same.name", "OpenSim")
    assert [name for name, *_ in names(sandbox)] == ["Other Name"]
    assert names(sandbox, parse_key(USERNAME)) == []


@pytest.mark.parametrize("key", [bytes(15) + b"\1", b"\xff" * 16])
def test_nobody_has_no_history(sandbox: Sandbox, key: bytes) -> None:
    """An unknown key has an empty list, before and after the first import."""
    assert names(sandbox, key) == []
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    assert names(sandbox, key) == []
