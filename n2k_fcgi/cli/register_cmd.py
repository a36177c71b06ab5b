"""``n2k register``: register a name and key by hand."""

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_store
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.wiring import registrar


@click.command("register")
@click.argument("name", type=options.Words())
@click.argument("key")
@options.grid
@pass_context
def command(context: Context, name: str, key: str, grid: str | None) -> None:
    """Register the avatar NAME with KEY; servers return it at once.

    Exit code 16 when the name belongs to another key.

    Example: n2k register 'Masakazu Kojima' a27b84f0-2757-4176-9579-43a181d4a5a0
    """
    settings = context.settings
    context.make_directory()
    wanted = Wanted(to_store(context, grid))
    job = registrar(context.store, settings)
    capture = job.register(job.offer(name, key, wanted), Source(region="n2k register")).capture
    click.echo(f"{capture.name}\t{format_key(capture.key)}\t{capture.grid}")
