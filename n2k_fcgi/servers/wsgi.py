"""What every front end serves: a WSGI application (PEP 3333) that says how large a body it takes."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from n2k_fcgi.web.decoding import Environ

__all__ = ["Environ", "Served", "StartResponse", "WSGIApplication"]

StartResponse = Callable[..., Any]
WSGIApplication = Callable[[Environ, StartResponse], Iterable[bytes]]


class Served(Protocol):
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
