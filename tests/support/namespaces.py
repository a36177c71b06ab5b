"""Namespaces of a data directory, in several processes, some of which are killed at a system call."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from n2k_fcgi.store.keyvalue import Terms
from tests.contract.engines import Peer

NOW = 1_764_000_000_000
TERMS = Terms(100_000_000, 100_000)
SPACE = "store.keyvalue.namespace('shop')"
NEVER_LOOK = "setattr(__import__('n2k_fcgi.store.lmdb.writable', fromlist=['x']), 'LOOK_EVERY', 1e9)"
"""Only the mark tells this process that a file was replaced."""

RUN = (
    "import sys; from pathlib import Path; from tests.contract.engines import *\n"
    "store = open_store('lmdb', Path(sys.argv[1]))\n"
)
COMPACT = RUN + "store.keyvalue.namespace('shop').compact()"
DROP = RUN + "store.keyvalue.drop('shop')"
CREATE = RUN + "from n2k_fcgi.store.keyvalue import Terms; store.keyvalue.create('shop', Terms(100_000_000, 100_000))"
CALLS = "rename,unlink,pwrite64,fdatasync,fsync,chmod,fchmod,ftruncate,fallocate,mkdir"


def traced(code: str, folder: Path, *options: str) -> int:
    """Run *code* on *folder* under strace with *options*; return its exit code."""
    command = ["strace", "-f", "-qq", *options, sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, capture_output=True, check=False, timeout=120).returncode


def calls_of(code: str, folder: Path) -> list[tuple[str, int]]:
    """Run *code*; return the system calls with which it changes namespaces, each with its number among those of its name."""
    log = folder.with_name("strace.log")
    assert traced(code, folder, "-y", "-o", str(log), "-e", f"trace={CALLS}") == 0
    counts: dict[str, int] = {}
    found = []
    for name, arguments in re.findall(r"(?m)^\d+ +(\w+)\((.*)", log.read_text("utf-8", "replace")):
        counts[name] = counts.get(name, 0) + 1
        if f"{folder}/keyvalue" in arguments:
            found.append((name, counts[name]))
    return found


def is_killed(code: str, folder: Path, call: str, number: int) -> bool:
    """Run *code*, which is killed at that system call unless it makes fewer; return whether it was."""
    inject = f"inject={call}:signal=KILL:when={number}"
    code_at_end = traced(code, folder, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
    assert code_at_end in (0, -signal.SIGKILL)
    return code_at_end != 0


def problems(peer: Peer) -> list[str]:
    """What the check of the store finds, in another process."""
    found: list[str] = peer("list(store.keyvalue.problems())")
    return found


def files(folder: Path) -> list[str]:
    """The names of the files of the namespace."""
    return sorted(path.name for path in (folder / "keyvalue" / "shop").iterdir())
