"""An import that is killed, or finds the disk full, does not change the live generation."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from n2k_fcgi.store.datadir import BUILDING, GENERATIONS
from tests.support.sandbox import MASAKAZU, Sandbox, csv

KILLED_AT = {
    "mkdir": (1,),
    "pwrite64": (1, 2, 5),
    "writev": (1, 5),
    "fsync": (1, 2, 3, 4, 5),
    "rename": (1, 2, 3),
    "unlink": (1, 2),
}
"""The system calls of an import that change the disk; each in turn is the last one before SIGKILL."""


def _dump(path: Path, marker: str, rows: int = 5000) -> Path:
    path.write_text(csv(*[(f"{n:08x}-0000-0000-0000-000000000001", f"{marker}{n} Last") for n in range(1, rows)]))
    return path


def _import(data_dir: Path, dump: Path, *through: str, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(data_dir), "import", "--as-of", "1700000000", str(dump)]
    return subprocess.Popen([*through, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("call", KILLED_AT)
def test_a_killed_import_leaves_an_old_or_a_new_generation_whole(sandbox: Sandbox, tmp_path: Path, call: str) -> None:
    """SIGKILL at a system call that changes the disk: CURRENT names a whole generation, and the next import removes others."""
    live = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1).manifest.name
    dumps = [_dump(tmp_path / f"{n}.csv", f"Round{n}x") for n in range(2)]
    for turn, number in enumerate(KILLED_AT[call]):
        inject = f"inject={call}:signal=KILL:when={number}"
        with _import(
            sandbox.data_dir, dumps[turn % 2], "strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject
        ) as child:
            assert child.wait() == -signal.SIGKILL, f"{call} {number}"
        sandbox.store.close()
        names = sandbox.store.generations.names()
        now = sandbox.store.generations.current_name()
        assert now in names and now >= live
        live = now
        assert sandbox.view().name2key("masakazu.kojima") is not None
    assert sandbox.problems() == []
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=2)
    assert not [name for name in os.listdir(sandbox.data_dir / GENERATIONS) if name.endswith(BUILDING)]


def test_a_full_disk_refuses_cleanly(sandbox: Sandbox, tmp_path: Path) -> None:
    """The write that fails (here at a file size limit) ends the import with one line; the live generation is kept."""
    live = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1).manifest.name
    dump = _dump(tmp_path / "big.csv", "Big", 40_000)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    with _import(sandbox.data_dir, dump, preexec_fn=limit) as child:
        assert child.stderr is not None
        said = child.stderr.read().decode()
        assert child.wait() in (41, 45), said
    assert said.count("\n") == 1 and said.startswith("n2k: ")
    assert sandbox.view().generation_name == live
    assert os.listdir(sandbox.data_dir / GENERATIONS) == [live]
