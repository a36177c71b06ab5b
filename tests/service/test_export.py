"""An export has all data, and importing it makes the same directory."""

import json
import random
from pathlib import Path

import pytest

from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.service.dumps import export
from n2k_fcgi.service.dumps.export import Export, csv_lines, json_lines
from n2k_fcgi.store.lmdb.generation import Generation
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

GRIDS = ("Production", "OpenSim", None)


def key_of(number: int) -> str:
    """A key; keys are in the order of the numbers."""
    return format_key(number.to_bytes(16, "big"))


def capture(box: Sandbox, key: str, name: str, now: int, grid: str = "Production") -> None:
    """A capture at a given time, by the rules of the store alone."""
    box.record(key, name, now, grid=grid, refuse=False, source=Source("object", "owner", "region", "shard"))


def exported(box: Sandbox, *, grid: str | None = None, as_csv: bool = False, captures: bool = False) -> bytes:
    """All lines."""
    live = None if captures else box.store.generations.current_name()
    box.store.generations.close()
    generation: Generation | None = box.store.generations.open(live) if live else None
    try:
        known = Export(generation, box.store.captures, box.store.forgotten.hidden(), grid).known()
        return b"".join(csv_lines(known) if as_csv else json_lines(known))
    finally:
        if generation:
            generation.close()


def answers(view: View, names: list[str], keys: list[str], grids: tuple[str | None, ...] = GRIDS) -> dict[object, object]:
    """The answers for each name (the key, and whether it is a former name) and each key, on each grid."""
    found: dict[object, object] = {}
    for grid in grids:
        for name in names:
            avatar = view.name2key(canonical(name), grid, strict=grid is not None)
            found[name, grid] = avatar and (avatar.key, avatar.grid)
        for key in keys:
            avatar = view.key2name(parse_key(key), grid, strict=grid is not None)
            found[key, grid] = avatar and (avatar.name, avatar.grid)
    return found


def assert_same_after_import(box: Sandbox, tmp_path: Path, names: list[str], keys: list[str]) -> None:
    """Export, import into an empty directory, compare every lookup, and export again: the same avatars."""
    lines = exported(box)
    other = Sandbox(tmp_path / "other")
    try:
        other.import_text(lines)
        assert answers(other.view(), names, keys) == answers(box.view(), names, keys)
        assert other.problems() == []
        plain = [{k: v for k, v in json.loads(line).items() if k != "capture"} for line in lines.splitlines()]
        again = [json.loads(line) for line in exported(other).splitlines()]
        assert sorted(again, key=str) == sorted(plain, key=str)
    finally:
        other.close()


def test_everything_is_exported(sandbox: Sandbox) -> None:
    """Key, name, grid and times; former names of dumps and captures; who reported a capture."""
    sandbox.import_text(csv((GOVERNOR, "Old Linden"), (MASAKAZU, "Masakazu Kojima")), as_of=100)
    sandbox.import_text(csv((GOVERNOR, "Governor Linden")), as_of=200)
    capture(sandbox, GOVERNOR, "Élodie Straße", 300)
    capture(sandbox, USERNAME, "username", 300, "OpenSim")
    lines = [json.loads(line) for line in exported(sandbox).splitlines()]
    source = {"object_key": "object", "owner_key": "owner", "region": "region", "grid": "shard"}
    seen = {"first": 300, "last": 300, "count": 1, "source": source}
    former = [{"name": "Old Linden", "seen": 100}, {"name": "Governor Linden", "seen": 200}]
    assert lines == [
        {"key": USERNAME, "name": "username", "grid": "OpenSim", "seen": 300, "capture": seen},
        {"key": GOVERNOR, "name": "Élodie Straße", "grid": "Production", "seen": 300, "former": former, "capture": seen},
        {"key": MASAKAZU, "name": "Masakazu Kojima", "grid": "Production", "seen": 100},
    ]


def test_captures_only_and_one_grid_only(sandbox: Sandbox) -> None:
    """Only captures, unchanged; only one grid."""
    sandbox.import_text(csv((GOVERNOR, "Governor Linden"), (MASAKAZU, "Masakazu Kojima")), as_of=100)
    capture(sandbox, GOVERNOR, "governor.linden", 50)
    capture(sandbox, USERNAME, "Username", 300, "OpenSim")
    names = [json.loads(line)["name"] for line in exported(sandbox, captures=True).splitlines()]
    assert names == ["Username", "governor.linden"]
    assert [json.loads(line)["key"] for line in exported(sandbox, grid="OpenSim").splitlines()] == [USERNAME]
    assert len(exported(sandbox, grid="Production").splitlines()) == 2


