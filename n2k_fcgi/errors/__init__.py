"""Every error this package raises on purpose.

A class is a message that says what is wrong and what to do, one HTTP status and one exit code. Only the front ends
(``web.application``, ``cli``, ``servers``) turn errors into answers. Exit codes: 1 unexpected, 2 wrong usage (click's),
10-29 the caller's input, 30-39 access, 40-59 the store, 60-79 dumps and imports, 80-99 the installation, 100-129 the
key-value service.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors.base import *
from n2k_fcgi.errors.installation import *
from n2k_fcgi.errors.requests import *
from n2k_fcgi.errors.store import *

if TYPE_CHECKING:
    from n2k_fcgi.errors.dumps import *
    from n2k_fcgi.errors.handles import *
    from n2k_fcgi.errors.keyvalue import *
else:

    def __getattr__(name: str) -> type[Exception]:
        from importlib import import_module

        for module in ("keyvalue", "dumps", "handles"):  # late: lookups raise none of these, and a worker's cold start counts
            found = vars(import_module(f"{__name__}.{module}")).get(name)
            if found is not None:
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
