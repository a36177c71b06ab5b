"""``n2k import --to --base`` and ``n2k generations use``: a generation that another machine built, with the live one's past."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from n2k_fcgi.store.lmdb.sealing import SEAL_SIZE
from tests.support.commands import N2K, PEOPLE, Commands
from tests.support.processes import eventually
from tests.support.sandbox import MASAKAZU

RENAMED = PEOPLE.replace(b"Masakazu Kojima", b"Masakazu Newname")


def imported(n2k: Commands, dump: bytes, as_of: str) -> str:
    """Import in place; return the generation's name."""
    assert n2k("import", "--as-of", as_of, "-", stdin=dump, N2K_KEEP="9").code == 0
    return n2k.live()


def built(there: Commands, to: Path, *options: object, dump: bytes = RENAMED, as_of: str = "2026-01-02") -> Path:
    """Build elsewhere; return the only folder that was made."""
    done = there("import", "--as-of", as_of, "--to", to, *options, "-", stdin=dump)
    assert done.code == 0, done
    (made,) = to.iterdir()
    assert sorted(path.name for path in made.iterdir()) == ["data.mdb", "manifest.json"]
    return made


@pytest.fixture
def there(tmp_path: Path) -> Commands:
    """The other machine, which has no data directory."""
    return Commands(tmp_path / "there" / "data")


def brought(n2k: Commands, made: Path) -> str:
    """Copy it as rsync does; return its name."""
    shutil.copytree(made, n2k.data_dir / "generations" / made.name)
    return made.name


@pytest.mark.measured
def test_one_that_was_built_on_the_live_one(n2k: Commands, there: Commands, tmp_path: Path) -> None:
    """The former name is in it; it can be used, the way back too, and an import in place goes on from it."""
    first = imported(n2k, PEOPLE, "2026-01-01")
    base = shutil.copytree(n2k.data_dir / "generations" / first, tmp_path / "copied" / first)
    before = {path.name: path.read_bytes() for path in base.iterdir()}
    made = built(there, tmp_path / "out", "--base", base)
    assert not there.data_dir.exists()
    assert {path.name: path.read_bytes() for path in base.iterdir()} == before
    name = brought(n2k, made)
    assert n2k.live() == first < name
    assert n2k("generations", "use", name).code == 0
    assert n2k("lookup", MASAKAZU).out.startswith("Masakazu Newname\t")
    assert "Masakazu Kojima" in n2k("lookup", "--history", MASAKAZU).out
    assert n2k("generations", "use", first).code == 0
    assert n2k("generations", "use", name).code == 0
    third = imported(n2k, PEOPLE, "2026-01-03")
    assert n2k("generations", "use", name).code == 0 and n2k("generations", "use", third).code == 0
    assert n2k("check").code == 0


def test_one_without_the_past_of_the_live_one(n2k: Commands, there: Commands, tmp_path: Path) -> None:
    """Refused with 53, and nothing changes, unless it is forced: built from nothing, or beside an import in place."""
    first = imported(n2k, PEOPLE, "2026-01-01")
    base = shutil.copytree(n2k.data_dir / "generations" / first, tmp_path / "copied" / first)
    alone = brought(n2k, built(there, tmp_path / "alone"))
    beside = brought(n2k, built(there, tmp_path / "out", "--base", base))
    for name in (alone, beside):
        live = imported(n2k, PEOPLE if name == beside else RENAMED, "2026-01-03")
        shutil.copytree(n2k.data_dir / "generations" / live, tmp_path / name)
        done = n2k("generations", "use", name)
        assert done.code == 53 and "--base" in done.err and "--force" in done.err
        assert n2k.live() == live
    assert n2k("generations", "use", "--force", beside).code == 0
    assert n2k.live() == beside


def test_the_past_survives_a_purge(n2k: Commands, there: Commands, tmp_path: Path) -> None:
    """Of the live one, and of the one that was built on a copy from before it."""
    first = imported(n2k, PEOPLE, "2026-01-01")
    base = shutil.copytree(n2k.data_dir / "generations" / first, tmp_path / "copied" / first)
    assert n2k("forget", MASAKAZU).code == 0
    assert n2k("purge").code == 0 and n2k.live() == f"{first}p"
    name = brought(n2k, built(there, tmp_path / "out", "--base", base))
    assert n2k("generations", "use", name).code == 0
    assert n2k("lookup", MASAKAZU).code != 0
    assert n2k("purge").code == 0 and n2k("generations", "use", f"{first}p").code == 0


def cut(made: Path) -> None:
    """A copy that was not completed."""
    os.truncate(made / "data.mdb", (made / "data.mdb").stat().st_size - 4096)


def make_foreign(made: Path) -> None:
    """As long as it should be."""
    (made / "data.mdb").write_bytes(b"\xa5" * (made / "data.mdb").stat().st_size)


