"""Arguments and options that several of these commands have; and the namespace that they name."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context
from n2k_fcgi.errors import N2KError, StoreMissing
from n2k_fcgi.model.keyvalue.operations import Condition
from n2k_fcgi.service.keyvalue.space import MOST_TTL, KeyValueSpace
from n2k_fcgi.store.datadir import is_data_directory
from n2k_fcgi.store.keyvalue import Range
from n2k_fcgi.wiring import namespace, namespaces

MATCHES = 50
"""Keys that the Tab key offers, at most."""

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

Command = TypeVar("Command", bound=Callable[..., Any])


def space(context: Context, name: str) -> KeyValueSpace:
    """The namespace *name*. Raises StoreMissing, BadNamespace, NoSuchNamespace."""
    check_data(context)
    return namespace(context.store, context.settings, name)


def check_data(context: Context) -> None:
    """Raise StoreMissing where there is no data directory: no namespace is missing there, but everything."""
    data_dir = context.settings.folder
    if not is_data_directory(data_dir):
        raise StoreMissing(path=data_dir)


class Namespace(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """The name of a namespace; the Tab key offers those that there are."""

    name = "namespace"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """See the class."""
        with completing(ctx) as context:
            known = namespaces(context.store).names()
            return [CompletionItem(name) for name in known if name.startswith(incomplete)]
        return []


class Key(options.Words):
    """A key; the Tab key offers those that begin so."""

    name = "key"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """See the class."""
        with completing(ctx) as context:
            found = space(context, ctx.params["namespace"]).scan(Range.of_prefix(incomplete.encode()), values=False)
            return [CompletionItem(entry.key.decode()) for entry in islice(found, MATCHES)]
        return []


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A time with its unit, such as 90s or 7d. Converts to milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See the class."""
        match = re.fullmatch(r"([0-9]{1,15})(ms|s|m|h|d)", str(value).strip())
        duration = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 1 <= duration <= MOST_TTL:
            self.fail(f"must be a time such as 500ms, 90s, 15m, 2h or 7d, a hundred years at most, not {value!r}", param, ctx)
        return duration


@contextmanager
def completing(ctx: click.Context) -> Iterator[Context]:
    """What the options of ``n2k`` on the line mean; the block ends silently at any error: a terminal is waiting."""
    given = ctx.find_root().params
    context = Context(given.get("data_dir"), given.get("config"), verbose=False, quiet=True)
    with closing(context), suppress(N2KError, OSError, KeyError):
        yield context


of_namespace = click.argument("namespace", metavar="NS", type=Namespace())
of_key = click.argument("key", type=Key())
ttl = click.option("--ttl", type=Duration(), metavar="TIME", help="How long it lives, such as 90s, 15m or 7d.")
if_version = click.option("--if-version", type=click.IntRange(1), metavar="VERSION", help="Only if it has this version.")
prefix = click.option("--prefix", type=options.Words(), default="", metavar="TEXT", help="Only keys that begin so.")


def as_bytes(text: str) -> bytes:
    """What was typed as bytes: UTF-8, or as it was if it is not text."""
    return text.encode("utf-8", "surrogateescape")


def condition(*, exists: bool | None = None, version: int | None = None, value: str | None = None) -> Condition:
    """What the options of a write demand."""
    return Condition(exists, None if version is None else frozenset([version]), None if value is None else as_bytes(value))


def confirm_removal(what: str, *, kind: str = "") -> None:
    """Ask on the terminal whether *what* may be removed; *kind*: what it is, for the question. Without a terminal refuse."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"this would remove {what}: add --yes")
    click.confirm(f"Remove {kind}{what}?", abort=True, err=True)
