"""``n2k check``: silent about sound data, and reports each real damage."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import shown
from n2k_fcgi.model.keys import parse_key
from tests.support.commands import PEOPLE, Commands
from tests.support.sandbox import GOVERNOR, MASAKAZU


@contextmanager
def edited(path: Path, database: bytes | None) -> Iterator[lmdb.Transaction]:
    """A write transaction on a file that is never written after it was published."""
    size = path.stat().st_size
    env = lmdb.open(str(path), subdir=False, lock=False, max_dbs=8, map_size=size + 2**20)
    try:
        handle = env.open_db(database) if database else None
        with env.begin(write=True, db=handle) as transaction:
            yield transaction
    finally:
        env.close()


@contextmanager
def edited_generation(n2k: Commands, database: bytes) -> Iterator[lmdb.Transaction]:
    """A write transaction on the live generation; afterwards its manifest has the new size."""
    n2k.damaged = True
    folder = n2k.data_dir / "generations" / n2k.live()
    with edited(folder / "data.mdb", database) as transaction:
        yield transaction
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["bytes"] = (folder / "data.mdb").stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_sound_data(peopled: Commands) -> None:
    """Nothing on standard output, one line on standard error, exit code 0."""
    peopled("register", "New Comer", "11111111-1111-4111-8111-111111111111")
    done = peopled("check")
    assert (done.code, done.out, done.err) == (0, "", "no problems found\n")
    assert peopled("-q", "check").err == ""


@pytest.mark.measured
def test_a_lost_name(peopled: Commands) -> None:
    """A key whose name has no entry is reported by its key, and the counts, too; exit code 48."""
    with edited_generation(peopled, b"names") as transaction:
        assert transaction.delete(b"governor.linden")
    done = peopled("check")
    lines = done.out.splitlines()
    assert done.code == 48 and done.err.startswith(f"n2k: problems found: {len(lines)}, ")
    assert f"{peopled.live()}: {GOVERNOR} is 'Governor Linden', but that name does not lead back" in lines
    assert f"{peopled.live()}: 2 names, the manifest says 3" in lines


def test_a_lost_key(peopled: Commands) -> None:
    """A name that leads to an unknown key is reported by the counts."""
    with edited_generation(peopled, b"keys") as transaction:
        assert transaction.delete(parse_key(MASAKAZU))
    done = peopled("check")
    assert done.code == 48
    assert f"{peopled.live()}: 3 records in names, 2 in keys, the manifest says 3" in done.out.splitlines()


def test_a_name_whose_records_are_cut(peopled: Commands) -> None:
    """It is reported, with the avatar that it does not lead to."""
    with edited_generation(peopled, b"names") as transaction:
        assert transaction.put(b"governor.linden", b"\0" + parse_key(GOVERNOR))
    done = peopled("check")
    assert done.code == 48 and "'governor.linden' has a value of 17 bytes" in done.out
    assert "does not lead back" in done.out and done.err.count("\n") == 1


def test_a_name_with_the_wrong_key(peopled: Commands) -> None:
    """A name that leads to another avatar's key is reported."""
    with edited_generation(peopled, b"names") as transaction:
        assert transaction.put(b"governor.linden", b"\0" + parse_key(MASAKAZU) + b"\0")
    done = peopled("check")
    assert done.code == 48 and f"{GOVERNOR} is 'Governor Linden', but that name does not lead back" in done.out


@pytest.mark.measured
def test_a_key_with_a_missing_origin(peopled: Commands) -> None:
    """It is reported, and the rest is checked."""
    with edited_generation(peopled, b"keys") as transaction:
        assert transaction.put(parse_key(GOVERNOR), bytes((200, 15)) + b"Governor Linden")
    done = peopled("check")
    assert done.code == 48 and f"keys: {GOVERNOR} is 'Governor Linden', by an origin that is not there" in done.out


def test_damaged_captures(n2k: Commands) -> None:
    """A capture without its name, and a name without its capture, are both reported."""
    n2k.damaged = True
    n2k("register", "New Comer", MASAKAZU)
    with edited(n2k.data_dir / "captures.mdb", None) as transaction:
        assert transaction.delete(b"nnew.comer")
        assert transaction.put(b"nold.hand", parse_key(GOVERNOR))
    done = n2k("check")
    assert done.code == 48
    assert done.out.splitlines() == [
        f"captures: {MASAKAZU} is or was 'new.comer', but that name does not lead to it",
        f"captures: 'old.hand' leads to {GOVERNOR}, which never had that name",
    ]


