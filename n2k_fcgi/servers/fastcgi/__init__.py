"""FastCGI, on flup's classes: a protocol on the loop. ``dispatch.fcgi`` calls ``main``, ``n2k fcgi`` calls ``serve``."""

import socket

from n2k_fcgi.servers import worker
from n2k_fcgi.servers.fastcgi.connection import FastCGI
from n2k_fcgi.servers.fastcgi.server import Server
from n2k_fcgi.servers.fastcgi.web_server import Peers, is_for_us_alone
from n2k_fcgi.servers.limits import DEFAULT, Counters, Limits
from n2k_fcgi.servers.listeners import inherited
from n2k_fcgi.servers.wsgi import Served

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
            with listener:
                serve(application, listener, owns_listener=is_for_us_alone(listener), limits=limits)
    finally:
        application.close()


def serve(
    application: Served,
    listener: socket.socket,
    *,
    owns_listener: bool,
    limits: Limits = DEFAULT,
    counters: Counters | None = None,
) -> None:
    """Answer requests as ``worker.serve`` does. Raises CannotListen when FCGI_WEB_SERVER_ADDRS cannot be read."""
    counters = counters or Counters()
    server = Server(application, counters)
    worker.serve(
        listener,
        lambda connection: FastCGI(connection, server),
        owns_listener=owns_listener,
        admits=Peers.of(listener).admit,
        keep_house=application.keep_house,
        limits=limits,
        counters=counters,
    )
