"""``n2k purge``: the bytes of the forgotten, out of every file."""

import click

from n2k_fcgi import logs
from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import StillNamed, counted, shown
from n2k_fcgi.store.datadir import is_of_log
from n2k_fcgi.wiring import inspection, log_path, purge


@click.command("purge")
@click.option("--check", is_flag=True, help="Change nothing: say where somebody who left still stands.")
@options.nice
@pass_context
def command(context: Context, check: bool, nice: int) -> None:
    """Take the bytes of all who asked to be forgotten out of every file in the data directory.

    Generations that hold any are written anew and so are the captures; the log begins anew, and set-aside logs, the
    lines typed into 'n2k shell', the list of pending keys and that of conflicts go, and so does what killed imports,
    updates and exports left. Regions and owners of prims that reported somebody, notes of tokens and names of dumps may
    name them, too: there they are cut out. Servers go on answering; it waits for no import or update, but leaves (exit
    code 65).

    Files in there that are not n2k's are named, for you to look at. What lies elsewhere (dumps you keep, backups, the web
    server's own log) is yours to clean. --undo brings nobody back after it.

    --check reads every file, the settings and what is not n2k's too, and prints file, kind and place of each key and of each
    word or two that are a name of theirs, never the name itself. Exit code 51 when there is any. A one-word name may
    be meant otherwise in a text: look. 10 million rows take a minute or two.

    Example: n2k purge
    """
    settings = context.settings
    options.be_nice(nice)
    store = context.store
    if check:
        _check(context)
        return
    with store.generations.locked():
        done = purge(store, settings, context.warn).run()
    log = log_path(settings)
    logs.begin_anew(log)
    gone = f"{counted(done.names, 'name')} in {counted(done.generations, 'generation')}, {counted(done.captures, 'capture')}"
    click.echo(f"purged: {gone}; the log begins anew")
    strangers = [path for path in done.strangers if not is_of_log(path, log)]
    if strangers:
        names = ", ".join(shown(str(path.relative_to(settings.data_dir))) for path in strangers)
        context.talk(f"  not n2k's, and left alone, look whether they name anybody: {names}")


def _check(context: Context) -> None:
    looking = inspection(context.store, context.settings)
    count = 0
    for remains in looking.remains():
        count += remains.times
        click.echo(remains)
    if looking.packed:
        context.talk(f"  packed, and not looked into: {', '.join(map(shown, looking.packed))}")
    if count:
        raise StillNamed(count=count)
    context.talk("nobody who left stands in any file")
