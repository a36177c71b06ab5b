"""What acknowledged writes cost the disk, by the setting ``kv_sync``: the system calls of a real process."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from n2k_fcgi.model.choices import Sync

WRITES = 7

CODE = """
import os, sys
from pathlib import Path
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.keyvalue.operations import Get, Increment, Put
from n2k_fcgi.store.keyvalue import Range, Terms
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces

now = 1_764_000_000_000
space = Namespaces(Path(sys.argv[1]), PRIVATE, sync=Sync(sys.argv[2]), most_changes=100).create("shop", Terms(10**7, 10**4))
space.apply([Put(b"k%d" % number, bytes(100), ttl=5) for number in range(300)], now)
space.get(b"k", now)
os.write(2, b"begin")
"""
WRITE = """
for number in range(7):
    space.apply([Put(b"k", b"v", ttl=5), Increment(b"n", 1, 1)], now + number, request=str(number))
"""
READ = """
for number in range(7):
    space.get(b"k7", now)
    space.get_many([b"k7", b"k8"], now)
    space.scan(Range(), now, limit=9, values=True)
    space.apply([Get(b"k7"), Get(b"k8")], now)
"""


def calls(folder: Path, sync: Sync, code: str) -> list[str]:
    """The syncs of *code*, and its writes to the descriptor on which each write is a sync of its own."""
    log = folder / "strace.log"
    strace = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=openat,write,fsync,fdatasync,msync,pwrite64,writev"]
    subprocess.run(
        [*strace, sys.executable, "-c", CODE + code, str(folder), sync], stderr=subprocess.DEVNULL, check=True, timeout=60
    )
    before, _, after = log.read_text("utf-8", "replace").partition('"begin"')
    (descriptor,) = set(re.findall(r'data\.mdb", [^)]*O_DSYNC[^)]*\) = (\d+)', before)) or {"none"}
    return re.findall(rf"\b(f(?:data)?sync|msync|(?:pwrite64|writev)(?=\({descriptor},))", after)


@pytest.mark.parametrize(
    ("sync", "wanted"), [(Sync.ALWAYS, ["fdatasync", "pwrite64"] * WRITES), (Sync.META, ["fdatasync"] * WRITES), (Sync.OFF, [])]
)
def test_a_write_costs_one_sync(tmp_path: Path, sync: Sync, wanted: list[str]) -> None:
    """With values, log, request and sweeping. ``always``: and LMDB's own meta page is synced; ``off``: nothing is."""
    assert calls(tmp_path, sync, WRITE) == wanted


def test_a_read_costs_none(tmp_path: Path) -> None:
    """Nor does a batch that only reads."""
    assert calls(tmp_path, Sync.ALWAYS, READ) == []
