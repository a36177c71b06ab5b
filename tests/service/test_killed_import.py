"""An import that is killed, or finds the disk full, leaves the live generation as it was."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from n2k_fcgi.store.datadir import BUILDING, GENERATIONS
from tests.support.sandbox import MASAKAZU, Sandbox, csv

ROWS = 40_000
KILLS = 20


def _dump(path: Path, marker: str) -> Path:
    path.write_text(csv(*[(f"{n:08x}-0000-0000-0000-000000000001", f"{marker}{n} Last") for n in range(1, ROWS)]))
    return path


def _import(data_dir: Path, dump: Path, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(data_dir), "import", "--as-of", "1700000000", str(dump)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


def test_a_killed_import_leaves_an_old_or_a_new_generation_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    """SIGKILL at random moments: CURRENT always names a whole generation, and the next import sweeps the rest."""
    live = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1).manifest.name
    chance = random.Random(20261121)
    dumps = [_dump(tmp_path / f"{n}.csv", f"Round{n}x") for n in range(2)]
    started = time.monotonic()
    with _import(sandbox.data_dir, dumps[1]) as child:
        assert child.wait() == 0
    whole = time.monotonic() - started  # seconds: machines differ
    killed = 0
    for turn in range(KILLS):
        with _import(sandbox.data_dir, dumps[turn % 2]) as child:
            time.sleep(chance.uniform(0.2, 1.0) * whole)
            child.kill()
            killed += child.wait() == -signal.SIGKILL
        sandbox.store.close()
        names = sandbox.store.generations.names()
        now = sandbox.store.generations.current_name()
        assert now in names and now >= live
        live = now
        assert sandbox.view().name2key("masakazu.kojima") is not None
    assert killed >= KILLS // 2
    assert sandbox.problems() == []
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=2)
    assert not [name for name in os.listdir(sandbox.data_dir / GENERATIONS) if name.endswith(BUILDING)]


def test_a_full_disk_refuses_cleanly(sandbox: Sandbox, tmp_path: Path) -> None:
    """The write that fails (here at a file size limit) ends the import with one line; the live generation stays."""
    live = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1).manifest.name
    dump = _dump(tmp_path / "big.csv", "Big")

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
