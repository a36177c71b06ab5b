"""FastCGI, on flup's classes: a protocol on the loop. ``dispatch.fcgi`` calls ``main``, ``n2k fcgi`` calls ``serve``."""

import socket
from functools import partial

from n2k_fcgi.servers import worker
from n2k_fcgi.servers.fastcgi.connection import FastCGI
from n2k_fcgi.servers.fastcgi.express import Express
from n2k_fcgi.servers.fastcgi.request import Request
from n2k_fcgi.servers.fastcgi.server import Server
from n2k_fcgi.servers.fastcgi.web_server import Peers, is_for_us_alone
from n2k_fcgi.servers.limits import DEFAULT, Counters, Limits
from n2k_fcgi.servers.listeners import inherited
from n2k_fcgi.servers.loop import Speak
from n2k_fcgi.servers.wsgi import Direct, Served

__all__ = ["main", "serve"]


def main(limits: Limits = DEFAULT, **flags: str) -> None:
    """Serve on the listening socket that the web server left on descriptor 0; without one, answer one request as CGI.

    *flags* are settings (``data_dir="/home/u/n2k-data"``), ``config``, the settings file, and ``code``, the digest of the
    code that was deployed.
    """
    from n2k_fcgi.servers.live import LiveApplication  # late: 'serve' alone does not need the store

    listener = inherited()
    application = LiveApplication(flags, buffered_logs=listener is not None)
    try:
        if listener is None:
            from n2k_fcgi.servers import cgi  # late: a worker does not need it

            cgi.answer(application, limits)
        else:
            alone = is_for_us_alone(listener)
            with listener:
                serve(application, listener, owns_listener=alone, direct=application, limits=limits)
    finally:
        application.close()


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
        at_once=at_once,
        limits=limits,
        counters=counters,
    )
