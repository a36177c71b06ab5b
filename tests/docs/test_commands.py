"""docs/commands.md has the help of the commands, and every command has an example that works."""

import shlex

import click
import pytest

from n2k_fcgi.cli import COMMANDS, group
from tests.support.command_reference import command_reference, commands, example
from tests.support.processes import REPOSITORY

EVERY = [(context.command_path, command) for context, command in commands()]
TYPED = [(path, command) for path, command in EVERY if command is not group]


def test_the_page_is_up_to_date() -> None:
    """docs/commands.md is what ``python -m tests.support.command_reference`` writes, but for how click breaks lines."""
    assert (REPOSITORY / "docs" / "commands.md").read_text("utf-8").split() == command_reference().split()


def test_every_command_is_on_the_page() -> None:
    """Each command and each command below it has a heading of its own."""
    text = (REPOSITORY / "docs" / "commands.md").read_text("utf-8")
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("##")]
    assert headings == [path for path, _ in EVERY]
    assert {path.split()[1] for path, _ in TYPED} == set(COMMANDS)


@pytest.mark.parametrize(("path", "command"), TYPED, ids=[path for path, _ in TYPED])
def test_every_command_has_an_example(path: str, command: click.Command) -> None:
    """The help ends with an example of this very command, whose options exist."""
    words = shlex.split(example(command).rpartition("| ")[2])
    while words[1].startswith("-"):  # an option of n2k itself
        del words[1 : 2 if words[1] in ("-q", "-v") else 3]
    parts = path.split()
    assert words[: len(parts)] == parts
    if not isinstance(command, click.Group):
        command.make_context(path, words[len(parts) :]).close()


@pytest.mark.parametrize(("path", "command"), TYPED, ids=[path for path, _ in TYPED])
def test_every_option_has_help(path: str, command: click.Command) -> None:
    """No option is without a help text."""
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert silent == [], path
