"""``n2k generations``: list, use, prune."""

import fcntl
import json

import pytest

from tests.support.commands import PEOPLE, Commands
from tests.support.sandbox import MASAKAZU, csv

RENAMED = PEOPLE.replace(b"Masakazu Kojima", b"Masakazu Newname")


def _import(n2k: Commands, dump: bytes, as_of: str) -> str:
    assert n2k("import", "--as-of", as_of, "-", stdin=dump).code == 0
    return n2k.live()


@pytest.mark.measured
def test_list_marks_the_live_one(n2k: Commands) -> None:
    """Oldest first, a star before the live one; the command without arguments lists, too."""
    first, second = _import(n2k, PEOPLE, "2026-01-01"), _import(n2k, RENAMED, "2026-01-02")
    lines = n2k("generations").out.splitlines()
    assert lines[0].startswith(f"  {first}  3 avatars  ") and lines[0].endswith("as of 2026-01-01T00:00:00Z  -")
    assert lines[1].startswith(f"* {second}  3 avatars  ") and len(lines) == 2
    rows = json.loads(n2k("generations", "list", "--json").out)
    assert [(row["name"], row["rows"], row["live"]) for row in rows] == [(first, 3, False), (second, 3, True)]


def test_use_goes_back_and_forth(n2k: Commands) -> None:
    """Lookups are answered from the named generation afterwards."""
    first, second = _import(n2k, PEOPLE, "2026-01-01"), _import(n2k, RENAMED, "2026-01-02")
    done = n2k("generations", "use", first)
    assert (done.code, done.err, n2k.live()) == (0, f"live: {first}\n", first)
    assert n2k("lookup", MASAKAZU).out.startswith("Masakazu Kojima\t")
    n2k("generations", "use", second)
    assert n2k("lookup", MASAKAZU).out.startswith("Masakazu Newname\t")


def test_use_of_an_unknown_one(peopled: Commands) -> None:
    """A name that does not exist, or a path, is refused with 47; nothing changes."""
    before = peopled.contents()
    for name in ("20200101T000000.000Z", "..", "../generations", ""):
        done = peopled("generations", "use", name)
        assert done.code == 47 and done.err == f"n2k: no generation '{name}': see 'n2k generations'\n"
    assert peopled.contents() == before


def test_prune_keeps_what_the_setting_says(n2k: Commands) -> None:
    """The oldest are removed and named, never the live one."""
    n2k("init")
    people = [PEOPLE, RENAMED, PEOPLE + csv(("11111111-1111-4111-8111-111111111111", "New Comer")).encode()]
    names = []
    for day, dump in enumerate(people, 1):
        assert n2k("import", "--as-of", f"2026-01-0{day}", "-", stdin=dump, N2K_KEEP="5").code == 0
        names.append(n2k.live())
    n2k("generations", "use", names[0])
    assert n2k("generations", "prune", N2K_KEEP="2").out == f"{names[1]}\n"
    assert [line.lstrip("* ").split()[0] for line in n2k("generations").out.splitlines()] == [names[0], names[2]]
    assert n2k.live() == names[0]


def test_an_import_prunes(n2k: Commands) -> None:
    """After each import two generations are left, as 'keep' says by default, and the whole one that they need."""
    names = [_import(n2k, PEOPLE, f"2026-01-0{day}") for day in (1, 2, 3, 4)]
    kept = [path.name for path in sorted((n2k.data_dir / "generations").iterdir())]
    assert kept == [names[0], *names[2:]]


def test_no_switch_during_an_import(peopled: Commands) -> None:
    """While an import runs, use and prune are refused with 65."""
    with (peopled.data_dir / "import.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert peopled("generations", "use", peopled.live()).code == 65
        assert peopled("generations", "prune").code == 65
