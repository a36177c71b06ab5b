"""The volatile file: created at its first use, replaced if it is damaged, and no lookup depends on it."""

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from n2k_fcgi.errors import StoreBusy, StoreFull
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.charges import Charge
from n2k_fcgi.model.sessions import Session
from n2k_fcgi.store.datadir import VOLATILE
from n2k_fcgi.store.lmdb import writer_queue
from n2k_fcgi.store.lmdb.empty_file import FORMAT_DB_KEY
from n2k_fcgi.store.lmdb.pending import Pending
from n2k_fcgi.store.lmdb.volatile import VolatileFile
from tests.support.processes import SECONDS, forked, talking
from tests.support.sandbox import Sandbox

KEYS = [n.to_bytes(16, "big") for n in range(1, 50)]


def test_reading_makes_no_file(sandbox: Sandbox) -> None:
    """A data directory of an earlier version, or a read-only one, has none: that reads as empty."""
    assert sandbox.store.pending.waiting() == []
    assert sandbox.store.conflicts.conflicts() == []
    assert not (sandbox.data_dir / VOLATILE).exists()


def test_the_first_write_makes_it_private(sandbox: Sandbox) -> None:
    """It holds addresses: no other user may read it or its lock files."""
    sandbox.store.pending.add(KEYS[:1], "Production", 5)
    for path in sandbox.data_dir.glob("volatile*"):
        assert path.stat().st_mode & 0o777 == 0o600, path


@pytest.mark.parametrize("damage", [b"", b"x" * 100_000, b"\0" * 8192, None])
def test_a_damaged_file_is_replaced(sandbox: Sandbox, damage: bytes | None) -> None:
    """Empty, garbage, zeros, or cut as a power cut may leave it: it reads as empty and can be written."""
    path = sandbox.data_dir / VOLATILE
    sandbox.store.pending.add(KEYS, "Production", 5)
    whole = path.read_bytes()
    sandbox.close()
    path.write_bytes(whole[:8192] if damage is None else damage)
    assert sandbox.store.pending.waiting() == []
    assert sandbox.store.pending.add(KEYS[:3], "Production", 5) == 3
    assert [asked.key for asked in sandbox.store.pending.waiting()] == KEYS[:3]


def test_another_process_uses_the_new_file(sandbox: Sandbox) -> None:
    """After a replacement its writes are in the new file, and it reads nothing of the old one."""
    code = (
        "import sys; from pathlib import Path; from tests.support.sandbox import Sandbox\n"
        "queue = Sandbox(Path(sys.argv[1])).store.pending\n"
        "input(); print(queue.add([b'a' * 16], 'G', 5), flush=True); input()\n"
        "print(queue.add([b'b' * 16], 'G', 6), [asked.key[:1] for asked in queue.waiting()], flush=True)"
    )
    with talking(code, sandbox.data_dir) as go_on:
        assert go_on() == "1\n"
        sandbox.store.volatile.renew()
        assert go_on() == "1 [b'b']\n"
    assert sandbox.store.pending.waiting() == [(b"b" * 16, "G")]


@pytest.mark.parametrize("damage", [None, b"x" * 100_000])
def test_two_processes_begin_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None) -> None:
    """With no file, or with a damaged one: what either of them wrote is there, since one of them makes the file."""
    monkeypatch.setattr(writer_queue, "WRITER_PATIENCE", SECONDS)  # a busy machine may stop one that has its turn
    folders = [tmp_path / str(n) for n in range(50)]
    for folder in folders:
        folder.mkdir()
        if damage:
            (folder / VOLATILE).write_bytes(damage)

    def write(letter: bytes) -> None:
        for folder in folders:
            assert Pending(VolatileFile(folder, PRIVATE), 10).add([letter * 16], "G", 5) == 1

    children = [forked(partial(write, letter)) for letter in (b"a", b"b")]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    for folder in folders:
        keys = {asked.key[:1] for asked in Pending(VolatileFile(folder, PRIVATE), 10).waiting()}
        assert keys == {b"a", b"b"}, folder


def test_a_process_that_is_killed_while_it_makes_the_file(tmp_path: Path) -> None:
    """No process sees a file without a format: there is none until it is complete. The next one makes it."""
    code = (
        "import sys; from pathlib import Path; from n2k_fcgi.files import PRIVATE\n"
        "from n2k_fcgi.store.lmdb.pending import Pending; from n2k_fcgi.store.lmdb.volatile import VolatileFile\n"
        "Path.rename = lambda *paths: (input(), print('made', flush=True), input())\n"
        "Pending(VolatileFile(Path(sys.argv[1]), PRIVATE), 10).add([b'a' * 16], 'G', 5)\n"
    )
    queue = Pending(VolatileFile(tmp_path, PRIVATE), 10)
    with talking(code, tmp_path) as go_on:
        assert go_on() == "made\n"
        assert (tmp_path / "volatile.fresh").exists() and queue.waiting() == []
        with pytest.raises(StoreBusy):
            queue.add(KEYS[:1], "G", 5)
    # Leaving the block killed it.
    assert queue.add(KEYS[:1], "G", 5) == 1 and [asked.key for asked in queue.waiting()] == KEYS[:1]
    assert not (tmp_path / "volatile.fresh").exists()


def test_renewing_leaves_no_bytes(sandbox: Sandbox) -> None:
    """No byte of its rows is in the file afterwards."""
    sandbox.store.pending.add(KEYS, "Production", 5)
    assert KEYS[7] in (sandbox.data_dir / VOLATILE).read_bytes()
    sandbox.store.volatile.renew()
    assert KEYS[7] not in (sandbox.data_dir / VOLATILE).read_bytes()
    assert sorted(path.name for path in sandbox.data_dir.glob("volatile*")) == [
        "volatile.mdb",
        "volatile.mdb-lock",
        "volatile.writer",
    ]


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """If the file cannot be created, it still reads as empty."""
    place = tmp_path / "a file"
    place.write_text("")
    assert Pending(VolatileFile(place, PRIVATE), 10).waiting() == []


def test_no_space_for_the_lock_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is made, but cannot be written: its maker is told that the disk is full, and the next write succeeds."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = VolatileFile(tmp_path, PRIVATE)
    with monkeypatch.context() as full:
        full.setattr(os, "posix_fallocate", refuse)
        with pytest.raises(StoreFull):
            file.file.create()
    assert Pending(file, 10).add(KEYS[:1], "G", 5) == 1
    file.close()


def test_a_file_of_an_earlier_version_takes_sessions(sandbox: Sandbox) -> None:
    """One that has pending keys and limits alone: they stay, its format does, and sessions go beside them."""
    sandbox.store.pending.add(KEYS[:2], "Production", 5)
    assert sandbox.store.meters.take([Charge(b"x", 1)], 1000.0) == 0
    session = Session("0123456789ab", 1000.0, 2000.0)
    sandbox.store.sessions.add(bytes(32), session)
    sandbox.close()
    assert sandbox.store.sessions.find(bytes(32)) == session
    assert [asked.key for asked in sandbox.store.pending.waiting()] == KEYS[:2]
    assert sandbox.store.meters.take([Charge(b"x", 1)], 1001.0) > 0
    with sandbox.store.volatile.read() as transaction:
        assert transaction.get(FORMAT_DB_KEY) == b"3"
