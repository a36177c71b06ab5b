"""``n2k kv get``, ``put``, ``delete``, ``incr``: one value."""

import sys

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.kv import arguments
from n2k_fcgi.cli.standard_streams import json_line, piped_bytes, printable_json, write_bytes
from n2k_fcgi.cli.suggestions import OneOf
from n2k_fcgi.errors import NoSuchEntry, ValueTooLarge
from n2k_fcgi.model.keyvalue.entry import ValueType, parse_entry_key, type_of
from n2k_fcgi.model.keyvalue.operations import LEAST, MOST, Delete, Increment, Put
from n2k_fcgi.service.keyvalue.entry_json import entry_json
from n2k_fcgi.service.keyvalue.space import MOST_FLAGS
from n2k_fcgi.store.keyvalue import Applied

TYPES = {"text": ValueType.TEXT, "json": ValueType.JSON, "bytes": ValueType.BYTES}


@click.command("get")
@arguments.of_namespace
@arguments.of_key
@options.as_json
@pass_context
def get(context: Context, *, namespace: str, key: str, as_json: bool) -> None:
    """Print the value of KEY in the namespace NS, byte for byte, without a line feed of its own.

    With --json it is one object: key, version, ttl_ms, flags, type, id if it has one, and the value as text, json or
    base64. Exit code 103 if there is no such key.

    Example: n2k kv get shop door/colour
    """
    space = arguments.space(context, namespace)
    entry = space.get(key)
    if entry is None:
        raise NoSuchEntry
    if as_json:
        click.echo(printable_json(entry_json(entry, space.now).decode()))
    else:
        write_bytes(entry.value)


@click.command("put")
@arguments.of_namespace
@arguments.of_key
@click.option("--value", type=options.Words(), metavar="TEXT", help="The value, instead of standard input; others can see it.")
@click.option("--type", "type_", type=OneOf(list(TYPES)), help="What it is. Default: text if it is UTF-8, otherwise bytes.")
@arguments.ttl
@click.option("--flags", type=click.IntRange(0, MOST_FLAGS), default=0, help="A number for programs, stored with it.")
@click.option("--if-absent", "absent", is_flag=True, help="Only if there is no such key.")
@click.option("--if-exists", "existing", is_flag=True, help="Only if there is such a key.")
@arguments.if_version
@click.option("--if-value", metavar="TEXT", type=options.Words(), help="Only if this is the present value.")
@options.as_json
@pass_context
def put(
    context: Context,
    *,
    namespace: str,
    key: str,
    value: str | None,
    type_: str | None,
    ttl: int | None,
    flags: int,
    absent: bool,
    existing: bool,
    if_version: int | None,
    if_value: str | None,
    as_json: bool,
) -> None:
    """Store standard input, byte for byte, as the value of KEY in the namespace NS. Print its version.

    Whatever was there is replaced, with its time to live and its flags. If a condition does not hold nothing is written,
    and the exit code is 104.

    Example: printf %s red | n2k kv put shop door/colour
    """
    if absent and (existing or if_version or if_value is not None):
        raise click.UsageError("--if-absent and another condition exclude each other")
    space = arguments.space(context, namespace)
    content = _piped(context, context.settings.kv_max_value) if value is None else arguments.as_bytes(value)
    wanted = TYPES[type_] if type_ else type_of(content, ValueType.TEXT)
    exists = False if absent else existing or None
    condition = arguments.condition(exists=exists, version=if_version, value=if_value)
    _report(space.apply(Put(parse_entry_key(key), content, wanted, ttl, flags, condition)), as_json=as_json)


@click.command("delete")
@arguments.of_namespace
@arguments.of_key
@arguments.if_version
@options.as_json
@pass_context
def delete(context: Context, *, namespace: str, key: str, if_version: int | None, as_json: bool) -> None:
    """Remove KEY and its value from the namespace NS. Print the version of this change.

    Exit code 103 if there is no such key, 104 if it has another version.

    Example: n2k kv delete shop door/colour
    """
    space = arguments.space(context, namespace)
    _report(space.apply(Delete(parse_entry_key(key), arguments.condition(version=if_version))), as_json=as_json)


@click.command("incr")
@arguments.of_namespace
@arguments.of_key
@click.option("--by", type=click.IntRange(LEAST, MOST), default=1, show_default=True, metavar="N", help="What to add.")
@click.option("--initial", type=click.IntRange(LEAST, MOST), metavar="N", help="The number that a missing key becomes.")
@arguments.ttl
@options.as_json
@pass_context
def incr(
    context: Context, *, namespace: str, key: str, by: int, initial: int | None, ttl: int | None, as_json: bool
) -> None:  # fmt: skip
    """Add to the number KEY in the namespace NS, which has 64 bits with sign. Print the new one.

    A present number keeps its time to live. Exit code 103 if there is no such key and no --initial.

    Example: n2k kv incr shop visitors --initial 1
    """
    if ttl is not None and initial is None:
        raise click.UsageError("--ttl is for a new number: add --initial")
    space = arguments.space(context, namespace)
    done = space.apply(Increment(parse_entry_key(key), by, initial, ttl))
    entry = done.results[0].entry
    assert entry is not None  # an increment removes nothing
    _report(done, as_json=as_json, number=entry.text)


def _piped(context: Context, limit: int) -> bytes:
    """Standard input. Raises ValueTooLarge above *limit* bytes: it may have no end."""
    if sys.stdin.isatty():
        context.talk("type the value; Ctrl-D ends it")
    with piped_bytes() as piped:
        content = piped.read(limit + 1)
    if len(content) > limit:
        raise ValueTooLarge(size=f"more than {limit}", limit=limit)
    return content


def _report(done: Applied, *, as_json: bool, number: str | None = None) -> None:
    """Print what a write did: the version, or the *number*."""
    (result,) = done.results
    if not as_json:
        click.echo(number or result.version)
        return
    free = {"free_bytes": done.space.free, "free_keys": done.space.free_keys}
    more = {} if number is None else {"number": number}
    click.echo(json_line({**more, "version": str(result.version), "created": result.created, **free}))
