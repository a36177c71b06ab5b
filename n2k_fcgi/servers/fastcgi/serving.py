"""Serving FastCGI on a listening socket."""

from __future__ import annotations

import socket
from functools import partial

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.servers import worker
from n2k_fcgi.servers.fastcgi.connection import FastCGI
from n2k_fcgi.servers.fastcgi.express import Express
from n2k_fcgi.servers.fastcgi.request import Request
from n2k_fcgi.servers.fastcgi.server import Server
from n2k_fcgi.servers.fastcgi.web_server import Peers, is_for_us_alone
from n2k_fcgi.servers.limits import DEFAULT, Counters

if TYPE_CHECKING:
    from n2k_fcgi.servers.limits import Limits
    from n2k_fcgi.servers.live import LiveApplication
    from n2k_fcgi.servers.loop import Speak
    from n2k_fcgi.servers.wsgi import Direct, Served


def serve(
    application: Served,
    listener: socket.socket,
    *,
    owns_listener: bool,
    direct: Direct | None = None,
    limits: Limits = DEFAULT,
    counters: Counters | None = None,
) -> None:
    """Answer requests as ``worker.serve`` does. *direct*: the same application, if it has the fast path.

    Raises CannotListen when FCGI_WEB_SERVER_ADDRS cannot be read.
    """
    counters = counters or Counters()
    server = Server(application, counters)
    express = Express(direct, server) if direct else None

    def at_once(data: bytes) -> bytes | Speak | None:
        answer = express(data) if express else None
        return partial(FastCGI, server=server, begun=answer) if isinstance(answer, Request) else answer

    worker.serve(
        listener,
        lambda connection: FastCGI(connection, server, express),
        owns_listener=owns_listener,
        admits=Peers.of(listener).admit,
        keep_house=application.keep_house,
        notes=application,
        at_once=at_once,
        limits=limits,
        counters=counters,
    )


def serve_inherited(application: LiveApplication, limits: Limits | None = None) -> None:
    """Serve on descriptor 0, which the web server left listening."""
    with socket.socket(fileno=0) as listener:
        alone = is_for_us_alone(listener)
        serve(application, listener, owns_listener=alone, direct=application, limits=limits or DEFAULT)
