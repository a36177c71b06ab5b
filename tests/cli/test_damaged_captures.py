"""A damaged captures.mdb: every command that reads it says to restore it from a backup, not to go back a generation."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_check import edited
from tests.support.commands import Commands
from tests.support.sandbox import MASAKAZU


def rewrite(path: Path, db_key: bytes, value: bytes) -> None:
    """Store a value that our code never writes."""
    with edited(path, None) as transaction:
        assert transaction.put(db_key, value)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"x" * 100_000),
    "zeros": lambda path: path.write_bytes(bytes(100_000)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:8192]),
    "no format": lambda path: rewrite(path, b"mformat", b"nonsense"),
    "no capture": lambda path: rewrite(path, b"k" + bytes.fromhex(MASAKAZU.replace("-", "")), b"[{}]"),
    "no token": lambda path: rewrite(path, b"t0123456789ab", b"{"),
}
ADVICE = ": restore it from a backup (docs/storage.md)\n"


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_advice_is_the_captures_own(peopled: Commands, damage: str) -> None:
    """Lookup, register, check, stats, doctor, export, forget, token list: exit code 49, or the damage was not met."""
    peopled.damaged = True
    path = peopled.data_dir / "captures.mdb"
    assert peopled("register", "New Comer", MASAKAZU, "--grid", "OpenSim").code == 0
    for lock in peopled.data_dir.glob("*-lock"):
        lock.unlink()
    DAMAGES[damage](path)
    met = 0
    for command in (
        ("lookup", MASAKAZU),
        ("register", "Newer Comer", MASAKAZU, "--grid", "OpenSim"),
        ("check",),
        ("stats",),
        ("export", "-"),
        ("forget", "--grid", "OpenSim", "New Comer"),
        ("token", "list"),
        ("purge",),
        ("doctor",),
    ):
        done = peopled(*command)
        said = done.out + done.err
        assert "generations use" not in said and "import again" not in said, (command, done)
        assert done.code in (0, 49, 83), (command, done)
        if done.code == 49:
            assert done.err.endswith(ADVICE), (command, done)
        met += done.code == 49 or (command == ("doctor",) and "restore it from a backup" in done.out)
    assert met >= (1 if damage == "no token" else 5)


def test_check_sends_to_what_is_wrong(peopled: Commands) -> None:
    """Problems of the captures, of a generation, of both: each has its own advice."""
    peopled.damaged = True
    peopled("register", "New Comer", MASAKAZU, "--grid", "OpenSim")
    with edited(peopled.data_dir / "captures.mdb", None) as transaction:
        assert transaction.delete(b"nnew.comer")
    captures = "put a backup of captures.mdb in its place (docs/storage.md)"
    assert peopled("check").err == f"n2k: problems found: 1, {captures}\n"
    (peopled.data_dir / "CURRENT").write_text("20200101T000000.000Z\n")
    both = f"go back with 'n2k generations use', or import again; {captures}"
    assert peopled("check").err == f"n2k: problems found: 2, {both}\n"
