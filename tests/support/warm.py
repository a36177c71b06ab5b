"""Quick starts of ``n2k``: a process that has imported what every command imports, and forks for each one.

Such a fork is a process of its own, with descriptors, folder, environment and exit code as if the installed script had been
started, and it goes on where that is after its imports. For the 3,000 commands of the tests this takes 20 ms instead of 70.
``COLD=1`` starts each of them anew, and so do all tests that start ``n2k`` in another way: on a terminal, with signals, with
little memory, from Apache, from a crontab.
"""

import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

LONGEST_REQUEST = 100_000
"""Bytes that are certainly one packet."""
_READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "COVERAGE")
"""What begins so is looked at before the first line of a program runs."""
USUAL = {"PYTHONWARNINGS": "error"}
"""Any warning of Python ends a command."""


class Warm:
    """The process that forks, of one worker of pytest; it ends with the worker."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
                env={"PATH": os.environ["PATH"], "HOME": "/", **USUAL},
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.communicate()

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], stdin: bytes, timeout: float
    ) -> tuple[int, bytes, bytes] | None:
        """Run a command; return its exit code (-N: ended by signal N), output and errors. None: it needs a cold start."""
        if any(name.startswith(_READ_AT_START) and USUAL.get(name) != value for name, value in environment.items()):
            return None
        request = json.dumps({"command": command, "environment": dict(environment), "folder": os.getcwd()}).encode()
        if len(request) > LONGEST_REQUEST:
            return None
        (his_in, in_), (out, his_out), (err, his_err), (status, his_status) = (os.pipe() for _ in range(4))
        theirs = [his_in, his_out, his_err, his_status]
        try:
            socket.send_fds(self._socket, [request], theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        return _exchanged(in_, stdin, (out, err, status), time.monotonic() + timeout)


def _exchanged(in_: int, data: bytes, outputs: tuple[int, int, int], end: float) -> tuple[int, bytes, bytes]:
    """Write *data*, and read everything; close all."""
    told: dict[int, bytes] = dict.fromkeys(outputs, b"")
    rest = memoryview(data)
    with selectors.DefaultSelector() as selector:
        for fd in outputs:
            selector.register(fd, selectors.EVENT_READ)
        os.set_blocking(in_, False)
        selector.register(in_, selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                os.kill(int(told[outputs[2]].split()[0]), signal.SIGKILL)
                raise TimeoutError("the command did not end")
            for key, _ in ready:
                if key.fd == in_:
                    with suppress(BrokenPipeError):
                        rest = rest[os.write(in_, rest[:65536]) :] if rest else rest
                        if rest:
                            continue
                    is_over = True
                else:
                    piece = os.read(key.fd, 65536)
                    told[key.fd] += piece
                    is_over = not piece
                if is_over:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    out, err, status = (told[fd] for fd in outputs)
    return os.waitstatus_to_exitcode(int(status.split()[1])), out, err


def _imports() -> None:
    """Import what every command imports."""
    import n2k_fcgi.__main__  # noqa: F401
    import n2k_fcgi.cli.context  # noqa: F401


def _serve(requests: socket.socket) -> None:
    """Fork for each request, until there are no more; tell each asker the pid, and later the status."""
    _imports()
    gc.collect()
    gc.freeze()
    running: dict[int, tuple[int, int]] = {}
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd in running:
                pid, status = running.pop(fd)
                poll.unregister(fd)
                os.close(fd)
                os.write(status, b" %d" % os.waitpid(pid, 0)[1])
                os.close(status)
                continue
            data, fds, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 4)
            if not data:
                return
            pid = os.fork()
            if not pid:
                os.close(requests.detach())
                for other, (_, status) in running.items():
                    os.close(other)
                    os.close(status)
                _become(json.loads(data), fds)
            for own in fds[:3]:
                os.close(own)
            os.write(fds[3], b"%d" % pid)
            watched = os.pidfd_open(pid)
            running[watched] = pid, fds[3]
            poll.register(watched, select.POLLIN)


def _become(request: dict[str, object], fds: Sequence[int]) -> NoReturn:
    """Be the command."""
    for number, fd in enumerate(fds[:3]):
        os.dup2(fd, number)
    for fd in fds:
        os.close(fd)
    os.chdir(str(request["folder"]))
    coerced = os.environ.get("LC_CTYPE")  # Python's own, PEP 538
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    if coerced is not None:
        os.environ["LC_CTYPE"] = coerced
    sys.argv = list(request["command"])  # type: ignore[call-overload]
    if "random" in sys.modules:
        sys.modules["random"].seed()
    sys.path[0] = str(Path(sys.argv[0]).parent)

    from n2k_fcgi.__main__ import main

    sys.exit(main())  # type: ignore[func-returns-value]


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
