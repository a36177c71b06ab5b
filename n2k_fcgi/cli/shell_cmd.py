"""``n2k shell``: look up names and keys interactively, or from a pipe."""

import sys

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import is_known
from n2k_fcgi.cli.shell import HELP, Shell
from n2k_fcgi.cli.standard_streams import piped_lines
from n2k_fcgi.errors import NotFound, counted
from n2k_fcgi.store.datadir import TYPED_LINES


@click.command("shell")
@pass_context
def command(context: Context) -> None:
    """Look up what is typed: a name in any spelling, or a key; 'help' lists the other commands.

    A result is name, key, grid and source, separated by tabs. The source is the date of the dump, or the time when the
    avatar was last seen. A terminal has a prompt, completion (Tab) and a history, stored in the data directory.

    Without a terminal there is no prompt. Standard output has one result per line of input: the avatar, 'not found: ...'
    or an error. Exit code 17 when a line had no result. Input is UTF-8 with or without a byte order mark, or UTF-16
    with one.

    Example: printf '%s\\n' 'Governor Linden' a27b84f0-2757-4176-9579-43a181d4a5a0 | n2k shell
    """
    shell = Shell(context.store, context.settings, lambda grid: is_known(context, grid))
    if sys.stdin.isatty() and sys.stdout.isatty():
        context.talk(HELP.splitlines()[0])
        shell.converse(context.settings.folder / TYPED_LINES)
        return
    shell.answer(piped_lines())
    if shell.unanswered:
        raise NotFound(what=f"results for {counted(shell.unanswered, 'line')}")
