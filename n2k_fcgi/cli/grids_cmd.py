"""``n2k grids``: list the grids and their origins; remove one that registrations created."""

import json
from collections import Counter

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.suggestions import ListingGroup
from n2k_fcgi.errors import GridNotRemovable, counted
from n2k_fcgi.wiring import directory


@click.group("grids", cls=ListingGroup)
def command() -> None:
    """List the grids, remove one that registrations created.

    Example: n2k grids
    """


@command.command("list")
@options.as_json
@pass_context
def show(context: Context, as_json: bool) -> None:
    """List the grids of the settings, of the live generation and of registrations, with the captures of each.

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
        sources = [origin for origin, grids in origins.items() if grid in grids]
        if as_json:
            click.echo(json.dumps({"grid": grid, "from": sources, "captures": seen[grid]}))
        else:
            click.echo(f"{grid}\t{', '.join(sources)}\t{counted(seen[grid], 'capture')}")


@command.command("remove")
@click.argument("grid", type=options.Words())
@pass_context
def remove(context: Context, grid: str) -> None:
    """Remove the grid GRID, which registrations created, and every capture on it.

    A grid of the settings or of a dump is not removed (exit code 24).

    Example: n2k grids remove opnesim
    """
    label = context.grids.parse(grid)
    with context.store.generations.locked():
        if label in context.grids.labels:
            raise GridNotRemovable(grid=label, why="the setting 'grids' names it")
        if label in _imported(context):
            raise GridNotRemovable(grid=label, why="the live generation has rows of it")
        if label not in context.store.captures.created_grids():
            raise GridNotRemovable(grid=label, why="no registration created it, see 'n2k grids'")
        gone = context.store.captures.drop_grid(label)
    context.talk(f"removed: {label}, {counted(gone, 'capture')}")


def _imported(context: Context) -> frozenset[str]:
    generation = directory(context.store, context.settings).view().generation
    return generation.grids if generation else frozenset()
