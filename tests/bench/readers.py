"""What readers behind Apache notice of an import: their answers one after another, at rest and while it runs."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.measure import percentile
from tests.support.apache import Apache, apache
from tests.support.hosting import Account

CLIENTS = 2
REST = 20.0
"""Seconds at rest."""
PAUSE = 0.005
"""Seconds between two requests of a client: readers that leave the machine some air."""


class Noticed(NamedTuple):
    """Answers of one period."""

    answers: int
    failed: int
    p50: float
    p99: float
    slowest: float
    """Milliseconds, all three."""


def measure(folder: Path, before: Path, after: Path) -> tuple[Noticed, Noticed]:
    """Serve *before*, then import *after* over it: what readers get at rest, and during the import and its publishing."""
    account = Account(folder / "home")
    command = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(account.data), "import", "--force", "--as-of"]
    subprocess.run([*command, "2026-01-01", str(before)], check=True)
    account.n2k("deploy", str(account.site))
    with apache(account.site) as server:
        rest = _ask_until(server, time.monotonic() + REST, None)
        with subprocess.Popen([*command, "2026-01-02", str(after)]) as importing:
            busy = _ask_until(server, None, importing)
    return rest, busy


def _ask_until(server: Apache, deadline: float | None, importing: "subprocess.Popen[bytes] | None") -> Noticed:
    took: list[float] = []
    failed: list[int] = []

    def ask() -> None:
        while (deadline and time.monotonic() < deadline) or (importing and importing.poll() is None):
            started = time.monotonic()
            reply = server.get("/?name=governor.linden")
            took.append((time.monotonic() - started) * 1000)
            if reply.status != 200 or not reply.body.startswith(b"3d6181b0"):
                failed.append(reply.status)
            time.sleep(PAUSE)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Noticed(len(took), len(failed), percentile(took, 50), percentile(took, 99), max(took))
