"""Writes docs/commands.md from the commands' own help: ``python -m tests.support.command_reference > docs/commands.md``."""

import sys
from collections.abc import Iterator

import click

from n2k_fcgi.cli import group

WIDTH = 110

INTRODUCTION = """\
# Commands

`n2k [OPTIONS] COMMAND`. This is what `n2k COMMAND --help` says, command by command. `n2k` stands for `~/n2k/bin/n2k`;
[install.md](install.md#a-short-name-and-the-tab-key) explains how to get a short name and Tab completion.

Results go to standard output, everything else to standard error, so that a result can be piped on. Progress bars are drawn
on a terminal only. Behind `| head` a command ends without an error when its reader has enough; a result that could not be
written, on a full disk or a closed standard output, is an error. The exit code is 0 when it worked, 2 for wrong usage, 130
after Ctrl-C, otherwise the error's code: see [errors.md](errors.md). [settings.md](settings.md) lists what can be set in the
file, the environment, or both.

Names are shown in the encoding of the terminal, or of `PYTHONIOENCODING`, with `?` for letters that it lacks; with `--json`
these are escaped. ASCII, as in the C locale, counts as UTF-8. Output of `n2k export` and `n2k lsl` is always UTF-8, and so
are the lines that `n2k shell` reads from a pipe.

The data directory is set by `--dir`, the environment variable `N2K_DIR`, or the settings file; default: `~/n2k-data`.
Commands that write create it if it is missing.
"""


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """``n2k`` itself, every command, and the commands of those that are groups; each with its context."""
    widths = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(group, info_name="n2k", **widths, **group.context_settings)
    yield context, group
    yield from _below(context, group)


def _below(parent: click.Context, group_: click.Group) -> Iterator[tuple[click.Context, click.Command]]:
    for name in group_.list_commands(parent):
        command = group_.get_command(parent, name)
        assert command is not None
        context = click.Context(command, parent=parent, info_name=name)
        yield context, command
        if isinstance(command, click.Group):
            yield from _below(context, command)


def example(command: click.Command) -> str:
    """What the help of *command* gives as an example; '' when it gives none."""
    lines = (line.strip() for line in (command.help or "").splitlines())
    return next((line.removeprefix("Example: ") for line in lines if line.startswith("Example: ")), "")


def command_reference() -> str:
    """The whole page, Markdown."""
    return INTRODUCTION + "".join(_section(*found) for found in commands())


def _section(context: click.Context, command: click.Command) -> str:
    depth = "##" if context.parent is None or context.parent.parent is None else "###"
    return f"\n{depth} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(command_reference())
