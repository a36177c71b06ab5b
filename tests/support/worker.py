"""The real worker over real data, started as mod_fcgid starts it, by a host that grants as little as a test wants."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

from tests.support.fastcgi_client import get
from tests.support.golden import Golden, prepare
from tests.support.processes import Child, eventually, listening, running
from tests.support.sandbox import MASAKAZU, Sandbox

AS_NOBODY = [
    *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"),
    *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"),
]
"""The interpreter may be in root's home, which nobody may read but for the capability."""

CODE = "import sys; from n2k_fcgi.start import run; run('n2k_fcgi.servers.fastcgi', data_dir=sys.argv[1])"

FIND = "/?name=Masakazu+Kojima"
FOUND = (200, MASAKAZU)


def granted(*limits: str, nobody: bool = False) -> list[str]:
    """How a command begins that runs under *limits* (options of prlimit(1)), and not as root when *nobody*.

    Some limits and permissions do not hold for root. Who runs the tests as another user stays that user.
    """
    return [*(AS_NOBODY if nobody and os.getuid() == 0 else []), *(["prlimit", *limits] if limits else [])]


class Worker(Child):
    """A running worker and what tests ask it."""

    def ask(self, target: str) -> tuple[int, str]:
        """Status and body of a GET over a connection of its own, as mod_fcgid sends it."""
        answer = get(self.address, target)
        return int(answer.status.split()[0]), answer.body.decode()

    def finds(self) -> bool:
        """Whether it answers a lookup in each direction."""
        return self.ask(FIND) == FOUND and self.ask(f"/?key={MASAKAZU}") == (200, "Masakazu Kojima")

    def register(self, golden: Golden, name: str, key: str) -> tuple[int, str]:
        """Status and body of a registration."""
        token = golden.placeholders["{TOKEN}"]
        answer = get(self.address, "/?" + urlencode({"name": name, "key": key}), HTTP_X_N2K_TOKEN=token)
        return int(answer.status.split()[0]), answer.body.decode()


@contextlib.contextmanager
def worker(data_dir: Path, *limits: str, **how: Any) -> Iterator[Worker]:
    """Run a worker on a socket that nobody else listens on, as mod_fcgid does; the arguments are those of ``worker_on``."""
    with (
        tempfile.TemporaryDirectory() as folder,
        listening(Path(folder)) as bound,
        worker_on(bound, data_dir, *limits, **how) as child,
    ):
        bound.close()
        yield child


@contextlib.contextmanager
def worker_on(
    bound: socket.socket,
    data_dir: Path,
    *limits: str,
    nobody: bool = False,
    through: Sequence[str] = (),
    stderr: IO[bytes] | None = None,
    **variables: str,
) -> Iterator[Worker]:
    """Run a worker with *bound* as its descriptor 0; several may share one. Its ``stderr`` is empty when it is given.

    *through*: a command that runs the one behind it; see ``granted`` for *limits* and *nobody*.
    """
    command = [*granted(*limits, nobody=nobody), *through, sys.executable, "-c", CODE, str(data_dir)]
    with (
        tempfile.NamedTemporaryFile(prefix="stderr-") as own,
        running(command, stdin=bound, stderr=stderr or own, **variables) as process,
    ):
        yield Worker(process, bound.getsockname(), Path(own.name))


@contextlib.contextmanager
def everybodys_data() -> Iterator[Golden]:
    """The data of the golden cases, for any user to read and write; at the end both directions must agree."""
    with tempfile.TemporaryDirectory() as place:
        golden = prepare(Path(place) / "data")
        Path(place).chmod(0o755)
        set_modes(golden.data_dir, 0o777, 0o666)
        yield golden
        set_modes(golden.data_dir, 0o777, 0o666)
        box = Sandbox(golden.data_dir)
        try:
            assert box.problems() == []
        finally:
            box.close()


def set_modes(folder: Path, of_folders: int, of_files: int) -> None:
    """Change the modes of *folder* and all below it that is ours to change."""
    for path in [folder, *folder.rglob("*")]:
        with contextlib.suppress(PermissionError):
            path.chmod(of_folders if path.is_dir() else of_files)


def idle_calls(child: Worker, log: Path, count: int) -> Counter[str]:
    """The system calls of an idle worker, by name, until it has made *count* ``stat`` calls."""
    command = ["strace", "-qq", "-p", str(child.process.pid), "-o", str(log)]
    with subprocess.Popen(command) as tracer:
        try:
            assert eventually(lambda: log.exists() and log.read_text().count("stat") >= count)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
    return Counter(line.partition("(")[0] for line in log.read_text().splitlines() if "(" in line)
