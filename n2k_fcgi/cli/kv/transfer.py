"""``n2k kv export`` and ``import``: a namespace as a file of JSON lines."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.kv import arguments
from n2k_fcgi.cli.output_file import STDOUT, opened
from n2k_fcgi.cli.standard_streams import json_line, piped_bytes
from n2k_fcgi.errors import LinesRefused, StoreUnreadable, counted
from n2k_fcgi.service.dumps.archives import LONGEST_MAGIC, Kind, kind_of
from n2k_fcgi.service.keyvalue.lines import exported
from n2k_fcgi.service.keyvalue.restoring import Restored, Restoring
from n2k_fcgi.wiring import modes_of

SHOWN = 20
"""Bad lines that are reported one by one."""
A_FILE = click.Path(dir_okay=False, allow_dash=True)


@click.command("export")
@arguments.of_namespace
@click.argument("file", metavar="FILE|-", type=A_FILE)
@pass_context
def export(context: Context, namespace: str, file: str) -> None:
    """Write the namespace NS to FILE, or to standard output as '-': JSON lines, one state, in UTF-8.

    A line has key, type, the value as text or base64, version, and if set flags, expires_ms (the time, in Unix
    milliseconds) and id. Sequences follow, each with the number that is next. Whether anyone may read it, its quota and its
    tokens are not in it. FILE is readable by its owner only, and appears when it is complete.

    Example: n2k kv export shop shop.jsonl
    """
    space = arguments.space(context, namespace)
    with space.copy() as state, opened(file, modes_of(context.settings).file) as target:
        count = _write(target, exported(state))
    context.talk(f"exported {counted(count, 'line')} to {file}")
    hidden = {name: keys for name, keys in space.later_writes().items() if keys}
    if hidden:
        left = ", ".join(f"{counted(keys, 'key')} of {name}" for name, keys in hidden.items())
        context.warn(f"not in it, because another dataset is shown: {left}")


@click.command("import")
@arguments.of_namespace
@click.argument("file", metavar="FILE|-", type=A_FILE)
@click.option("--keep", is_flag=True, help="Keep entries that exist already.")
@options.as_json
@pass_context
def import_(context: Context, namespace: str, file: str, *, keep: bool, as_json: bool) -> None:
    """Store the lines of FILE, or of standard input as '-', in the namespace NS, which must exist.

    The lines are those of 'n2k kv export', or of lists over HTTP: key, one of text, json and base64; and if wanted type,
    flags, ttl_ms or expires_ms, id. Versions are new. What has expired meanwhile is left out. Sequences continue behind
    the number in the file.

    Lines are stored in batches of up to 1,000 entries, each of them whole or not at all. Bad ones are reported with their
    number, the others are stored, and the exit code is 115. After an error or a kill the same import can be repeated.

    Example: n2k kv import shop shop.jsonl
    """
    space = arguments.space(context, namespace)
    with opened_plain(file, f"n2k kv import {namespace} -") as source:
        done = Restoring(space, Refusals(context), keep=keep).run(source)
    if as_json:
        click.echo(json_line(done._asdict()))
    elif not done.refused:
        context.talk(f"imported {file}: {_summary(done)}")
    if done.refused:
        raise LinesRefused(lines=counted(done.refused, "line"), stored=_summary(done))


class Refusals:
    """Reports bad lines as they are found: the first ones."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._count = 0

    def __call__(self, number: int, why: str) -> None:
        self._count += 1
        if self._count <= SHOWN:
            self._context.warn(f"line {number}: {why}")
        elif self._count == SHOWN + 1:
            self._context.warn("further bad lines are counted only")


def _summary(done: Restored) -> str:
    parts = [f"{counted(done.stored, 'key')} stored"]
    if done.kept:
        parts.append(f"{done.kept} kept")
    if done.expired:
        parts.append(f"{done.expired} expired")
    if done.sequences:
        parts.append(counted(done.sequences, "sequence"))
    return ", ".join(parts)


def _write(target: BinaryIO, lines: Iterable[bytes]) -> int:
    """Write *lines*; return how many."""
    count = 0
    for line in lines:  # one by one: a thousand values may be too much memory
        target.write(line)
        count += 1
    target.flush()
    return count


@contextmanager
def opened_plain(file: str, by_pipe: str) -> Iterator[BufferedReader]:
    """Open *file*, '-' for standard input, for reading; refuse a packed one. *by_pipe*: the command that reads it unpacked.

    Raises StoreUnreadable.
    """
    with _opened(file) as source:
        if kind_of(source.peek(LONGEST_MAGIC)) is not Kind.PLAIN:
            raise click.UsageError(f"{file} is packed: unpack it first, and pipe it into '{by_pipe}'")
        yield source


@contextmanager
def _opened(file: str) -> Iterator[BufferedReader]:
    """Open *file* for reading, '-' for standard input. Raises StoreUnreadable."""
    if file == STDOUT:
        with piped_bytes() as piped:
            yield piped
        return
    try:
        with Path(file).open("rb") as source:
            yield source
    except OSError as problem:
        raise StoreUnreadable(path=file, why=problem.strerror or problem) from None
