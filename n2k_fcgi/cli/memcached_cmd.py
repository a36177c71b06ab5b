"""``n2k memcached``: a namespace for clients of memcached, on a machine where processes may stay."""

import contextlib
import ipaddress
import socket
from pathlib import Path

import click

from n2k_fcgi import __version__
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.model.choices import Front

UNIX = "unix:"
LONGEST_PREFIX = 100
"""A key has 250 bytes at most, and a name follows."""


def _prefix(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is None or (0 < len(value) <= LONGEST_PREFIX and value.isascii() and value.isprintable() and " " not in value):
        return value
    raise click.BadParameter(f"a prefix of keys is 1 to {LONGEST_PREFIX} letters, digits and signs, without blanks")


@click.command("memcached")
@click.option("--listen", required=True, metavar="HOST:PORT|unix:PATH", help="Where clients connect; port 0 is any free one.")
@click.option("--namespace", required=True, metavar="NS", help="The namespace that they see.")
@click.option("--read-only", is_flag=True, help="Refuse every write.")
@click.option("--auth", is_flag=True, help="Ask for a token of the namespace, by memcached's text authentication.")
@click.option("--public", is_flag=True, help="Permit an address that other machines can reach.")
@click.option(
    "--directory",
    metavar="PREFIX",
    callback=_prefix,
    help="Answer the keys PREFIXavatar:NAME and PREFIXkey:KEY from the directory.",
)
@click.option("--connections", type=click.IntRange(1), metavar="N", help="At most so many (default: half of 'ulimit -n').")
@click.option("--idle", type=click.FloatRange(1), metavar="SECONDS", help="Close a connection that asks nothing for so long.")
@pass_context
def command(
    context: Context,
    *,
    listen: str,
    namespace: str,
    read_only: bool,
    auth: bool,
    public: bool,
    directory: str | None,
    connections: int | None,
    idle: float | None,
) -> None:
    """Serve a namespace by memcached's text protocol until stopped by SIGTERM: one process without threads.

    What was stored is on the disk, as the setting kv_sync says, and the same values are below /db. See docs/memcached.md.

    Example: n2k memcached --listen 127.0.0.1:11211 --namespace shop
    """
    from n2k_fcgi import wiring  # late: other commands need no server
    from n2k_fcgi.servers.memcached import Names, Options, serve

    settings, store = context.settings, context.store
    space = wiring.namespace(store, settings, namespace, read_only=read_only)
    options = Options(
        namespace,
        __version__,
        read_only=read_only,
        most_connections=connections,
        idle=idle,
        authorise=wiring.namespace_access(store, namespace) if auth else None,
        counted=store.counts.add,
        names=Names(wiring.directory(store, settings), directory.encode(), store.counts) if directory else None,
    )
    listener = _listener(listen, public=public)
    if not _is_local(listener):
        context.warn(f"warning: other machines may reach {_address_of(listener)}" + ("" if auth else ", and need no token"))
    context.talk(f"memcached on {_address_of(listener)}")
    try:
        store.counts.begin(Front.MEMCACHED)
        serve(space, listener, options, keep_house=lambda: wiring.keep_house(store), notes=wiring.Notes(store))
    finally:
        context.close()


def _listener(listen: str, *, public: bool) -> socket.socket:
    from n2k_fcgi.servers.listeners import bind_tcp, bind_unix  # late: as above

    if listen.startswith(UNIX):
        return bind_unix(Path(listen.removeprefix(UNIX)))
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{listen!r} is not HOST:PORT or unix:PATH", param_hint="--listen")
    host = host.strip("[]") or "127.0.0.1"
    if not (public or _is_loopback(host)):
        raise click.UsageError(f"{host} can be reached from other machines, and the protocol has no encryption: say --public")
    return bind_tcp(host, int(port))


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _is_local(listener: socket.socket) -> bool:
    return listener.family == socket.AF_UNIX or _is_loopback(listener.getsockname()[0])


def _address_of(listener: socket.socket) -> str:
    name = listener.getsockname()
    if isinstance(name, str):
        return name
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
