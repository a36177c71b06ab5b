"""``n2k purge``: the bytes of the forgotten, out of every file."""

import click

from n2k_fcgi import logs
from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import counted, shown
from n2k_fcgi.wiring import importer, log_path, purge


@click.command("purge")
@options.nice
@pass_context
def command(context: Context, nice: int) -> None:
    """Take the bytes of all who asked to be forgotten out of every file in the data directory.

    Generations that hold any are written anew and so are the captures; the log begins anew, and set-aside logs, the
    lines typed into 'n2k shell', the list of pending keys and that of conflicts go, and so does what killed imports,
    updates and exports left. Servers go on answering; it waits for no import or update, but leaves (exit code 65).

    Files in there that are not n2k's are named, for you to look at. What lies elsewhere (dumps you keep, backups, the web
    server's own log) is yours to clean. --undo brings nobody back after it.

    Example: n2k purge
    """
    settings = context.settings
    options.be_nice(nice)
    store = context.store
    with importer(store, settings).locked():
        done = purge(store, context.warn).run()
    log = log_path(settings)
    logs.begin_anew(log)
    gone = f"{counted(done.names, 'name')} in {counted(done.generations, 'generation')}, {counted(done.captures, 'capture')}"
    click.echo(f"purged: {gone}; the log begins anew")
    strangers = [path for path in done.strangers if log is None or not str(path).startswith(str(log))]
    if strangers:
        names = ", ".join(shown(str(path.relative_to(settings.data_dir))) for path in strangers)
        context.talk(f"  not n2k's, and left alone, look whether they name anybody: {names}")
