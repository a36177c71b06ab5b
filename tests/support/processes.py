"""Child processes that serve: started with a listening socket or until they print where they listen, stopped by their pid."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.coverage import measured

REPOSITORY = Path(__file__).parents[2]
SECONDS = 60.0
"""How long to wait for what must happen soon: a limit for hangs, not a measure."""


class Child:
    """A running server: its process, where it listens, what it wrote to standard error."""

    def __init__(self, process: "subprocess.Popen[bytes]", address: str | tuple[str, int], stderr: Path) -> None:
        self.process = process
        self.address = address
        self._stderr = stderr

    @property
    def stderr(self) -> str:
        """All that it wrote to standard error."""
        return self._stderr.read_text("utf-8", "replace")

    def descriptors(self) -> int:
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def sockets(self) -> int:
        """How many sockets it has open, the one it listens on included."""
        count = 0
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed just now
                count += os.readlink(entry).startswith("socket:")
        return count

    def threads(self) -> int:
        """How many threads it has."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def has_mapped(self, name: str) -> bool:
        """Whether a file of that name is in its address space."""
        return f"/{name}\n" in Path(f"/proc/{self.process.pid}/maps").read_text()

    def status(self, field: str) -> int:
        """A number from /proc/PID/status."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        raise KeyError(field)

    def _state(self) -> str:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def sleeping(self) -> bool:
        """Whether it waits in the kernel."""
        return self._state() == "S"

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop it while the block runs: what comes meanwhile is all there when it goes on."""
        self.signal(signal.SIGSTOP)
        try:
            assert eventually(lambda: self._state() in "Tt")  # it comes some instructions later; t: below strace
            yield
        finally:
            self.signal(signal.SIGCONT)

    def rests(self, seconds: float) -> bool:
        """Whether it comes to rest: there is a stretch of *seconds* in which it never waits anew, so nothing woke it."""

        def undisturbed() -> bool:
            before = self.status("voluntary_ctxt_switches")
            time.sleep(seconds)
            return self.sleeping() and self.status("voluntary_ctxt_switches") == before

        return eventually(undisturbed)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for its end."""
        return self.process.wait(SECONDS)


@contextlib.contextmanager
def serving(folder: Path, *options: str, listen: str = "stdin", **variables: str) -> Iterator[Child]:
    """Run ``tests.support.apps`` on a unix socket in *folder* (as descriptor 0), or where *listen* says."""
    command = [sys.executable, "-m", "tests.support.apps", "--listen", listen, *options]
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(listening(folder)) if listen == "stdin" else None
        stderr = stack.enter_context((folder / "stderr").open("wb"))
        process = stack.enter_context(running(command, stdin=bound, stderr=stderr, **variables))
        if bound is not None:
            bound.close()  # as mod_fcgid does: the child's is the only one
        address = str(folder / "socket") if bound is not None else _printed_address(process)
        yield Child(process, address, folder / "stderr")


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[socket.socket]:
    """A listening socket ``folder/socket``, for a child's descriptor 0: clients may connect before the child is ready."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket"))
        bound.listen(512)
        yield bound


@contextlib.contextmanager
def running(command: list[str], *, stdin: object, stderr: object, **variables: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A child process in the repository's folder, killed at the end if it still runs."""
    environment = {"PATH": os.environ["PATH"], **measured(), **variables}
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdin=stdin,  # type: ignore[arg-type]
        stdout=subprocess.PIPE,
        stderr=stderr,  # type: ignore[arg-type]
    )
    try:
        yield process
    finally:
        if measured():
            _end(process)  # a killed process writes no data
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.send_signal(signal.SIGCONT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS)


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether *condition* becomes true before a hang is certain."""
    limit = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def _printed_address(child: "subprocess.Popen[bytes]") -> str | tuple[str, int]:
    assert child.stdout
    address = json.loads(child.stdout.readline())
    return address if isinstance(address, str) else (address[0], address[1])


@contextlib.contextmanager
def talking(code: str, *arguments: object) -> Iterator[Callable[[], str]]:
    """Run *code* in a Python of its own; calling what this gives has it go on from its next ``input()`` and hears one line."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def go_on() -> str:
            stdin.write("\n")
            stdin.flush()
            return stdout.readline()

        try:
            yield go_on
        finally:
            child.kill()


def forked(work: Callable[[], object]) -> int:
    """Run *work* in a child made by ``fork()`` and return its id; the child exits with 0 if that succeeded, else with 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork beside other threads
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)
