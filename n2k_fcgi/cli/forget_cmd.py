"""``n2k forget``: the right to leave."""

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
    """Hide an avatar from every answer, in both directions, from now on and whatever is imported later.

    By key: on every grid, under every name that it has or had. By name: whoever that is on the grid, or will be; when it
    is somebody on other grids only, nothing is done before --grid says which (exit code 17). Nothing but keyed digests is
    kept of it; the rows themselves stay in the files, unseen, until 'n2k purge'. Until then --undo brings everything back;
    after it, the next import of a dump that has them. Exit code 19 when there is nothing to undo.

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
        context.talk("hidden from now on; 'n2k purge' takes it out of the files")
    else:
        context.talk(f"nobody {called} is known: whoever will be is hidden from now on (mistyped? --undo takes it back)")


def _refuse_elsewhere(who: str, grid: str, known_on: list[str]) -> None:
    """Raise NotFound when the name that is nobody's on *grid* is somebody's on others: he would go on being shown."""
    if known_on:
        options_of = " or ".join(f"--grid {shlex.quote(other)}" for other in known_on)
        where = f"{who!r} is nobody on {grid}, but known on {', '.join(known_on)}"
        raise NotFound(what=f"{where}: say {options_of}, or the key; nobody was hidden")


_UNDONE = {
    Undone.SHOWN: "shown again",
    Undone.PURGED: (
        "not hidden any more, but 'n2k purge' took its rows out of the files: the next import of a dump that has them brings "
        "them back (the same dump, too), or a registration"
    ),
    Undone.UNKNOWN: "not hidden any more; nobody is known by that yet",
}
