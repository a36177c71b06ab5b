"""``n2k lookup`` and ``n2k register``."""

import json

import pytest

from tests.support.commands import PEOPLE, Commands
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME

OTHER = "22222222-2222-4222-8222-222222222222"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("Governor Linden", f"Governor Linden\t{GOVERNOR}\tProduction\n"),
        ("goVeRnoR.linDEN", f"Governor Linden\t{GOVERNOR}\tProduction\n"),
        ("governor+linden", f"Governor Linden\t{GOVERNOR}\tProduction\n"),
        ("username", f"Username Resident\t{USERNAME}\tProduction\n"),
        (MASAKAZU.upper(), f"Masakazu Kojima\t{MASAKAZU}\tProduction\n"),
        (MASAKAZU.replace("-", ""), f"Masakazu Kojima\t{MASAKAZU}\tProduction\n"),
    ],
)
def test_any_spelling(peopled: Commands, asked: str, answer: str) -> None:
    """A name in any spelling and a key in any format return name, key and grid."""
    done = peopled("lookup", asked)
    assert (done.code, done.out, done.err) == (0, answer, "")


@pytest.mark.measured
def test_what_is_missing_is_named(peopled: Commands) -> None:
    """Known ones are printed; unknown ones are named on standard error, and the exit code is 17."""
    done = peopled("lookup", "nobody", "username", OTHER)
    assert (done.code, done.out) == (17, f"Username Resident\t{USERNAME}\tProduction\n")
    assert done.err == f"n2k: not found: nobody, {OTHER}\n"


@pytest.mark.measured
def test_json(peopled: Commands) -> None:
    """--json prints one object per line, with the origin."""
    rows = [json.loads(line) for line in peopled("lookup", "--json", "username", GOVERNOR).out.splitlines()]
    assert rows[0] == {"name": "Username Resident", "key": USERNAME, "grid": "Production", "origin": "dump"}
    assert rows[1]["name"] == "Governor Linden"


@pytest.mark.parametrize(
    ("asked", "code"), [("", 10), ("x" * 64, 10), ("a\nb", 10), ("00000000-0000-0000-0000-000000000000", 11)]
)
def test_what_nobody_can_be_called(peopled: Commands, asked: str, code: int) -> None:
    """An impossible name or key is refused in one line."""
    done = peopled("lookup", asked)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)


@pytest.mark.parametrize("command", [("lookup", "somebody"), ("stats",), ("purge",), ("check",), ("grids",), ("generations",)])
def test_without_a_data_directory(n2k: Commands, command: tuple[str, ...]) -> None:
    """A command that only reads says what to run if the directory is missing or a file."""
    missing = (40, f"n2k: no n2k data in {n2k.data_dir}: run 'n2k --dir {n2k.data_dir} init'\n")
    done = n2k(*command)
    assert (done.code, done.err) == missing
    assert not n2k.data_dir.exists()
    n2k.data_dir.write_text("a file")
    done = n2k(*command)
    assert (done.code, done.err) == missing


def test_a_registered_avatar_is_found(n2k: Commands) -> None:
    """Before any import, too: in both directions, with its spelling and grid."""
    done = n2k("register", "--grid", "opensim", "Zoë Ünlü", MASAKAZU)
    assert (done.code, done.out) == (0, f"Zoë Ünlü\t{MASAKAZU}\tOpenSim\n")
    assert n2k("lookup", "ZOË ÜNLÜ").out == n2k("lookup", MASAKAZU).out == done.out
    assert n2k("lookup", "--grid", "Production", MASAKAZU).code == 17
    assert json.loads(n2k("lookup", "--json", MASAKAZU).out)["origin"] == "capture"


def test_a_visitor_is_on_the_own_grid(n2k: Commands) -> None:
    """The name of a hypergrid visitor includes the grid."""
    assert n2k("register", "First.Last @example.org:8002", MASAKAZU).out.endswith("\texample.org:8002\n")
    assert n2k("lookup", "first last @example.org:8002").code == 0
    assert n2k("lookup", "first last @elsewhere.org:8002").code == 17


@pytest.mark.measured
def test_a_known_name_stays_with_its_key(peopled: Commands) -> None:
    """Registering a known name for another key is refused with 16 and changes no answer; the same pair again is accepted."""
    before = peopled.contents()
    done = peopled("register", "governor.linden", OTHER)
    assert (done.code, done.out) == (16, "")
    assert done.err == "n2k: the name 'governor.linden' belongs to another key on Production: nothing was changed\n"
    changed = {name for name, content in peopled.contents().items() if before.get(name) != content}
    assert changed <= {"captures.writer", "statistics.lines", "volatile.mdb", "volatile.writer"}
    assert peopled("pending", "--conflicts").out.startswith(f"governor.linden\tProduction\t{GOVERNOR}\t{OTHER}\t1\t")
    assert peopled("register", "Governor Linden", GOVERNOR).code == 0


def test_a_former_name_leads_to_the_current_one(peopled: Commands) -> None:
    """After a rename, registered or imported, the former name returns the key and the current name."""
    peopled("register", "Governor Newname", GOVERNOR)
    peopled("register", "Governor Newest", GOVERNOR)
    for name in ("governor linden", "governor newname", GOVERNOR):
        assert peopled("lookup", name).out == f"Governor Newest\t{GOVERNOR}\tProduction\n"


def test_an_import_keeps_what_was_registered(n2k: Commands) -> None:
    """A registered avatar is still found after an import of a dump without it."""
    n2k("register", "New Comer", OTHER)
    n2k("import", "-", stdin=PEOPLE)
    assert n2k("lookup", "new.comer").out == f"New Comer\t{OTHER}\tProduction\n"


@pytest.mark.parametrize(("name", "key", "code"), [("(Loading...)", OTHER, 10), ("New Comer", "no-key", 11)])
def test_a_wrong_registration(n2k: Commands, name: str, key: str, code: int) -> None:
    """A viewer's placeholder and a bad key are refused."""
    assert n2k("register", name, key).code == code


def test_before_the_first_import(n2k: Commands) -> None:
    """Not found, with the reason; after an import without that reason."""
    n2k("init")
    assert n2k("lookup", "Some One").err == "n2k: not found: Some One; nothing was imported yet\n"
    assert n2k("search", "some").err == "n2k: not found: names that begin with some; nothing was imported yet\n"
    assert n2k("shell", stdin=b"Some One\n").out == "not found: Some One; nothing was imported yet\n"
    n2k.has_people()
    assert n2k("lookup", "Some One").err == "n2k: not found: Some One\n"


@pytest.mark.parametrize("text", ["a27b84f0-2757-4176", MASAKAZU[:-1], MASAKAZU.upper()[:9], MASAKAZU.replace("-", "")[:31]])
def test_a_truncated_key(peopled: Commands, text: str) -> None:
    """It is looked up as a name, and the line says that it looks like a truncated key."""
    done = peopled("lookup", text)
    assert (done.code, done.err) == (17, f"n2k: not found: {text}; that looks like a truncated key\n")


@pytest.mark.parametrize("text", ["a27b84f0", "deadbeef", "Anna-Lena", "12345678-x"])
def test_a_name_is_not_a_truncated_key(peopled: Commands, text: str) -> None:
    """Digits only, and a name with a dash, do not count as one."""
    assert "truncated" not in peopled("lookup", text).err
