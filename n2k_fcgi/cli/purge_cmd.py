"""``n2k purge``: remove the forgotten from every file."""

import click

from n2k_fcgi import logs
from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import StillNamed, counted, shown
from n2k_fcgi.store.stocktaking import is_of_log
from n2k_fcgi.wiring import inspection, log_path, purge


@click.command("purge")
@click.option("--check", is_flag=True, help="Change nothing; list where forgotten avatars are still stored.")
@options.nice
@pass_context
def command(context: Context, check: bool, nice: int) -> None:
    """Remove the bytes of all forgotten avatars from every file in the data directory.

    Generations that have any are rewritten, and so are the captures. A new, empty log is started. Rotated logs, lines
    typed into 'n2k shell', pending keys, conflicts and leftovers of killed imports, updates and exports are removed.
    Names and keys are also cut out of sources of captures, notes of tokens and names of dumps. Servers keep answering.
    During an import or update it stops with exit code 65.

    Files that do not belong to n2k are listed: inspect them. Clean dumps, backups and logs elsewhere yourself. After a
    purge, 'n2k forget --undo' restores nothing.

    --check reads every file, including settings and files that do not belong to n2k. It prints file, kind and place of
    each key and each name, but never the name itself. Exit code 51 when there are any. A one-word name may mean
    something else in a text: check it. 10 million rows take a minute or two.

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
    logs.start_new(log)
    gone = f"{counted(done.names, 'name')} in {counted(done.generations, 'generation')}, {counted(done.captures, 'capture')}"
    outdated = " (those of keep_days among them)" if settings.keep_days else ""
    click.echo(f"purged: {gone}{outdated}; a new, empty log is started")
    strangers = [path for path in done.strangers if not is_of_log(path, log)]
    if strangers:
        names = ", ".join(shown(str(path.relative_to(settings.folder))) for path in strangers)
        context.talk(f"  kept, not n2k's own; check whether they name a forgotten avatar: {names}")


def _check(context: Context) -> None:
    looking = inspection(context.store, context.settings)
    count = 0
    for remains in looking.remains():
        count += remains.times
        click.echo(remains)
    if looking.packed:
        context.talk(f"  packed, not searched: {', '.join(map(shown, looking.packed))}")
    if count:
        raise StillNamed(count=count)
    context.talk("no forgotten avatar is stored in any file")