def test_csv_is_as_what_writes_it(sandbox: Sandbox) -> None:
    """Current names of one grid; a single name gets its last name, a dot becomes a space, quotes only where needed."""
    rows = {1: "solo", 2: "x.resident", 3: "first.last", 4: "Zoë, Ünal", 5: 'a"b c', 6: "A B C"}
    lines = [json.dumps({"key": key_of(number), "name": name}) + "\n" for number, name in rows.items()]
    sandbox.import_text("".join(lines))
    assert exported(sandbox, grid="Production", as_csv=True).decode().splitlines() == [
        f"{key_of(1)},solo Resident",
        f"{key_of(2)},x Resident",
        f"{key_of(3)},first last",
        f'{key_of(4)},"Zoë, Ünal"',
        f'{key_of(5)},"a""b c"',
        f"{key_of(6)},A B C",
    ]


def test_a_nobody_exports_nothing(sandbox: Sandbox) -> None:
    """Neither a generation nor captures: no line."""
    assert exported(sandbox) == b""


@pytest.mark.parametrize("first", [1, 2])
def test_a_contested_name_answers_as_before(sandbox: Sandbox, tmp_path: Path, first: int) -> None:
    """Two keys of one name in one dump: the later line is the answer before and after export and import."""
    rows = [(key_of(first), "Same Name"), (key_of(3 - first), "Same Name"), (key_of(9), "Other Name")]
    sandbox.import_text(csv(*rows), as_of=100)
    sandbox.import_text(csv(*rows), grid="OpenSim", as_of=100)
    assert_same_after_import(sandbox, tmp_path, ["Same Name", "Other Name"], [key for key, _ in rows])


@pytest.mark.parametrize("seen", [50, 150])
def test_a_capture_against_the_dump_answers_as_before(sandbox: Sandbox, tmp_path: Path, seen: int) -> None:
    """In Second Life the dump's key keeps the name, whichever was seen later; the other key keeps its name, too."""
    sandbox.import_text(csv((key_of(1), "Same Name"), (key_of(3), "Third Name")), as_of=100)
    capture(sandbox, key_of(2), "Same Name", seen)
    capture(sandbox, key_of(3), "Renamed Third", seen)
    names = ["Same Name", "Third Name", "Renamed Third"]
    lines = exported(sandbox)
    other = Sandbox(tmp_path / "other")
    try:
        other.import_text(lines)
        assert answers(other.view(), names, [key_of(n) for n in (1, 2, 3)]) == answers(
            sandbox.view(), names, [key_of(n) for n in (1, 2, 3)]
        )
    finally:
        other.close()


@pytest.mark.parametrize("seed", range(4))
def test_export_and_import_give_the_same_directory(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Random dumps, renames and captures on two grids, read a few keys at a time: every lookup has the same answer."""
    monkeypatch.setattr(export, "STRETCH", 7)
    chance = random.Random(seed)
    keys, names = [key_of(number) for number in range(1, 41)], [f"Name{number} Last" for number in range(200)]
    free = names.copy()
    chance.shuffle(free)
    for time, grid in ((100, "Production"), (200, "OpenSim"), (300, "Production"), (400, "OpenSim")):
        rows = [(key, free.pop()) for key in chance.sample(keys, 20)]
        sandbox.import_text(csv(*rows), grid=grid, as_of=time)
        for key in chance.sample(keys, 5):
            capture(sandbox, key, free.pop(), chance.randrange(50, 500), grid)
    assert_same_after_import(sandbox, tmp_path, names, keys)


def test_the_csv_of_a_grid_gives_the_same_names_and_keys(sandbox: Sandbox, tmp_path: Path) -> None:
    """Contested names, captures, unusual characters: after an import names return the same keys and keys the same names."""
    people = [(key_of(1), "Twin Name"), (key_of(2), "Twin Name"), (key_of(3), "solo"), (key_of(4), "Ünal, Zoë")]
    sandbox.import_text(
        "".join(json.dumps({"key": key, "name": name}) + "\n" for key, name in reversed(people)), grid="OpenSim", as_of=100
    )
    capture(sandbox, key_of(5), "Caught Later", 300, "OpenSim")
    capture(sandbox, key_of(3), "Solo", 50, "OpenSim")
    lines = exported(sandbox, grid="OpenSim", as_csv=True)
    other = Sandbox(tmp_path / "other")
    try:
        other.import_text(lines, grid="OpenSim")
        for key in map(key_of, range(1, 6)):
            here, there = (view.key2name(parse_key(key), "OpenSim") for view in (sandbox.view(), other.view()))
            assert here and there and canonical(here.name) == canonical(there.name)
        names = ["Twin Name", "solo", "Ünal, Zoë", "Caught Later"]
        assert answers(other.view(), names, [], ("OpenSim",)) == answers(sandbox.view(), names, [], ("OpenSim",))
    finally:
        other.close()
