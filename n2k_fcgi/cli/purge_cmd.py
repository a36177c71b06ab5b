"""``n2k purge``: the bytes of the forgotten, out of every file."""

import contextlib

import click

from n2k_fcgi import logs
from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.shell_cmd import TYPED_LINES
from n2k_fcgi.wiring import importer, purge


@click.command("purge")
@options.nice
@pass_context
def command(context: Context, nice: int) -> None:
    """Take the bytes of all who asked to be forgotten out of every file in the data directory.

    Generations that hold any are written anew and so are the captures; the log begins anew, and set-aside logs, the
    lines typed into 'n2k shell', the list of pending keys and that of conflicts go. Servers go on answering. What lies
    elsewhere (dumps you keep, backups, the web server's own log) is yours to clean. --undo brings nobody back after it.

    Example: n2k purge
    """
    settings = context.settings
    options.be_nice(nice)
    store = context.store
    with importer(store, settings).locked():
        done = purge(store).run()
    with contextlib.suppress(FileNotFoundError):
        (settings.data_dir / TYPED_LINES).unlink()
    logs.begin_anew()
    click.echo(f"purged: {done.names} names in {done.generations} generations, {done.captures} captures; the log begins anew")
