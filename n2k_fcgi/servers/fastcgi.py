"""Serving FastCGI: what ``dispatch.fcgi`` and ``n2k fcgi`` call."""

import contextlib
import socket
from collections.abc import Callable

from n2k_fcgi.servers.counters import Counters
from n2k_fcgi.servers.listeners import bind_tcp, bind_unix, inherited, is_for_us_alone, owned
from n2k_fcgi.servers.loop import Server
from n2k_fcgi.servers.pace import Pace
from n2k_fcgi.servers.presence import Presence
from n2k_fcgi.servers.stopping import StopRequest
from n2k_fcgi.servers.wsgi import WSGIApplication

__all__ = ["Counters", "bind_tcp", "bind_unix", "main", "serve"]


def main(**flags: str) -> None:
    """Serve on the listening socket that the web server left on descriptor 0; without one, answer one request as CGI.

    *flags* are settings (``data_dir="/home/u/n2k-data"``), ``config``, the settings file, and ``code``, the digest of the
    code that was deployed.
    """
    from n2k_fcgi.servers.live import LiveApplication  # late: the tests' workers serve applications of their own

    listener = inherited()
    application = LiveApplication(flags, buffered_logs=listener is not None)
    try:
        if listener is None:
            from n2k_fcgi.servers import cgi

            cgi.answer(application, max_body=application.max_body)
        else:
            with listener:
                alone = is_for_us_alone(listener)
                serve(application, listener, max_body=lambda: application.max_body, owns_listener=alone)
    finally:
        application.close()


def serve(
    application: WSGIApplication,
    listener: socket.socket,
    *,
    max_body: Callable[[], int] | int,
    owns_listener: bool,
    counters: Counters | None = None,
    pace: Callable[[float], Pace] = Pace,
) -> None:
    """Answer requests until a stop signal, then what is in flight or waits to be accepted. For the main thread.

    Ends likewise when the script that started this process, or the code, is gone.

    *max_body* in bytes, asked for every request. With *owns_listener* nobody else accepts from it: it is closed at the end,
    and a socket file removed. *pace*: how slowly answers may be read.

    Raises CannotListen when FCGI_WEB_SERVER_ADDRS cannot be read.
    """
    body_limit = max_body if callable(max_body) else lambda: max_body
    with owned(listener) if owns_listener else contextlib.nullcontext(), StopRequest() as stop:
        server = Server(
            application,
            listener,
            max_body=body_limit,
            owns_listener=owns_listener,
            stop=stop,
            counters=counters or Counters(),
            pace=pace,
            presence=Presence.of_this_process(),
        )
        server.run()
