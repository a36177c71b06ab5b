"""A lock file that does not belong to its data file: every write acknowledged afterwards is kept."""

import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.datadir import CAPTURES, VOLATILE
from n2k_fcgi.store.lmdb.captures import Captures, captures_file
from n2k_fcgi.store.lmdb.lockfile import lock_of
from tests.support.processes import SECONDS
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox

NUMBER = "=48xQ"
"""The lock file of LMDB 0.9: magic, format, the mutex of readers, and ``mti_txnid``, the last transaction."""

WRITERS = 3
WRITER = (
    "import sys; from pathlib import Path; from n2k_fcgi.errors import StoreBusy; from tests.support.sandbox import Sandbox\n"
    "box, who, n = Sandbox(Path(sys.argv[1])), int(sys.argv[2]), 0\n"
    "with open(sys.argv[3], 'w') as acknowledged:\n"
    "    while not Path(sys.argv[4]).exists():\n"
    "        n += 1; key = f'{n:08x}-aaaa-bbbb-cccc-{who:012x}'\n"
    "        try: box.record(key, f'Writer{who}x{n}', 1000 + n)\n"
    "        except StoreBusy: continue  # the machine is\n"
    "        print(key, file=acknowledged, flush=True)\n"
)


@contextmanager
def writers(sandbox: Sandbox, folder: Path) -> Iterator[Callable[[], list[list[str]]]]:
    """Three processes that record one key after another; yield a function that returns the acknowledged keys of each."""
    stop, logs = folder / "stop", [folder / f"acknowledged{n}" for n in range(WRITERS)]
    children = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(sandbox.data_dir), str(n + 1), str(log), str(stop)])
        for n, log in enumerate(logs)
    ]
    try:
        while not all(log.exists() and log.stat().st_size for log in logs):
            assert all(child.poll() is None for child in children)
            time.sleep(0.01)

        def acknowledged() -> list[list[str]]:
            assert all(child.poll() is None for child in children) or stop.exists()
            return [log.read_text().splitlines() for log in logs]

        yield acknowledged
    finally:
        stop.touch()
        codes = [child.wait(SECONDS) for child in children]
    assert codes == [0] * WRITERS


def wait_for_more(acknowledged: Callable[[], list[list[str]]], count: int) -> None:
    """Wait until *count* more writes of each writer were acknowledged."""
    before = [len(each) for each in acknowledged()]
    while any(len(each) < was + count for each, was in zip(acknowledged(), before, strict=True)):
        time.sleep(0.005)


def missing(sandbox: Sandbox, keys: list[str]) -> list[str]:
    """The keys that a process that opens the file now does not find."""
    captures = Captures(captures_file(sandbox.data_dir, PRIVATE))
    sandbox.store.close()
    return [key for key in keys if not captures.by_key(parse_key(key))]


def backup_of(sandbox: Sandbox, path: Path, *, compact: bool) -> Path:
    """A copy as mdb_copy writes it, while others write."""
    code = "import lmdb, sys; lmdb.open(sys.argv[1], subdir=False, readonly=True).copyfd(1, compact=sys.argv[2] == 'True')"
    with path.open("wb") as file:
        subprocess.run([sys.executable, "-c", code, sandbox.data_dir / CAPTURES, str(compact)], stdout=file, check=True)
    return path


@contextmanager
def lock_of_another(path: Path) -> Iterator[None]:
    """Put the lock file of another data file, which another process has open, beside *path*."""
    other = path.with_name("other.mdb")
    code = "import lmdb, sys; env = lmdb.open(sys.argv[1], subdir=False); print('open', flush=True); input()"
    command = [sys.executable, "-c", code, str(other)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout and stranger.stdout.readline() == "open\n"
        lock_of(other).rename(lock_of(path))
        yield
        stranger.communicate("\n")
    other.unlink()


def test_a_lock_file_removed_under_writers(sandbox: Sandbox, tmp_path: Path) -> None:
    """Three processes write while it is removed repeatedly: every acknowledged write is stored, in both directions."""
    with writers(sandbox, tmp_path) as acknowledged:
        for _ in range(20):
            lock_of(sandbox.data_dir / CAPTURES).unlink()
            wait_for_more(acknowledged, 2)
        done = acknowledged
    assert missing(sandbox, [key for each in done() for key in each]) == []


@pytest.mark.parametrize("compact", [False, True])
def test_a_backup_put_back_under_writers(sandbox: Sandbox, tmp_path: Path, compact: bool) -> None:
    """With ``mv``, beside the old lock file: every write acknowledged later is stored."""
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1)
    with writers(sandbox, tmp_path) as acknowledged:
        for _ in range(10):
            backup = backup_of(sandbox, tmp_path / "backup.mdb", compact=compact)
            wait_for_more(acknowledged, 2)
            backup.rename(sandbox.data_dir / CAPTURES)
            # One write of each may have been done before, and be acknowledged just now.
            before = [len(each) + 1 for each in acknowledged()]
            wait_for_more(acknowledged, 3)
        done = acknowledged
    later = [key for each, count in zip(done(), before, strict=True) for key in each[count:]]
    assert len(later) >= 6
    assert missing(sandbox, [MASAKAZU, *later]) == []