@pytest.mark.parametrize("size", [0, 4096, 20480])
def test_a_cut_file(peopled: Commands, size: int) -> None:
    """A truncated file is reported and never read (reading it would kill the process)."""
    peopled.damaged = True
    path = peopled.data_dir / "generations" / peopled.live() / "data.mdb"
    with path.open("r+b") as file:
        file.truncate(size)
    done = peopled("check")
    assert done.code == 48 and f"{shown(path)} is damaged (it has {size} bytes, its manifest says" in done.out
    assert peopled("lookup", "Governor Linden").code == 42


def test_a_pointer_into_nowhere(peopled: Commands) -> None:
    """CURRENT that names a missing generation is reported."""
    peopled.damaged = True
    (peopled.data_dir / "CURRENT").write_text("20200101T000000.000Z\n")
    done = peopled("check")
    assert (done.code, done.out) == (48, "CURRENT names 20200101T000000.000Z, which is not there\n")


def test_an_unknown_file_is_named(peopled: Commands) -> None:
    """A note on standard error, not a problem; the name of a forgotten avatar is left out of it."""
    peopled("forget", MASAKAZU)
    peopled.put("notes.txt", "mine")
    peopled.put("about masakazu.kojima.txt", "mine")
    peopled.put("generations/old.mdb", "mine")
    done = peopled("check")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "note: about ….txt does not belong to n2k",
        "note: generations/old.mdb does not belong to n2k",
        "note: notes.txt does not belong to n2k",
        "no problems found",
    ]


@pytest.mark.parametrize(
    ("setting", "name", "mode", "line"),
    [
        ("no", "token", 0o644, "token has the wrong mode: chmod 600, it is 644"),
        ("no", "captures.mdb", 0o640, "captures.mdb has the wrong mode: chmod 600, it is 640"),
        ("no", "generations", 0o755, "generations has the wrong mode: chmod 700, it is 755"),
        ("yes", "captures.mdb", 0o600, "captures.mdb has the wrong mode: chmod 660, it is 600"),
        ("yes", "generations", 0o770, "generations has the wrong mode: chmod 2770, it is 770"),
    ],
)
def test_a_wrong_mode_is_a_problem(n2k: Commands, setting: str, name: str, mode: int, line: str) -> None:
    """Too open, or too closed for a directory shared with a group; the ``chmod`` in the line fixes it."""
    variables = {"N2K_SHARE_WITH_GROUP": setting}
    n2k("init", **variables)
    n2k.has_people() if setting == "no" else n2k("import", "-", stdin=PEOPLE, **variables)
    assert n2k("check", **variables).out == ""
    path = n2k.data_dir / name
    usual = path.stat().st_mode
    path.chmod(mode)
    done = n2k("check", **variables)
    assert (done.code, done.out) == (48, f"{line}\n")
    path.chmod(usual)
    assert n2k("check", **variables).code == 0
    n2k.damaged = setting == "yes"  # otherwise the fixture checks it as a private one


def test_a_read_only_directory_is_sound(peopled: Commands) -> None:
    """As for a mirror, or before a copy: missing write permission of the owner is accepted."""
    for path in (peopled.data_dir, *peopled.data_dir.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    done = peopled("check")
    for path in (peopled.data_dir, *peopled.data_dir.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    assert (done.code, done.out) == (0, "")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("CURRENT", "CURRENT is missing: run 'n2k generations use'"),
        ("captures.mdb", "captures.mdb is missing: put a backup in its place, or run 'n2k init'"),
    ],
)
def test_a_missing_file_is_named(peopled: Commands, name: str, line: str) -> None:
    """A file that every command needs; the rest of the check continues."""
    peopled.damaged = True
    (peopled.data_dir / name).unlink()
    done = peopled("check")
    assert done.code in (41, 48) and line in done.out.splitlines()


@pytest.mark.measured
def test_no_line_names_who_is_hidden(peopled: Commands) -> None:
    """Not even for damaged rows; if captures.mdb, which has the tombstones, cannot be read, no line has a name."""
    peopled("register", "Masakazu Seen", MASAKAZU, "--grid", "OpenSim")
    peopled("forget", MASAKAZU)
    with edited_generation(peopled, b"names") as transaction:
        assert transaction.delete(b"masakazu.kojima") and transaction.delete(b"governor.linden")
    with edited(peopled.data_dir / "captures.mdb", None) as transaction:
        assert transaction.delete(b"nmasakazu.seen")
    said = peopled("check").out
    assert f"{peopled.live()}: (hidden) is (hidden), but that name does not lead back" in said.splitlines()
    assert "captures: (hidden) is or was (hidden), but that name does not lead to it" in said.splitlines()
    assert f"{GOVERNOR} is 'Governor Linden', but" in said and MASAKAZU not in said and "masakazu" not in said.lower()
    (peopled.data_dir / "captures.mdb").write_bytes(b"x" * 100_000)
    done = peopled("check")
    assert done.code == 49 and GOVERNOR not in done.out and MASAKAZU not in done.out and "(hidden)" in done.out
