"""Every error this package raises on purpose.

A class is a message that says what is wrong and what to do, one HTTP status and one exit code. Only the front ends
(``web.application``, ``cli``, ``servers``) turn errors into answers. Exit codes: 1 unexpected, 2 wrong usage (click's),
10-29 the caller's input, 30-39 access, 40-59 the store, 60-79 dumps and imports, 80-99 the installation, 100-119 the
key-value service.
"""

from typing import TYPE_CHECKING

from n2k_fcgi.errors.base import *
from n2k_fcgi.errors.installation import *
from n2k_fcgi.errors.keyvalue import *
from n2k_fcgi.errors.requests import *
from n2k_fcgi.errors.store import *

if TYPE_CHECKING:
    from n2k_fcgi.errors.dumps import *
else:

    def __getattr__(name: str) -> type[Exception]:
        import n2k_fcgi.errors.dumps as dumps  # late: no worker raises these, and its cold start counts

        try:
            return vars(dumps)[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
