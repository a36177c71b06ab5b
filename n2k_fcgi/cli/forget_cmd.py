"""``n2k forget``: hide an avatar that asked to be forgotten."""

import shlex

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import NotFound
from n2k_fcgi.model.keys import is_key_shaped, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.directory.forget import Undone
from n2k_fcgi.wiring import forgetting


@click.command("forget")
@click.argument("who", type=options.Words(), metavar="NAME|KEY")
@options.grid
@click.option("--undo", is_flag=True, help="Show the avatar again.")
@pass_context
def command(context: Context, who: str, grid: str | None, undo: bool) -> None:
    """Hide an avatar from every answer, in both directions, also after later imports.

    By key: on every grid, under every name that it has or had. By name: the avatar that has the name on the grid now or
    later. If only other grids know the name, --grid must say which one is meant (exit code 17). Only keyed digests are
    stored; the rows are kept in the files, hidden, until 'n2k purge'. Until then --undo restores everything; afterwards
    the next import of a dump that has them does. Exit code 19 when there is nothing to undo.

    Example: n2k forget a27b84f0-2757-4176-9579-43a181d4a5a0
    """
    settings = context.settings
    context.make_directory()
    job = forgetting(context.store, settings)
    if is_key_shaped(who.strip()):
        key, called = parse_key(who), "with that key"
        if undo:
            context.talk(_UNDONE[job.undo_key(key)])
            return
        leaving = job.with_key(key)
    else:
        parsed = parse_name(who, context.grids)
        world = context.grids.one(parsed.on(context.grids.wanted(grid or None)))
        if undo:
            context.talk(_UNDONE[job.undo_name(parsed.canonical, world)])
            return
        leaving, called = job.called(parsed.canonical, world), f"of that name on {world}"
        if not (leaving.grids or grid or parsed.home):
            _refuse_elsewhere(who, world, job.grids_of(parsed.canonical))
    job.forget(leaving)
    if leaving.grids:
        context.talk("hidden from now on; 'n2k purge' removes it from the files")
    else:
        context.talk(f"no avatar {called} is known: one that appears later will be hidden (mistyped? --undo reverts it)")


def _refuse_elsewhere(who: str, grid: str, known_on: list[str]) -> None:
    """Raise NotFound if the name is unknown on *grid*, but known on others: that avatar would remain visible."""
    if known_on:
        options_of = " or ".join(f"--grid {shlex.quote(other)}" for other in known_on)
        where = f"{who!r} is not known on {grid}, but on {', '.join(known_on)}"
        raise NotFound(what=f"{where}: add {options_of}, or give the key; no avatar was hidden")


_UNDONE = {
    Undone.SHOWN: "shown again",
    Undone.PURGED: (
        "no longer hidden, but 'n2k purge' removed its rows from the files: the next import of a dump that has them restores "
        "them (also the same dump), or a registration"
    ),
    Undone.UNKNOWN: "no longer hidden; no such avatar is known yet",
}
