"""What every front end serves: a WSGI application (PEP 3333) that says how large a body it takes."""

from __future__ import annotations

from typing import Protocol

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.servers.protocol import Notes
from n2k_fcgi.web.decoding import Environ
from n2k_fcgi.web.responses import StartResponse

__all__ = ["Direct", "Environ", "Served", "StartResponse", "WSGIApplication"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from n2k_fcgi.web.responses import Answer

WSGIApplication: TypeAlias = "Callable[[Environ, StartResponse], Iterable[bytes]]"


class Direct(Protocol):
    """A WSGI application that also returns its answers as values."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        ...

    def lookup(self, environ: Environ) -> Answer | None:
        """The answer to a lookup, made from ``decoding.LOOKUP_VARIABLES`` alone; None: it is another request."""
        ...

    def answer(self, environ: Environ) -> Answer:
        """The answer to any request. *environ*: the variables of the web server suffice, unless the request has a body."""
        ...


class Served(Notes, Protocol):
    """An application with a limit on bodies, made and closed by the thread that runs it."""

    @property
    def max_body(self) -> int:
        """Bytes of the largest body, as set now. A front end keeps no more of a request than that.

        Of a larger body the application gets nothing but its length, as CONTENT_LENGTH, which it refuses.
        """
        ...

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        ...

    def keep_house(self) -> None:
        """Do a bounded amount of work that can wait; called between requests, once per minute at most."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...