def change(made: Path) -> None:
    """One letter of a name: everything else fits."""
    content = (made / "data.mdb").read_bytes()
    assert b"Newname" in content
    (made / "data.mdb").write_bytes(content.replace(b"Newname", b"Newnome"))


def make_newer(made: Path) -> None:
    """As a later version of n2k writes it."""
    fields = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps({**fields, "format": fields["format"] + 1}))


def harm_manifest(made: Path) -> None:
    """Cut, too."""
    os.truncate(made / "manifest.json", 20)


HARMED = [
    (cut, 42),
    (make_foreign, 42),
    (change, 42),
    (make_newer, 43),
    (harm_manifest, 42),
    (lambda made: (made / "manifest.json").unlink(), 42),
    (lambda made: (made / "data.mdb").unlink(), 42),
    (lambda made: (made / "data.mdb").write_bytes(b""), 42),
    (lambda made: made.rename(made.with_name(f"{made.name}.building")), 47),
]


@pytest.mark.parametrize(("harm", "code"), HARMED)
def test_a_copy_that_is_not_whole(
    n2k: Commands, there: Commands, tmp_path: Path, harm: Callable[[Path], object], code: int
) -> None:
    """Refused in one line, also with --force; the live one answers as before, and an import in place still works."""
    first = imported(n2k, PEOPLE, "2026-01-01")
    base = shutil.copytree(n2k.data_dir / "generations" / first, tmp_path / "copied" / first)
    name = brought(n2k, built(there, tmp_path / "out", "--base", base))
    harm(n2k.data_dir / "generations" / name)
    for options in ([], ["--force"]):
        done = n2k("generations", "use", *options, name)
        assert (done.code, done.err.count("\n")) == (code, 1) and name in done.err, done
        assert n2k.live() == first
    assert n2k("lookup", MASAKAZU).out.startswith("Masakazu Kojima\t")
    assert imported(n2k, RENAMED, "2026-01-03") > name
    n2k.damaged = True


def test_a_changed_byte_is_found(n2k: Commands, there: Commands, tmp_path: Path) -> None:
    """By the check, too, where everything else fits; a generation without a seal is used as before."""
    imported(n2k, PEOPLE, "2025-12-31")
    first = brought(n2k, built(there, tmp_path / "out", dump=PEOPLE, as_of="2026-01-01"))
    assert n2k("generations", "use", "--force", first).code == 0
    second = imported(n2k, RENAMED, "2026-01-02")
    folder = n2k.data_dir / "generations" / first
    whole = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(whole.replace(b"Kojima", b"Kojume"))
    checked = n2k("check")
    assert checked.code == 48 and f"{first}/data.mdb is damaged (its bytes are not those that were sealed)" in checked.out
    assert n2k("generations", "use", first).code == 42 and n2k.live() == second
    (folder / "data.mdb").write_bytes(whole[:-SEAL_SIZE])
    fields = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**fields, "bytes": len(whole) - SEAL_SIZE}))
    assert n2k("check").code == 0
    assert n2k("generations", "use", first).code == 0 and n2k.live() == first


@pytest.mark.measured
def test_what_is_refused(there: Commands, tmp_path: Path) -> None:
    """A base that is none, or damaged, or without --to; a bad dump. Nothing is left."""
    (tmp_path / "empty").mkdir()
    options = ["import", "--as-of", "2026-01-01", "--to", tmp_path / "out"]
    assert there(*options, "--base", tmp_path / "empty", "-", stdin=PEOPLE).code == 47
    assert there(*options, "--base", tmp_path / "missing", "-", stdin=PEOPLE).code == 2
    assert there("import", "--base", tmp_path / "empty", "-", stdin=PEOPLE).code == 2
    assert there(*options, "-", stdin=b"").code != 0
    made = built(there, tmp_path / "out")
    os.truncate(made / "data.mdb", 8192)
    assert there(*options[:-1], tmp_path / "other", "--base", made, "-", stdin=RENAMED).code == 42
    assert list((tmp_path / "other").iterdir()) == [] and not there.data_dir.exists()


def test_a_killed_build_is_begun_again(there: Commands, tmp_path: Path) -> None:
    """While one runs another is refused; what a killed one leaves is removed by the next."""
    out = tmp_path / "out"
    dump = tmp_path / "dump"
    os.mkfifo(dump)
    command = [N2K, "--dir", there.data_dir, "import", "--as-of", "2026-01-01", "--to", out, dump]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
        eventually(lambda: (out / ".n2k.building").is_dir() or child.poll() is not None)
        assert there("import", "--to", out, "-", stdin=PEOPLE).code == 65
        child.send_signal(signal.SIGKILL)
    assert [path.name for path in out.iterdir()] == [".n2k.building"]
    built(there, out)
