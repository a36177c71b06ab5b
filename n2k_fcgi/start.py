"""The first module of every process: a host may refuse even the memory for loading the others."""

import os
import sys

from n2k_fcgi.errors import NoMemory, is_no_memory

_LINE = f"{NoMemory()}\n".encode()
_ANSWER = b"Status: 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + _LINE
_COMPLAINT = b"n2k: " + _LINE
"""Made in advance: later there may be no memory for it."""


def run(module: str, **arguments: str) -> None:
    """Import *module* and call its ``main``. Without the memory for that: one line, and an exit instead of a traceback.

    Closed descriptors of the three streams are occupied before anything else can get them. Python has looked: one that is
    closed is None, so that the usual start asks the system nothing.
    """
    try:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            from n2k_fcgi import descriptors

            descriptors.occupy()
        __import__(module, fromlist=["main"]).main(**arguments)  # importlib would be imported for this alone
    except (MemoryError, SystemError):
        pass
    except Exception as problem:
        if not is_no_memory(problem):
            raise
    else:
        return
    # Only here is the memory free that the failed call held.
    if "REQUEST_METHOD" in os.environ:  # started as CGI: a caller waits for an answer
        _say(1, _ANSWER)
    _say(2, _COMPLAINT)
    sys.exit(NoMemory.exit_code)


def _say(fd: int, line: bytes) -> None:
    try:  # noqa: SIM105 - contextlib would be imported for this alone
        os.write(fd, line)
    except OSError:  # closed, full, or nobody reads it
        pass
