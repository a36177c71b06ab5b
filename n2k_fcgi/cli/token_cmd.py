"""``n2k token``: make, list and revoke tokens."""

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_store
from n2k_fcgi.cli.suggestions import Group, OneOf
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.service.access.tokens import create_token, revoke_token
from n2k_fcgi.wiring import mentions

SCOPES = [str(scope) for scope in Scope]
HEADINGS = ("id", "scopes", "grid", "made", "state", "writes per minute", "note")


@click.group("token", cls=Group)
def command() -> None:
    """Make, list and revoke tokens, which allow to write.

    Example: n2k token create --scope register
    """


@command.command("create")
@click.option("--scope", "scopes", type=OneOf(SCOPES), multiple=True, required=True, help="What it allows.")
@click.option("--grid", type=options.Words(), metavar="G", help="Allow registrations on this grid only.")
@click.option("--rate", type=click.IntRange(1), help="Writes per minute, instead of the setting token_limit.")
@click.option("--note", type=options.Note(), default="", help="Its purpose, for 'list'.")
@pass_context
def create(context: Context, *, scopes: tuple[str, ...], grid: str | None, rate: int | None, note: str) -> None:
    """Make a token. Its secret, the last word printed, is shown only once.

    Example: n2k token create --scope register --grid Production
    """
    context.make_directory()
    world = to_store(context, grid) if grid else None
    new = create_token(context.store.tokens, map(Scope, dict.fromkeys(scopes)), world, rate=rate, note=note)
    click.echo(f"{new.token.id} {','.join(new.token.scopes)} {world or '-'} {new.text}")


@command.command("list")
@pass_context
def show(context: Context) -> None:
    """List tokens, oldest first: id, scopes, grid, made, state, writes per minute, note. Secrets are not stored.

    The note of a token of 'n2k lsl' begins with the name of its script. Headings are printed on standard error.

    Example: n2k token list
    """
    context.talk("\t".join(HEADINGS))
    without = mentions(context.store, context.settings).without
    for token in context.store.tokens.tokens():
        state = "revoked" if token.revoked else "active"
        made = options.iso(token.created)
        fields = (
            token.id,
            ",".join(token.scopes),
            token.grid or "-",
            made,
            state,
            str(token.rate or "-"),
            without(token.note) or "-",
        )
        click.echo("\t".join(fields))


@command.command("revoke")
@click.argument("token_id", metavar="ID")
@pass_context
def revoke(context: Context, token_id: str) -> None:
    """Revoke a token, from the next request on.

    Example: n2k token revoke 0123456789ab
    """
    is_new = revoke_token(context.store.tokens, token_id)
    context.talk(f"revoked {token_id}" if is_new else f"{token_id} was revoked already")