def test_a_backup_put_back_in_the_middle_of_a_write(sandbox: Sandbox, tmp_path: Path) -> None:
    """The change was written to the old file: it is written again to the new one before it is acknowledged."""
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1)
    backup = backup_of(sandbox, tmp_path / "backup.mdb", compact=False)
    file = captures_file(sandbox.data_dir, PRIVATE)

    def change(transaction: lmdb.Transaction) -> None:
        transaction.put(b"gMine", b"")
        if backup.exists():
            backup.rename(file.path)

    sandbox.store.close()
    file.write(change)
    file.close()
    with file.read() as transaction:
        assert transaction.get(b"gMine") == b""
    file.close()


@pytest.mark.parametrize("compact", [False, True])
def test_readers_see_a_backup_that_was_put_back(sandbox: Sandbox, tmp_path: Path, compact: bool) -> None:
    """Also while an idle process has the old lock file open, and no process writes."""
    for n in range(9 if compact else 8):  # whichever of its two meta pages is the newer one
        sandbox.record(MASAKAZU, f"Masakazu{n}", n)
    backup = backup_of(sandbox, tmp_path / "backup.mdb", compact=compact)
    sandbox.record(GOVERNOR, "Governor Linden", 1)
    sandbox.store.close()
    idle = "import sys; from pathlib import Path; from tests.support.sandbox import Sandbox\nbox = Sandbox(Path(sys.argv[1]))\n"
    idle += "box.store.captures.by_key(bytes(16)); print('open', flush=True); input()\n"
    idle += f"box.record('{GOVERNOR}', 'Governor Linden', 2)"
    command = [sys.executable, "-c", idle, str(sandbox.data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout and child.stdout.readline() == "open\n"
        backup.rename(sandbox.data_dir / CAPTURES)
        assert captures_file(sandbox.data_dir, PRIVATE).lock_problem()
        assert missing(sandbox, [MASAKAZU]) == []
        assert missing(sandbox, [GOVERNOR]) == [GOVERNOR]
        assert captures_file(sandbox.data_dir, PRIVATE).lock_problem() is None
        child.communicate("\n")
    assert child.returncode == 0
    assert missing(sandbox, [MASAKAZU, GOVERNOR]) == []


def test_a_backup_copied_over_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    """Same inode, same size: the transaction's number shows it. (It may end readers by SIGBUS: the documentation says mv.)"""
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1)
    backup = backup_of(sandbox, tmp_path / "backup.mdb", compact=False)
    for n in range(3):
        sandbox.record(MASAKAZU, "Masakazu Kojima", n)
    path = sandbox.data_dir / CAPTURES
    with path.open("r+b") as file, backup.open("rb") as source:
        shutil.copyfileobj(source, file)
    sandbox.record(GOVERNOR, "Governor Linden", 9)
    assert missing(sandbox, [MASAKAZU, GOVERNOR]) == []


@pytest.mark.parametrize("name", [CAPTURES, VOLATILE])
def test_a_rewrite_killed_between_its_two_renames(sandbox: Sandbox, name: str) -> None:
    """The new lock file beside the old data: the next writer replaces it."""
    file = sandbox.store.volatile.file if name == VOLATILE else captures_file(sandbox.data_dir, PRIVATE)
    file.create()
    for n in range(5):
        file.write(lambda transaction, n=n: transaction.put(b"gGrid%d" % n, b""))  # type: ignore[misc]
    with lock_of_another(file.path):
        file.write(lambda transaction: transaction.put(b"gMine", b""))
    file.close()
    with file.read() as transaction:
        assert transaction.get(b"gMine") == transaction.get(b"gGrid4") == b""
    file.close()


def test_check_reports_a_lock_file_of_another_file(sandbox: Sandbox) -> None:
    """One line that names it, once, since the next use replaces it; no line if it belongs to the file or is missing."""
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1)
    path = sandbox.data_dir / CAPTURES
    assert sandbox.problems() == []
    sandbox.store.close()
    with lock_of_another(path):
        (line,) = sandbox.problems()
        assert line.startswith("captures.mdb-lock belongs to another file than captures.mdb")
        assert sandbox.problems() == []
    sandbox.store.close()
    lock_of(path).unlink()
    assert sandbox.problems() == []


def test_a_writer_killed_before_it_noted_its_commit(sandbox: Sandbox) -> None:
    """LMDB repairs that at the next lock: the lock file is kept, so that readers in other processes see every later write."""
    sandbox.record(MASAKAZU, "Masakazu Kojima", 1)
    sandbox.store.close()
    path = sandbox.data_dir / CAPTURES
    opened = "import lmdb, sys; env = lmdb.open(sys.argv[1], subdir=False); "
    reads = [sys.executable, "-c", opened + "print('open', flush=True); input()", str(path)]
    writes = [sys.executable, "-c", opened + "kept = env.begin(write=True); print('open', flush=True); input()", str(path)]
    with subprocess.Popen(reads, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout and reader.stdout.readline() == "open\n"
        with subprocess.Popen(writes, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout and writer.stdout.readline() == "open\n"
            writer.kill()
        before = lock_of(path).stat().st_ino
        with lock_of(path).open("r+b") as file:
            (number,) = struct.unpack(NUMBER, file.read(56))
            file.seek(48)
            file.write(struct.pack("=Q", number - 1))
        assert sandbox.store.captures.by_key(parse_key(MASAKAZU))
        assert lock_of(path).stat().st_ino == before
        with lock_of(path).open("rb") as file:
            assert struct.unpack(NUMBER, file.read(56)) == (number,)
        reader.communicate("\n")
