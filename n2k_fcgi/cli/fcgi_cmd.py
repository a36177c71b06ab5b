"""``n2k fcgi``: FastCGI on a socket, for nginx, lighttpd and mod_proxy_fcgi."""

import socket
from pathlib import Path

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.model.choices import Front


@click.command("fcgi")
@click.option("--socket", "path", metavar="PATH", help="Listen on this unix socket.")
@click.option("--listen", metavar="HOST:PORT", help="Listen on this address; port 0 is any free one.")
@click.option("--socket-mode", metavar="OCTAL", default="660", show_default=True, help="Mode of the socket: who may connect.")
@pass_context
def command(context: Context, path: str | None, listen: str | None, socket_mode: str) -> None:
    """Serve FastCGI until stopped by SIGTERM: one process without threads, thousands of lookups per second.

    Example: n2k fcgi --socket ~/n2k-data/fcgi.sock
    """
    from n2k_fcgi.servers.fastcgi.serving import serve  # late: other commands need no server
    from n2k_fcgi.servers.live import LiveApplication

    _ = context.settings  # report an error in the settings file now, not with the first request
    listener = _listener(path, listen, socket_mode)
    context.talk(f"FastCGI on {_address_of(listener)}")
    context.close()
    application = LiveApplication(context.server_flags(), front=Front.FASTCGI, buffered_logs=True)
    try:
        serve(application, listener, owns_listener=True, direct=application)
    finally:
        application.close()


def _listener(path: str | None, listen: str | None, socket_mode: str) -> socket.socket:
    from n2k_fcgi.servers.listeners import bind_tcp, bind_unix  # late: as above

    if (path is None) == (listen is None):
        raise click.UsageError("give --socket PATH or --listen HOST:PORT")
    if path is not None:
        try:
            mode = int(socket_mode, 8)
        except ValueError:
            raise click.BadParameter(f"{socket_mode!r} is not an octal mode such as 660", param_hint="--socket-mode") from None
        return bind_unix(Path(path), mode & 0o777)
    host, _, port = (listen or "").rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    return bind_tcp(host.strip("[]") or "127.0.0.1", int(port))


def _address_of(listener: socket.socket) -> str:
    name = listener.getsockname()
    return name if isinstance(name, str) else f"{name[0]}:{name[1]}"
