"""``n2k serve``: standalone HTTP, for trying it out, a small host, or behind a reverse proxy."""

import contextlib
import sys

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.standard_streams import ReaderGone
from n2k_fcgi.errors import StoreFull, StoreUnreadable
from n2k_fcgi.servers.http import clean_prefix, free_port, serve_granian, serve_werkzeug, why_no_granian


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True, help="0: any free one.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--prefix", default="", metavar="/x", help="Serve below this path only.")
@click.option("--access-log", is_flag=True, help="Write a line per request to standard error.")
@pass_context
def command(context: Context, *, host: str, port: int, workers: int, prefix: str, access_log: bool) -> None:
    """Serve HTTP until stopped by Ctrl-C or SIGTERM.

    Uses granian if the 'server' extra is installed, otherwise Werkzeug's server, which is for trying out only.

    Example: n2k serve --port 3000
    """
    flags = context.server_flags()
    _ = context.settings  # report an error in the settings file now, not with the first request
    port = free_port(host, port)
    below = clean_prefix(prefix)
    with contextlib.suppress(ReaderGone, StoreFull, StoreUnreadable):  # a supervisor may have closed standard output
        click.echo(f"http://{f'[{host}]' if ':' in host else host}:{port}{below}/")
        sys.stdout.flush()
    context.close()
    missing = why_no_granian()
    if not missing:
        serve_granian(flags, host=host, port=port, workers=workers, prefix=below, access_log=access_log)
        return
    context.talk(f"warning: {missing}: Werkzeug's server is for trying out only")
    if workers > 1:
        context.talk("warning: Werkzeug's server has one worker; --workers is not used")
    serve_werkzeug(flags, host=host, port=port, prefix=below, access_log=access_log)
