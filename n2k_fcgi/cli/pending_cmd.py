"""``n2k pending``: list pending keys, or conflicts."""

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_look_at
from n2k_fcgi.cli.standard_streams import json_line
from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.dates import iso
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.wiring import overview, pending_keys


@click.command("pending")
@click.option("--conflicts", is_flag=True, help="List the latest conflicts instead: names offered for another key.")
@options.grid
@options.as_json
@pass_context
def command(context: Context, conflicts: bool, grid: str | None, as_json: bool) -> None:
    """List pending keys: callers looked them up, and no name is known. Key and grid, the oldest first.

    lsl/resolver.lsl resolves them in-world and registers their names; 'n2k register' does so by hand. With --conflicts:
    name, grid, the key that keeps the name, the refused key, count, last time, and origin (a capture or a dump),
    separated by tabs.

    Example: n2k pending --conflicts
    """
    settings = context.settings
    world = to_look_at(context, grid)
    if conflicts:
        for conflict in overview(context.store).conflicts():
            if world in (None, conflict.grid):
                click.echo(_json(conflict) if as_json else _line(conflict))
        return
    for asked in pending_keys(context.store, settings).waiting(world):
        key = format_key(asked.key)
        click.echo(json_line({"key": key, "grid": asked.grid}) if as_json else f"{key}\t{asked.grid}")


def _line(c: Conflict) -> str:
    fields = (
        c.name,
        c.grid,
        format_key(c.holder),
        format_key(c.key),
        str(c.times_seen),
        iso(c.last_seen),
        c.provenance,
    )
    return "\t".join(fields)


def _json(conflict: Conflict) -> str:
    fields = {
        "name": conflict.name,
        "grid": conflict.grid,
        "holder": format_key(conflict.holder),
        "key": format_key(conflict.key),
        "first_seen": conflict.first_seen,
        "last_seen": conflict.last_seen,
        "times_seen": conflict.times_seen,
        "origin": conflict.provenance,
    }
    return json_line(fields)
