"""``n2k kv namespaces``, ``open``, ``close``, ``compact``, ``drop``: what the owner does with whole namespaces."""

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.kv import arguments
from n2k_fcgi.cli.standard_streams import json_line
from n2k_fcgi.errors import counted
from n2k_fcgi.wiring import namespaces

HEADINGS = ("namespace", "bytes", "quota", "keys", "most keys", "open")


@click.command("namespaces")
@options.as_json
@pass_context
def show(context: Context, as_json: bool) -> None:
    """List the namespaces: name, bytes of keys and values, quota, keys, most keys, and whether anyone may read it.

    'n2k token create --scope keyvalue --namespace NS' makes one, and sets its quota. Headings are printed on standard error.

    Example: n2k kv namespaces
    """
    arguments.check_data(context)
    found = [summary._asdict() for summary in namespaces(context.store).listed()]
    if as_json:
        for fields in found:
            click.echo(json_line(fields))
        return
    context.talk("\t".join(HEADINGS))
    for fields in found:
        click.echo("\t".join(map(as_word, fields.values())))


@click.command("open")
@arguments.of_namespace
@pass_context
def open_(context: Context, namespace: str) -> None:
    """Let anyone read the namespace NS without a token, such as web pages. Writing needs a token as before.

    Example: n2k kv open shop
    """
    _set_open(context, namespace, True)


@click.command("close")
@arguments.of_namespace
@pass_context
def close(context: Context, namespace: str) -> None:
    """Require a token again for reading the namespace NS, from the next request on.

    Example: n2k kv close shop
    """
    _set_open(context, namespace, False)


@click.command("compact")
@arguments.of_namespace
@click.option("--empty-log", is_flag=True, help="Also remove the log of changes, which has the keys of deleted entries.")
@pass_context
def compact(context: Context, namespace: str, empty_log: bool) -> None:
    """Make the file of the namespace NS as small as what is in it, while it is served.

    LMDB uses the space of removed entries again, but never gives it back to the disk. It needs space for a copy meanwhile.

    Deleted values are gone from the file then. Their keys are still in the log of changes; with --empty-log they are not, and
    programs that follow the changes, and have not seen all of them, list the keys again.

    Example: n2k kv compact shop
    """
    arguments.check_data(context)
    before, after = namespaces(context.store).compact(namespace, keep_log=not empty_log)
    context.talk(f"{namespace}: {before} bytes before, {after} now")


@click.command("drop")
@arguments.of_namespace
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def drop(context: Context, namespace: str, yes: bool) -> None:
    """Remove the namespace NS with all its keys and values, for good.

    Its tokens are kept: revoke them with 'n2k token revoke'. If it is made again, versions, ids and sequences continue,
    and it has the same quota.

    Example: n2k kv drop shop
    """
    arguments.check_data(context)
    job = namespaces(context.store)
    hidden = sum(arguments.space(context, namespace).later_writes().values())
    keys = counted(job.summary(namespace).keys, "key") + (f" and {hidden} hidden by a dataset" if hidden else "")
    if not yes:
        arguments.confirm_removal(f"{namespace} with {keys}", kind="the namespace ")
    job.drop(namespace)
    context.talk(f"dropped: {namespace}, {keys}")


def as_word(value: object) -> str:
    """A field for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _set_open(context: Context, name: str, is_open: bool) -> None:
    arguments.check_data(context)
    is_new = namespaces(context.store).set_open(name, is_open)
    state = "open: anyone may read it without a token" if is_open else "closed: reading it needs a token"
    context.talk(f"{name} is {state}" if is_new else f"{name} was {state.partition(':')[0]} already")
