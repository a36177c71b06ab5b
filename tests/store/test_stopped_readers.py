"""Who reads while others write: a transaction that stays open keeps LMDB from using pages again, and the file grows."""

import os
import signal

from n2k_fcgi.cli.examinations.data import stopped_readers
from n2k_fcgi.store.datadir import CAPTURES
from n2k_fcgi.store.lmdb.growing_map import FAR_BEHIND
from tests.support.processes import talking
from tests.support.sandbox import Sandbox

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
    """Record all of KEYS in few transactions; give the size of the file."""
    for n, key in enumerate(KEYS):
        sandbox.record(key, f"Name{n} Resident", 1)
    return size(sandbox)


def size(sandbox: Sandbox) -> int:
    """Bytes of the captures' file."""
    return (sandbox.data_dir / CAPTURES).stat().st_size


def change(sandbox: Sandbox, count: int) -> None:
    """Change *count* times what is there already."""
    for n in range(count):
        sandbox.record(KEYS[n % 20], f"Name{n % 20} Resident", 2)


def test_who_takes_his_time_with_all_captures_makes_the_file_no_longer(sandbox: Sandbox) -> None:
    """An export behind a pager, stopped in its middle: nothing is pinned, and it goes on to the end, each key once."""
    before = fill(sandbox)
    rows = sandbox.store.captures.all_stored()
    found = [next(rows) for _ in range(3)]
    change(sandbox, 1000)
    assert size(sandbox) <= before + 64 * 1024
    assert [stored.capture.key for stored in (*found, *rows)] == KEYS


def test_doctor_names_who_was_stopped_while_he_read(sandbox: Sandbox) -> None:
    """One line with his process and what to do, while it is so; a reader who is only beside the writers gets none."""
    fill(sandbox)
    with talking(READER, sandbox.data_dir) as go_on:
        assert go_on() == "inside\n"
        change(sandbox, FAR_BEHIND - 1)
        assert list(stopped_readers(sandbox.store)) == []
        change(sandbox, 1)
        (finding,) = stopped_readers(sandbox.store)
        (pid, behind) = sandbox.store.stopped_readers()[0]
        assert behind == FAR_BEHIND and pid != os.getpid()
        assert f"process {pid} reads captures.mdb as it was {FAR_BEHIND} changes ago" in finding.text
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
