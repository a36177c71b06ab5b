"""``n2k search``: names by their beginning."""

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_look_at
from n2k_fcgi.cli.lookup_cmd import why_not
from n2k_fcgi.cli.standard_streams import json_line
from n2k_fcgi.errors import NotFound
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.service.directory.search import MOST_AVATARS, search
from n2k_fcgi.wiring import directory


@click.command("search")
@click.argument("prefix", type=options.Words())
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Avatars to print, about.")
@click.option("--reverse", is_flag=True, help="Backwards, from the last such name.")
@options.grid
@options.as_json
@pass_context
def command(context: Context, prefix: str, limit: int, reverse: bool, grid: str | None, as_json: bool) -> None:
    """Print the avatars whose names begin with PREFIX, in order: name, key and grid, separated by tabs.

    PREFIX may be written in any way; 'Gov', 'governor.li', 'Governor L'. Those who share a name are printed together.
    Exit code 17 when there is none.

    Example: n2k search --limit 5 'masakazu k'
    """
    settings = context.settings
    world = to_look_at(context, grid)
    view = directory(context.store, settings).view()
    left, cursor = limit, None
    while left > 0:
        with view.snapshot():
            page = search(view, prefix, limit=min(left, MOST_AVATARS), cursor=cursor, reverse=reverse, grid=world)
        for avatar in (avatar for _, avatars in page.names for avatar in avatars):
            click.echo(_json(avatar) if as_json else f"{avatar.name}\t{format_key(avatar.key)}\t{avatar.grid}")
            left -= 1
        cursor = page.next
        if cursor is None:
            break
    if left == limit:
        raise NotFound(what=f"names that begin with {prefix}{why_not(view)}")


def _json(avatar: Avatar) -> str:
    fields = {"name": avatar.name, "key": format_key(avatar.key), "grid": avatar.grid, "origin": avatar.provenance}
    return json_line(fields)
