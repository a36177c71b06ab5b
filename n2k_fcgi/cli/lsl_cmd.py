"""``n2k lsl``: print a script to paste into a prim, with everything filled in."""

import sys
import time
from urllib.parse import urlsplit

import click

from n2k_fcgi import __version__
from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_store
from n2k_fcgi.cli.suggestions import OneOf
from n2k_fcgi.config import values
from n2k_fcgi.errors import AddressNeeded, TokenNeeded
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keyvalue.entry import parse_namespace
from n2k_fcgi.service.access.tokens import create_token, refuse_other_grid, token_id, verify_token
from n2k_fcgi.service.scripts.catalogue import SCRIPTS, Script, filled_in, token_grid
from n2k_fcgi.store.datadir import SETTINGS_FILE
from n2k_fcgi.wiring import namespaces

ONLY_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
NO_TOKEN, READ_TOKEN = "none", "-"


@click.command("lsl")
@click.argument("name", type=OneOf(list(SCRIPTS)), metavar="NAME", required=False)
@click.option("--list", "listed", is_flag=True, help="List the scripts and their purposes.")
@click.option("--url", metavar="URL", help="The public address of the service (default: the setting 'url').")
@click.option("--spare", metavar="URL", type=options.Parsed(values.url), help="The address of a second service.")
@click.option("--grid", type=options.Words(), metavar="G", help="The grid of the script (default: the setting 'default_grid').")
@click.option("--note", type=options.Note(), default="", help="Where the script will be, for 'n2k token list'.")
@click.option("--token", "which", metavar="none|-", help="none: leave the token empty. -: read it from standard input.")
@click.option("--namespace", metavar="NS", help="Where keyvalue keeps its data; the namespace is made if it is missing.")
@pass_context
def command(
    context: Context,
    name: str | None,
    *,
    listed: bool,
    url: str | None,
    spare: str | None,
    grid: str | None,
    note: str,
    which: str | None,
    namespace: str | None,
) -> None:
    """Print the script NAME, ready to paste into a prim.

    A new token of the least scope is filled in, unless --token says otherwise. Everybody who can read the script can read
    the token: keep it from the next owner, or revoke it ('n2k token revoke'). keyvalue needs --namespace, such as
    --namespace shop; visitors needs neither address nor token. The script is always UTF-8. --spare writes SPARE; its token
    comes from that service, and is pasted into SPARE_TOKEN by hand.

    Example: n2k lsl --url https://example.com/n2k/ --note 'by the front door' touch
    """
    if listed == (name is not None):
        raise click.UsageError("give the name of one script, or --list")
    if which not in (None, NO_TOKEN, READ_TOKEN):
        raise click.UsageError("--token is 'none' or '-': others can see a secret on the command line")
    _check_namespace(name, which, namespace)
    if name is None:
        for script in SCRIPTS.values():
            click.echo(f"{script.name}\t{script.purpose}")
        return
    if url is not None:
        context.flags["url"] = url
    if spare and not SCRIPTS[name].has("SPARE"):
        raise click.UsageError(f"{name} asks no service: omit --spare")
    _print(context, SCRIPTS[name], grid, note=note, which=which, namespace=namespace, spare=spare or "")


def _check_namespace(name: str | None, which: str | None, namespace: str | None) -> None:
    """Raise UsageError if --namespace is missing or superfluous, BadNamespace."""
    is_needed = name is not None and SCRIPTS[name].scope is Scope.KEYVALUE and which is None
    if is_needed and namespace is None:
        raise click.UsageError(f"{name} keeps its data in a namespace: add --namespace NS, such as --namespace shop")
    if not is_needed and namespace is not None:
        raise click.UsageError("--namespace: only for a new token of keyvalue")
    if namespace is not None:
        parse_namespace(namespace)


def _print(
    context: Context, script: Script, grid: str | None, *, note: str, which: str | None, namespace: str | None, spare: str
) -> None:
    settings = context.settings
    if not script.has("URL"):
        _check_no_token(script, which)
        click.echo((_header("", note) + script.text).encode(), nl=False)
        return
    if not settings.url:
        raise AddressNeeded(file=context.loaded.file or SETTINGS_FILE)
    world = to_store(context, grid)
    token = _token(context, script, world, note=note, which=which, namespace=namespace)
    if urlsplit(settings.url).hostname in ONLY_HERE:
        context.talk(f"warning: {settings.url} is this machine's own address: no other host reaches it")
    has_grid = script.scope is not Scope.KEYVALUE
    if grid is None and has_grid:
        others = ", ".join(label for label in settings.labels if label != world)
        context.talk(f"for the grid {world}; for another one use --grid" + (f" (the settings have {others})" if others else ""))
    if spare and script.has("SPARE_TOKEN"):
        context.talk(f"its SPARE_TOKEN is empty: paste one of {spare} with the scope {script.scope}")
    text = filled_in(script, url=settings.url, token=token, spare=spare, grid=world)
    about = [f": for {settings.url.rstrip('/')}/"]
    about += [f"grid {world}"] if has_grid else [f"namespace {namespace}"] if namespace else []
    about += [f"token {token_id(token)}" if token else "no token"]
    click.echo((_header(", ".join(about), note) + text).encode(), nl=False)


def _header(about: str, note: str) -> str:
    """A comment on the origin of the script. It ends with a dot: a backslash there would join lines."""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    noted = f"; {note}" if note else ""
    return f"// By n2k lsl {__version__} on {today}{about}{noted}.\n"


def _check_no_token(script: Script, which: str | None) -> None:
    """Raise UsageError if a script that needs no token shall have one."""
    if which == READ_TOKEN:
        raise click.UsageError(f"{script.name} needs no token: omit --token")


def _token(
    context: Context, script: Script, world: str, *, note: str, which: str | None, namespace: str | None
) -> str:  # fmt: skip
    """The token to fill in; '': none."""
    if script.scope is None:
        _check_no_token(script, which)
        return ""
    if which == NO_TOKEN:
        context.talk(f"its TOKEN is empty: it needs one with the scope {script.scope}")
        return ""
    if which == READ_TOKEN:
        return _given(context, script.scope, world)
    context.make_directory()
    if namespace is not None:
        namespaces(context.store).make(namespace)
    noted = f"n2k lsl {script.name}{': ' if note else ''}{note}"
    bound = None if namespace else token_grid(world)
    new = create_token(context.store.tokens, (script.scope,), bound, note=noted, namespace=namespace)
    context.talk(f"token {new.token.id} ({script.scope}) is for this script only; 'n2k token revoke {new.token.id}' revokes it")
    return new.text


def _given(context: Context, scope: Scope, world: str) -> str:
    """The token on standard input: the last word of a line, as ``n2k token create`` prints it. Raises TokenNotEnough."""
    line = click.prompt("token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    text = (line.split() or [""])[-1]
    if not token_id(text):
        raise click.UsageError("no token on standard input: n2k_..., the last word that 'n2k token create' prints")
    if context.settings.folder.is_dir():
        try:
            refuse_other_grid(verify_token(context.store.tokens, text, scope), world)
        except TokenNeeded:
            context.talk(f"warning: the token {token_id(text)} is revoked, or not of {context.settings.folder}")
    return text
