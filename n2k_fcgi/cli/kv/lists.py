"""``n2k kv list``, ``stat``, ``watch``: what there is, and what changes."""

import select
import sys
from itertools import islice

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.kv import arguments
from n2k_fcgi.cli.kv.owner import as_word
from n2k_fcgi.cli.standard_streams import ReaderGone, json_line, printable_json
from n2k_fcgi.errors import NoSuchEntry
from n2k_fcgi.model.keyvalue.entry import Entry, json_bytes
from n2k_fcgi.servers.stopping import StopRequest
from n2k_fcgi.service.keyvalue.entry_json import described, entry_json
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.service.keyvalue.watching import Watch
from n2k_fcgi.store.keyvalue import Change, Kind, Range
from n2k_fcgi.wiring import namespaces


@click.command("list")
@arguments.of_namespace
@arguments.prefix
@click.option("--start", type=options.Words(), default="", metavar="KEY", help="Only from this key on, in the order of bytes.")
@click.option("--end", type=options.Words(), metavar="KEY", help="Only keys before this one.")
@click.option("--reverse", is_flag=True, help="The last key first.")
@click.option("--limit", type=click.IntRange(1), help="Print so many at most.")
@click.option("--values", is_flag=True, help="With values: a JSON object per line, as 'get --json' prints it.")
@options.as_json
@pass_context
def show(
    context: Context,
    *,
    namespace: str,
    prefix: str,
    start: str,
    end: str | None,
    reverse: bool,
    limit: int | None,
    values: bool,
    as_json: bool,
) -> None:
    """Print the keys of the namespace NS, one per line, in the order of their bytes.

    With --json each line is an object: key, version, ttl_ms, flags, type, id if it has one. No write waits for the reader of
    a long list: what is written meanwhile may be in it or not.

    Example: n2k kv list shop --prefix door/
    """
    space = arguments.space(context, namespace)
    limits = Range(arguments.as_bytes(start), None if end is None else arguments.as_bytes(end))
    wanted = Range.of_prefix(arguments.as_bytes(prefix)).within(limits)
    for entry in islice(space.scan(wanted, values=values, reverse=reverse), limit):
        if values:
            click.echo(printable_json(entry_json(entry, space.now).decode()))
        elif as_json:
            click.echo(printable_json(json_bytes(described(entry, space.now)).decode()))
        else:
            click.echo(entry.key.decode())


@click.command("stat")
@arguments.of_namespace
@click.argument("key", type=arguments.Key(), required=False)
@options.as_json
@pass_context
def stat(context: Context, *, namespace: str, key: str | None, as_json: bool) -> None:
    """Print what is known of KEY besides its value; without KEY of the namespace NS: how full it is, and its last version.

    Exit code 103 if there is no such key.

    Example: n2k kv stat shop door/colour
    """
    space = arguments.space(context, namespace)
    fields = _of_namespace(context, namespace, space) if key is None else _of_key(space, key)
    if as_json:
        click.echo(printable_json(json_bytes(fields).decode()))
        return
    for name, value in fields.items():
        click.echo(f"{name.replace('_', ' ')}: {as_word(value)}")


@click.command("watch")
@arguments.of_namespace
@arguments.prefix
@click.option("--since", type=click.IntRange(0), metavar="VERSION", help="Begin after this version. Default: now.")
@click.option("--every", type=arguments.Duration(), default="1s", show_default=True, metavar="TIME", help="How often to look.")
@click.option("--once", is_flag=True, help="Look once, and end.")
@options.as_json
@pass_context
def watch(
    context: Context, *, namespace: str, prefix: str, since: int | None, every: int, once: bool, as_json: bool
) -> None:  # fmt: skip
    """Print each change in the namespace NS when it happens, until stopped: version, kind and key, separated by tabs.

    The kind is put, delete or expire; the latter comes when the entry is swept, some time after it expired. Continue later
    with --since and the last version printed. Ctrl-C ends it with exit code 0.

    If the log no longer has all changes since the last look (setting kv_log), a line with the kind flush and no key says so,
    and a put follows for each key that there is: with 0 as version, except in the last line.

    Example: n2k kv watch shop --prefix door/
    """
    watching = Watch(arguments.space(context, namespace), since=since, prefix=arguments.as_bytes(prefix))
    with StopRequest() as stop:
        while not stop.asked:
            for change in watching.poll():
                if change.kind is Kind.FLUSH:
                    context.talk("anything may have changed: the keys that there are now follow")
                click.echo(_as_line(change, as_json=as_json))
                if stop.asked:
                    return
            if once or _is_over(stop, every):
                return


def _is_over(stop: StopRequest, wait: int) -> bool:
    """Wait for *wait* milliseconds; True as soon as a signal says to stop. Raises ReaderGone once the output has no reader."""
    waiting = select.poll()
    waiting.register(stop.fd, select.POLLIN)
    output = sys.stdout.fileno()
    waiting.register(output, 0)  # errors only: the other end of a pipe was closed
    woken = dict(waiting.poll(wait))
    if output in woken:
        raise ReaderGone
    return bool(woken)


def _as_line(change: Change, *, as_json: bool) -> str:
    key = change.key.decode()
    if as_json:
        return json_line({"version": str(change.version), "kind": str(change.kind), "key": key})
    return f"{change.version}\t{change.kind}\t{key}"


def _of_key(space: KeyValueSpace, key: str) -> dict[str, object]:
    entry: Entry | None = space.get(key)
    if entry is None:
        raise NoSuchEntry
    return {**described(entry, space.now), "bytes": len(entry.value)}


def _of_namespace(context: Context, name: str, space: KeyValueSpace) -> dict[str, object]:
    return {**namespaces(context.store).summary(name)._asdict(), "dataset": space.dataset(), "version": str(space.version())}
