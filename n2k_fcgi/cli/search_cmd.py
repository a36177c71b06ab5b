"""``n2k search``: list avatars by the beginning of their names."""

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.answers import short_line, why_not
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_look_at
from n2k_fcgi.errors import NotFound
from n2k_fcgi.service.directory.search import MOST_AVATARS, search
from n2k_fcgi.wiring import directory


@click.command("search")
@click.argument("prefix", type=options.Words())
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="About how many avatars to print.")
@click.option("--reverse", is_flag=True, help="In reverse order, from the last such name.")
@options.grid
@options.as_json
@pass_context
def command(context: Context, prefix: str, *, limit: int, reverse: bool, grid: str | None, as_json: bool) -> None:
    """Print the avatars whose names begin with PREFIX, in order: name, key and grid, separated by tabs.

    PREFIX may have any spelling: 'Gov', 'governor.li', 'Governor L'. Avatars that share a name are printed together.
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
            click.echo(short_line(avatar, as_json=as_json))
            left -= 1
        cursor = page.next
        if cursor is None:
            break
    if left == limit:
        raise NotFound(what=f"names that begin with {prefix}{why_not(view)}")
