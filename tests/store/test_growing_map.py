"""A full map grows, other processes follow, and readers that keep old pages are found."""

import os
import signal
import subprocess
import sys

import pytest

from n2k_fcgi.errors import NoMemory
from n2k_fcgi.examinations.data import stopped_readers
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.datadir import CAPTURES
from n2k_fcgi.store.lmdb import growing_map, lockfile
from n2k_fcgi.store.lmdb.growing_map import FAR_BEHIND
from tests.support.processes import talking
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox

KEY, OTHER = parse_key(MASAKAZU), parse_key(GOVERNOR)
KEYS = [n.to_bytes(16, "big") for n in range(1, 1501)]

READER = """
import sys
from pathlib import Path
from tests.support.sandbox import Sandbox
file = Sandbox(Path(sys.argv[1])).store.captures._file
input()
with file.read():
    print("inside", flush=True)
    input()
print("outside", flush=True)
input()
"""


def fill(sandbox: Sandbox) -> int:
    """Record all of KEYS; return the size of the file."""
    for n, key in enumerate(KEYS):
        sandbox.record(key, f"Name{n} Resident", 1)
    return size(sandbox)


def size(sandbox: Sandbox) -> int:
    """Bytes of captures.mdb."""
    return (sandbox.data_dir / CAPTURES).stat().st_size


def change(sandbox: Sandbox, count: int) -> None:
    """Write *count* times to rows that exist."""
    for n in range(count):
        sandbox.record(KEYS[n % 20], f"Name{n % 20} Resident", 2)


def test_the_map_grows_and_other_processes_follow(sandbox: Sandbox) -> None:
    """A file larger than its first map can be written and read, here and in a process that had it open."""
    code = (
        "import sys; from pathlib import Path; from n2k_fcgi.store.lmdb.captures import *\n"
        "from n2k_fcgi.files import PRIVATE\n"
        "captures = Captures(captures_file(Path(sys.argv[1]), PRIVATE))\n"
        "input(); print(sum(1 for _ in captures.all_stored()), flush=True); input()\n"
        "print(sum(1 for _ in captures.all_stored()), flush=True)"
    )
    with talking(code, sandbox.data_dir) as go_on:
        assert go_on() == "0\n"
        big = Source(region="r" * 60_000)
        for n in range(400):
            key = parse_key(f"{n + 1:032x}")
            sandbox.record(key, f"N{n}", 1, source=big)
        assert (sandbox.data_dir / CAPTURES).stat().st_size > 16 * 1024 * 1024
        assert go_on() == "400\n"


def test_the_killed_do_not_fill_the_table_of_readers(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader slot of a killed worker is freed by the next one; otherwise some day no process could open the file."""
    monkeypatch.setattr(growing_map, "MAX_READERS", 3)
    monkeypatch.setattr(lockfile, "LOCK_BYTES", 1)
    sandbox.record(KEY, "Masakazu Kojima", 1)
    sandbox.store.close()
    (sandbox.data_dir / (CAPTURES + "-lock")).unlink()  # its size says how many slots there are
    assert sandbox.store.captures.count() == 1
    code = (
        "import sys, os; from pathlib import Path; from n2k_fcgi.store.lmdb.captures import *\n"
        "from n2k_fcgi.store.lmdb import lockfile, growing_map; from n2k_fcgi.files import PRIVATE\n"
        "growing_map.MAX_READERS, lockfile.LOCK_BYTES = 3, 1\n"
        "captures = Captures(captures_file(Path(sys.argv[1]), PRIVATE)); print(captures.count(), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    for _ in range(8):
        done = subprocess.run([sys.executable, "-c", code, str(sandbox.data_dir)], capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == ("1\n", -signal.SIGKILL), done.stderr


def test_readers_killed_in_mid_transaction_do_not_make_the_file_grow(sandbox: Sandbox) -> None:
    """Their slots are cleared before the next write, so pages are reused."""
    code = (
        "import sys, os, signal; from pathlib import Path; from n2k_fcgi.store.lmdb.captures import *\n"
        "from n2k_fcgi.files import PRIVATE\n"
        "with captures_file(Path(sys.argv[1]), PRIVATE).read(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    sandbox.record(KEY, "Masakazu Kojima", 1)
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code, str(sandbox.data_dir)], check=False)
        assert done.returncode == -signal.SIGKILL
    for now in range(300):
        sandbox.record(KEY, "Masakazu Kojima", now)
    assert (sandbox.data_dir / CAPTURES).stat().st_size < 200_000


def test_a_slow_reader_of_all_captures_does_not_make_the_file_grow(sandbox: Sandbox) -> None:
    """An export into a pager that waits keeps no pages, and then continues to the end, each key once."""
    before = fill(sandbox)
    rows = sandbox.store.captures.all_stored()
    found = [next(rows) for _ in range(3)]
    change(sandbox, 1000)
    assert size(sandbox) <= before + 64 * 1024
    assert [stored.capture.key for stored in (*found, *rows)] == KEYS


def test_doctor_names_a_process_that_was_stopped_while_it_read(sandbox: Sandbox) -> None:
    """One line with its process id and what to do, while it is stopped; a reader that is only a little behind gets none."""
    fill(sandbox)
    with talking(READER, sandbox.data_dir) as go_on:
        assert go_on() == "inside\n"
        change(sandbox, FAR_BEHIND - 1)
        assert list(stopped_readers(sandbox.store)) == []
        change(sandbox, 1)
        (finding,) = stopped_readers(sandbox.store)
        (pid, behind) = sandbox.store.stopped_readers()[0]
        assert behind == FAR_BEHIND and pid != os.getpid()
        assert f"process {pid} reads the captures as they were {FAR_BEHIND} changes ago" in finding.text
        assert f"kill -CONT {pid}" in finding.advice
        os.kill(pid, signal.SIGSTOP)
        change(sandbox, 10)
        assert len(list(stopped_readers(sandbox.store))) == 1
        os.kill(pid, signal.SIGCONT)
        assert go_on() == "outside\n"
        assert list(stopped_readers(sandbox.store)) == []
        before = size(sandbox)
        change(sandbox, FAR_BEHIND)
        assert size(sandbox) == before, "freed pages are not used again"


def test_a_map_that_could_not_grow_is_opened_anew(sandbox: Sandbox) -> None:
    """Also when the file is looked at just then: a closed environment is not asked how large it is."""
    sandbox.record(KEY, "Masakazu Kojima", 1)
    file = sandbox.store.captures._file
    assert file._map is not None
    with pytest.raises(NoMemory):
        file._map._resize(1 << 60)  # more than any host grants
    file._next_look = 0
    assert sandbox.store.captures.count() == 1
    sandbox.record(OTHER, "Governor Linden", 1)
