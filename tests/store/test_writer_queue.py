"""The queue of writers gives up in time, and does not let every request wait for one stuck process."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from n2k_fcgi.errors import StoreBusy
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.lmdb import writer_queue
from tests.support.processes import eventually
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox

KEY = parse_key(MASAKAZU)

WRITES = 4


def test_a_writer_that_waits_too_long_reports_busy(sandbox: Sandbox) -> None:
    """LMDB's own mutex would block for ever, without running a signal handler."""
    code = (
        "import sys; from pathlib import Path; from tests.support.sandbox import Sandbox, MASAKAZU\n"
        "from n2k_fcgi.errors import StoreBusy\n"
        "box = Sandbox(Path(sys.argv[1]))\n"
        "try: box.register('Masakazu Kojima', MASAKAZU)\n"
        "except StoreBusy as error: print(error)"
    )
    with hold(sandbox.data_dir / "captures.writer", PRIVATE, 0) as held:
        assert held
        done = subprocess.run([sys.executable, "-c", code, str(sandbox.data_dir)], capture_output=True, text=True, check=True)
    assert "busy" in done.stdout
    assert sandbox.store.captures.by_key(KEY) == []


def test_only_the_first_of_several_writes_waits(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen by the patience of each; once the lock was free again, the next one waits as before."""
    given: list[float] = []

    def noted(path: Path, modes: object, patience: float) -> object:
        given.append(patience)
        return hold(path, PRIVATE, min(patience, 0.01))

    sandbox.register("Governor Linden", GOVERNOR)
    monkeypatch.setattr(writer_queue, "hold", noted)
    with hold(sandbox.data_dir / "captures.writer", PRIVATE, 0):
        for _ in range(WRITES):
            with pytest.raises(StoreBusy):
                sandbox.record(MASAKAZU, "Masakazu Kojima", 5)
        assert sandbox.view().name2key("governor.linden") is not None
    sandbox.record(MASAKAZU, "Masakazu Kojima", 6)
    sandbox.record(MASAKAZU, "Masakazu Kojima", 7)
    patience = writer_queue.WRITER_PATIENCE
    assert given == [patience, 0, 0, 0, 0, patience]


def test_patience_comes_back_by_itself(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """After STUCK_FOR seconds the next write waits again."""
    monkeypatch.setattr(writer_queue, "WRITER_PATIENCE", 0.05)
    monkeypatch.setattr(writer_queue, "STUCK_FOR", 0.0)
    with hold(sandbox.data_dir / "captures.writer", PRIVATE, 0), pytest.raises(StoreBusy):
        sandbox.record(MASAKAZU, "Masakazu Kojima", 5)
    sandbox.record(MASAKAZU, "Masakazu Kojima", 6)
    assert eventually(lambda: sandbox.view().name2key("masakazu.kojima") is not None)


def test_a_write_that_waited_while_others_wrote_is_patient_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is taken again and again is not stuck: refused at once from then on, a process would never have its turn."""
    given: list[float] = []

    def busy(path: Path, modes: object, patience: float) -> object:
        given.append(patience)
        os.utime(sandbox.data_dir / "captures.mdb", (time.time() + 1,) * 2)  # as a write of another process does
        return hold(path, PRIVATE, min(patience, 0.01))

    sandbox.register("Governor Linden", GOVERNOR)
    monkeypatch.setattr(writer_queue, "hold", busy)
    with hold(sandbox.data_dir / "captures.writer", PRIVATE, 0):
        for _ in range(WRITES):
            with pytest.raises(StoreBusy):
                sandbox.record(MASAKAZU, "Masakazu Kojima", 5)
    assert given == [writer_queue.WRITER_PATIENCE] * WRITES
