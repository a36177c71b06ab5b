"""``n2k lsl``: a script to paste into a prim, with everything filled in."""

from urllib.parse import urlsplit

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.config import FILE_NAME
from n2k_fcgi.errors import AddressNeeded
from n2k_fcgi.model.grids import parse_grid
from n2k_fcgi.service.scripts import SCRIPTS, Script, filled_in, token_grid
from n2k_fcgi.service.tokens import create_token

ONLY_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


@click.command("lsl")
@click.argument("name", type=click.Choice(list(SCRIPTS)), metavar="NAME", required=False)
@click.option("--list", "listed", is_flag=True, help="Say what each script is for.")
@click.option("--url", metavar="URL", help="Where the world reaches the service (else the setting 'url').")
@click.option("--grid", metavar="G", help="The grid the script is for (else the setting 'default_grid').")
@pass_context
def command(context: Context, name: str | None, listed: bool, url: str | None, grid: str | None) -> None:
    """Print the script NAME, ready to paste into a prim, with a new token of the least scope filled in.

    Who may read the script can read the token: keep it from the next owner, or revoke it ('n2k token revoke').

    Example: n2k lsl --url https://example.com/dispatch.fcgi touch
    """
    if listed == (name is not None):
        raise click.UsageError("give the name of one script, or --list")
    if name is None:
        for script in SCRIPTS.values():
            click.echo(f"{script.name}\t{script.purpose}")
        return
    if url is not None:
        context.flags["url"] = url
    _print(context, SCRIPTS[name], grid)


def _print(context: Context, script: Script, grid: str | None) -> None:
    settings = context.settings
    if not settings.url:
        raise AddressNeeded(file=context.loaded.file or FILE_NAME)
    world = parse_grid(grid, settings.labels) if grid else settings.default_grid
    token = _token(context, script, world) if script.scope else ""
    if urlsplit(settings.url).hostname in ONLY_HERE:
        context.talk(f"warning: {settings.url} is this machine's own address: no grid elsewhere reaches it")
    if grid is None and script.scope != "forget":
        context.talk(f"for the grid {world}; for another say --grid")
    click.echo(filled_in(script, url=settings.url, token=token, grid=world), nl=False)


def _token(context: Context, script: Script, world: str) -> str:
    assert script.scope is not None
    context.make_directory()
    new = create_token(context.store.tokens, (script.scope,), token_grid(world), note=f"n2k lsl {script.name}")
    context.talk(f"token {new.token.id} ({script.scope}) is for this script only; 'n2k token revoke {new.token.id}' ends it")
    return new.text
