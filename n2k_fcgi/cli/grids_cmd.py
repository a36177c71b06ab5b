"""``n2k grids``: which there are and where each comes from; removing one that registrations brought."""

import json
from collections import Counter

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.suggestions import Group
from n2k_fcgi.errors import GridNotRemovable, counted
from n2k_fcgi.wiring import directory


@click.group("grids", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the grids, remove one that registrations brought.

    Example: n2k grids
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, as_json=False)


@command.command("list")
@options.as_json
@pass_context
def show(context: Context, as_json: bool) -> None:
    """List the grids: of the settings, of the live generation, brought by registrations; and the captures of each.

    Example: n2k grids list --json
    """
    captures = context.store.captures
    seen = Counter(stored.capture.grid for stored in captures.all_stored())
    origins = {
        "settings": context.grids.labels,
        "dumps": _imported(context),
        "registrations": captures.created_grids(),
    }
    for grid in sorted({*seen, *(grid for grids in origins.values() for grid in grids)}):
        whence = [origin for origin, grids in origins.items() if grid in grids]
        if as_json:
            click.echo(json.dumps({"grid": grid, "from": whence, "captures": seen[grid]}))
        else:
            click.echo(f"{grid}\t{', '.join(whence)}\t{counted(seen[grid], 'capture')}")


@command.command("remove")
@click.argument("grid", type=options.Words())
@pass_context
def remove(context: Context, grid: str) -> None:
    """Remove the grid GRID, which registrations brought, and all that was captured on it.

    A grid of the settings stays, and so does one that a dump has (exit code 24).

    Example: n2k grids remove opnesim
    """
    label = context.grids.parse(grid)
    with context.store.generations.locked():
        if label in context.grids.labels:
            raise GridNotRemovable(grid=label, why="the setting 'grids' names it")
        if label in _imported(context):
            raise GridNotRemovable(grid=label, why="the live generation has rows of it")
        if label not in context.store.captures.created_grids():
            raise GridNotRemovable(grid=label, why="no registration brought it: see 'n2k grids'")
        gone = context.store.captures.drop_grid(label)
    context.talk(f"removed: {label}, {counted(gone, 'capture')}")


def _imported(context: Context) -> frozenset[str]:
    generation = directory(context.store, context.settings).view().generation
    return generation.grids if generation else frozenset()
