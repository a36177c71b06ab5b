"""What ``n2k deploy --as auto`` tries a host with: an application that answers how it is run, and opens nothing."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.servers.inheriting import is_listening

if TYPE_CHECKING:
    from collections.abc import Iterable

    from n2k_fcgi.servers.wsgi import Environ, StartResponse


def main(nonce: str) -> None:
    """Serve as FastCGI if descriptor 0 listens, else answer as CGI."""
    if not is_listening(0):
        from n2k_fcgi.servers.cgi import answer

        answer(Probe(nonce, "cgi"))
        return
    import socket

    from n2k_fcgi.servers.fastcgi.serving import serve
    from n2k_fcgi.servers.fastcgi.web_server import is_for_us_alone

    with socket.socket(fileno=0) as listener:
        serve(Probe(nonce, "fcgid"), listener, owns_listener=is_for_us_alone(listener))


class Probe:
    """Answers every request with one line: the *nonce* and the *kind*, as ``deploy/kind.py`` expects them."""

    max_body = 0
    has_counted = False

    def __init__(self, nonce: str, kind: str) -> None:
        self._line = f"n2k probe {nonce}: {kind}\n".encode()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        start_response("200 OK", [*headers, ("Content-Length", str(len(self._line)))])
        return [self._line]

    def keep_house(self) -> None:
        """Do nothing."""

    def note_counts(self) -> None:
        """Nothing is counted."""

    def close(self) -> None:
        """Nothing is open."""
