"""``n2k token``: make, list and revoke tokens."""

from collections.abc import Collection

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_store
from n2k_fcgi.cli.suggestions import Group, OneOf
from n2k_fcgi.config.values import size
from n2k_fcgi.errors import counted
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.dates import iso
from n2k_fcgi.model.keyvalue.entry import parse_namespace
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.service.access.tokens import create_token, revoke_token
from n2k_fcgi.service.keyvalue.namespaces import DEFAULTS, MOST_KEYS, MOST_QUOTA
from n2k_fcgi.wiring import mentions, namespaces

SCOPES = [str(scope) for scope in Scope]
HEADINGS = ("id", "scopes", "grid", "made", "state", "writes per minute", "note")


@click.group("token", cls=Group)
def command() -> None:
    """Make, list and revoke tokens, which allow to write, or to read what is not public.

    Example: n2k token create --scope register
    """


@command.command("create")
@click.option("--scope", "scopes", type=OneOf(SCOPES), multiple=True, required=True, help="What it allows.")
@click.option("--grid", type=options.Words(), metavar="G", help="Allow registrations on this grid only.")
@click.option("--rate", type=click.IntRange(1), help="Writes per minute, instead of the setting token_limit.")
@click.option("--note", type=options.Note(), default="", help="Its purpose, for 'list'.")
@click.option("--namespace", metavar="NS", help="The namespace that the scope keyvalue permits; it is made if it is missing.")
@click.option("--read-only", is_flag=True, help="Permit only to read the namespace.")
@click.option(
    "--quota",
    type=options.Size(size(1024, MOST_QUOTA)),
    help=f"Bytes that the namespace may hold (a new one: {DEFAULTS.quota >> 20}M).",
)
@click.option(
    "--keys", type=click.IntRange(1, MOST_KEYS), help=f"Keys that the namespace may hold (a new one: {DEFAULTS.most_keys})."
)
@pass_context
def create(
    context: Context,
    *,
    scopes: tuple[str, ...],
    grid: str | None,
    rate: int | None,
    note: str,
    namespace: str | None,
    read_only: bool,
    quota: int | None,
    keys: int | None,
) -> None:
    """Make a token. Its secret, the last word printed, is shown only once.

    The scope keyvalue is of one namespace of the key-value service: --scope keyvalue --namespace shop --quota 20M. --quota
    and --keys are for the whole namespace: all its tokens share them, and the last ones given count.

    Example: n2k token create --scope register --grid Production
    """
    wanted = tuple(map(Scope, dict.fromkeys(scopes)))
    of_namespace = {"--read-only": read_only, "--quota": quota, "--keys": keys}
    _check_scopes(wanted, grid, namespace, [option for option, value in of_namespace.items() if value])
    context.make_directory()
    world = to_store(context, grid) if grid else None
    if namespace is not None:
        terms = namespaces(context.store).make(namespace, quota=quota, most_keys=keys)
        context.talk(f"namespace {namespace}: {terms.quota} bytes and {counted(terms.most_keys, 'key')} at most")
    new = create_token(
        context.store.tokens, wanted, world, rate=rate, note=note, namespace=namespace, read_only=read_only
    )  # fmt: skip
    click.echo(f"{new.token.id} {_scopes(new.token)} {world or '-'} {new.text}")


def _check_scopes(scopes: Collection[Scope], grid: str | None, namespace: str | None, others: list[str]) -> None:
    """Raise UsageError if options are missing or superfluous, BadNamespace. *others*: further ones of the namespace."""
    if Scope.KEYVALUE not in scopes:
        if given := ["--namespace"] * (namespace is not None) + others:
            raise click.UsageError(f"{', '.join(given)}: only with --scope keyvalue")
        return
    if Scope.ADMIN in scopes:
        raise click.UsageError("the scope admin includes every namespace: omit keyvalue, or make two tokens")
    if namespace is None:
        raise click.UsageError("the scope keyvalue is of one namespace: add --namespace NS, such as --namespace shop")
    if grid is not None and len(scopes) == 1:
        raise click.UsageError("a namespace has no grid: omit --grid")
    parse_namespace(namespace)


def _scopes(token: Token) -> str:
    """The scopes in one word; keyvalue is followed by the namespace."""
    namespace = f":{token.namespace}" if token.namespace else ""
    limit = ":read-only" if token.read_only else ""
    return ",".join(f"{scope}{namespace}{limit}" if scope == Scope.KEYVALUE else scope for scope in token.scopes)


@command.command("list")
@pass_context
def show(context: Context) -> None:
    """List tokens, oldest first: id, scopes, grid, made, state, writes per minute, note. Secrets are not stored.

    The scope keyvalue is followed by its namespace, and by 'read-only' if the token permits no writes: keyvalue:shop,
    keyvalue:shop:read-only. The note of a token of 'n2k lsl' begins with the name of its script. Headings are printed on
    standard error.

    Example: n2k token list
    """
    without = mentions(context.store, context.settings).without
    tokens = context.store.tokens.tokens()
    context.talk("\t".join(HEADINGS))
    for token in tokens:
        fields = (
            token.id,
            _scopes(token),
            token.grid or "-",
            iso(token.created),
            "revoked" if token.revoked else "active",
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
