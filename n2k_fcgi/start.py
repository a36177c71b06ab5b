"""The first module of every process: hosts may refuse the memory for loading the others already."""

import os
import sys
from importlib import import_module

from n2k_fcgi.errors import NoMemory, is_no_memory

_LINE = f"{NoMemory()}\n".encode()
_ANSWER = b"Status: 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + _LINE
_COMPLAINT = b"n2k: " + _LINE
"""Made beforehand: there may be no memory for it later."""


def run(module: str, **arguments: str) -> None:
    """Import *module* and call its ``main``. Without the memory for that: one line, and an exit instead of a traceback."""
    try:
        import_module(module).main(**arguments)
    except (MemoryError, SystemError):
        pass
    except Exception as problem:
        if not is_no_memory(problem):
            raise
    else:
        return
    # Out here, where what the failed call held is free again.
    if "REQUEST_METHOD" in os.environ:  # started as CGI: somebody waits for an answer
        os.write(1, _ANSWER)
    os.write(2, _COMPLAINT)
    sys.exit(NoMemory.exit_code)
