"""``n2k forget``: the right to leave."""

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.model.grids import parse_grid
from n2k_fcgi.model.keys import is_key_shaped, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.wiring import forgetting


@click.command("forget")
@click.argument("who", metavar="NAME|KEY")
@options.grid
@click.option("--undo", is_flag=True, help="Show the avatar again.")
@pass_context
def command(context: Context, who: str, grid: str | None, undo: bool) -> None:
    """Hide an avatar from every answer, in both directions, from now on and whatever is imported later.

    By key: on every grid, under every name that it has or had. By name: whoever that is on the grid, or will be. Nothing
    but keyed digests is kept of it; the rows themselves stay in the files, unseen, until 'n2k purge'. Until then --undo
    brings everything back. Exit code 19 when there is nothing to undo.

    Example: n2k forget a27b84f0-2757-4176-9579-43a181d4a5a0
    """
    settings = context.settings
    context.make_directory()
    job = forgetting(context.store, settings)
    if is_key_shaped(who.strip()):
        key = parse_key(who)
        (job.undo_key if undo else job.forget_key)(key)
    else:
        parsed = parse_name(who, settings.labels)
        world = parsed.home or (parse_grid(grid, settings.labels) if grid else settings.default_grid)
        (job.undo_name if undo else job.forget_name)(parsed.canonical, world)
    context.talk("shown again" if undo else "hidden from now on; 'n2k purge' takes it out of the files")
