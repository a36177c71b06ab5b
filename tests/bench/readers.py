"""What readers behind Apache notice of imports: their answers one after another, at rest and while each runs."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench.measure import percentile
from tests.support.apache import Apache, apache
from tests.support.hosting import Account

CLIENTS = 2
REST = 10.0
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


def measure(folder: Path, base: Path, imports: dict[str, list[str]]) -> Iterator[tuple[str, Noticed]]:
    """Serve *base*, then import over it, day after day: yield what readers get at rest and until each import is published.

    *imports*: arguments of ``n2k import`` by what to call it.
    """
    account = Account(folder / "home")
    command = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(account.data), "import", "--force", "--as-of"]
    subprocess.run([*command, "2026-01-01", str(base)], check=True)
    account.n2k("deploy", str(account.site))
    with apache(account.site) as server:
        yield "at rest", _ask_until(server, time.monotonic() + REST, None)
        for day, (what, arguments) in enumerate(imports.items(), 2):
            with subprocess.Popen([*command, f"2026-01-{day:02}", *arguments]) as importing:
                yield what, _ask_until(server, None, importing)
            if importing.returncode:
                raise SystemExit(f"{what}: exit code {importing.returncode}")


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
