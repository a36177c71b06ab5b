"""What all connections of a FastCGI worker share."""

from __future__ import annotations

from flup.server.fcgi_base import FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS, BaseFCGIServer

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.servers.gateway import Reply
from n2k_fcgi.servers.limits import most_connections

if TYPE_CHECKING:
    from n2k_fcgi.servers.limits import Counters
    from n2k_fcgi.servers.wsgi import Environ, Served

MAX_REQUESTS = 16
"""Requests that one connection may have open at a time. Known web servers send one."""


class Server(BaseFCGIServer):  # type: ignore[misc]
    """The application, and what the FastCGI specification wants to be known of a server. Sockets are the loop's."""

    application: Served

    def __init__(self, application: Served, counters: Counters) -> None:
        super().__init__(application, multithreaded=False, multiprocess=True, multiplexed=True, debug=False)
        self.counters = counters
        most = most_connections()
        self.capability = {FCGI_MAX_CONNS: most, FCGI_MAX_REQS: most * MAX_REQUESTS, FCGI_MPXS_CONNS: 1}

    def run(self, environ: Environ, body: bytes = b"") -> Reply:
        """The reply to a request; nothing of it is made yet."""
        self.counters.requests += 1
        return Reply(self.application, environ, body)
