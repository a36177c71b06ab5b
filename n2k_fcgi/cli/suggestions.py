"""What the user may have meant: a similar command or word, missing quotes."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any

import click

from n2k_fcgi.model.keys import is_key_shaped

EXTRA_ARGUMENT = "Got unexpected extra argument"
"""How every version of click begins this message."""

DASHES = "A name that begins with a dash comes after '--': {path} -- ..."

QUOTES = "What has a space needs quotes, such as 'Governor Linden'."


class Group(click.Group):
    """A group of commands that suggests the command with a similar name, and lists each with its whole first sentence."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Raise UsageError for an unknown command."""
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-"):
            ctx.fail(f"No such command {word!r}.{did_you_mean(word, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with its first sentence."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in found if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class ListingGroup(Group):
    """A ``Group`` that runs its command ``list`` when none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See the class."""
        # Completion parses the words before the one to complete: the commands of the group are offered there.
        return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["list"])


class OneOf(click.Choice):  # type: ignore[type-arg]  # not generic in click 8.1
    """One of a few words; suggests the similar one for another."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See the class."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as refusal:
            self.fail(refusal.message + did_you_mean(str(value), map(str, self.choices)), param, ctx)


_WHOLE = 1000
"""More characters than any first sentence has."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence to be appended to the refusal of *word*, with a leading space; '' if no known word is similar."""
    from difflib import get_close_matches  # late: after a typing error only

    close = get_close_matches(word.lower(), list(known), 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_name(words: Sequence[str], missing: Collection[str], is_known: Callable[[str], bool]) -> str:
    """The first two neighbours in *words* that look like one name without quotes; '' if there are none.

    Either both are *missing*, or one is and the name of both is known: another avatar may have one of them as its name.
    """
    for pair in pairwise(words):
        lost, name = set(pair) & set(missing), " ".join(pair)
        if lost and all(map(_is_half, pair)) and (lost == set(pair) or is_known(name)):
            return name
    return ""


def advice(refusal: click.ClickException, group: click.Group) -> str:
    """A line to print below an error of click's; '' for most.

    For missing quotes, an option of *group* behind the command, and a name taken for an option.
    """
    if refusal.message.startswith(EXTRA_ARGUMENT):
        return QUOTES
    if isinstance(refusal, click.NoSuchOption) and refusal.option_name in _options(group):
        return f"Put it before the command: n2k {refusal.option_name} ..."
    if isinstance(refusal, click.NoSuchOption) and not refusal.possibilities and _takes_name(refusal.ctx):
        return DASHES.format(path=refusal.ctx.command_path if refusal.ctx else "")
    return ""


def _is_half(word: str) -> bool:
    return not is_key_shaped(word) and re.search(r"[\s.+@]", word) is None


def _takes_name(ctx: click.Context | None) -> bool:
    from n2k_fcgi.cli.options import Words  # late: after a typing error only

    return ctx is not None and any(isinstance(param.type, Words) for param in ctx.command.params)


def _options(group: click.Group) -> set[str]:
    return {name for option in group.params for name in option.opts}
