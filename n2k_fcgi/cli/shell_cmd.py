"""``n2k shell``: names and keys looked up as they are typed."""

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
    """Look up what is typed: a name in any spelling, or a key; 'help' lists what else can be said.

    An answer is name, key, grid and source, separated by tabs; the source is the dump with its day, or the capture with
    the time it was last seen. On a terminal with a prompt, completion (Tab) and a history, kept in the data directory.

    Without a terminal there is no prompt, and each line gets its answer, 'not found: ...' or the reason why it cannot be
    read, in its place on standard output. The exit code is then 17 when a line had no answer. Lines are UTF-8, with or
    without a mark at their beginning, or UTF-16 with one.

    Example: printf '%s\\n' 'Governor Linden' a27b84f0-2757-4176-9579-43a181d4a5a0 | n2k shell
    """
    shell = Shell(context.store, context.settings, lambda grid: is_known(context, grid))
    if sys.stdin.isatty() and sys.stdout.isatty():
        context.talk(HELP.splitlines()[0])
        shell.converse(context.settings.data_dir / TYPED_LINES)
        return
    shell.answer(piped_lines())
    if shell.unanswered:
        raise NotFound(what=f"an answer for {counted(shell.unanswered, 'line')}")
