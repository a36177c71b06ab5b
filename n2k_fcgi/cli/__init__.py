"""The ``n2k`` command: the one place where errors become exit codes. Each command is a module, imported when it is used."""

import sys
from importlib import import_module
from typing import NoReturn

import click

from n2k_fcgi import __version__, logs
from n2k_fcgi.cli import standard_streams, suggestions
from n2k_fcgi.cli.context import Context
from n2k_fcgi.errors import N2KError, NoMemory, is_no_memory, shown

COMMANDS = {
    "about": "about_cmd",
    "check": "check_cmd",
    "config": "config_cmd",
    "deploy": "deploy_cmd",
    "doctor": "doctor_cmd",
    "export": "export_cmd",
    "fcgi": "fcgi_cmd",
    "forget": "forget_cmd",
    "generations": "generations_cmd",
    "grids": "grids_cmd",
    "import": "import_cmd",
    "init": "init_cmd",
    "kv": "kv_cmd",
    "lookup": "lookup_cmd",
    "lsl": "lsl_cmd",
    "memcached": "memcached_cmd",
    "pages": "pages_cmd",
    "pending": "pending_cmd",
    "purge": "purge_cmd",
    "register": "register_cmd",
    "sample": "sample_cmd",
    "search": "search_cmd",
    "serve": "serve_cmd",
    "shell": "shell_cmd",
    "stats": "stats_cmd",
    "token": "token_cmd",
    "update": "update_cmd",
}
"""Command -> its module in this package, which names it ``command``."""


class Commands(suggestions.Group):
    """Imports a command's module at first use: ``n2k lookup`` does not load the importer."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; None: no command has that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"n2k_fcgi.cli.{COMMANDS[cmd_name]}").command
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--dir", "data_dir", metavar="DATA", help="The data directory (default: N2K_DIR, then the settings file's).")
@click.option("--config", metavar="FILE", help="The settings file (default: N2K_CONFIG, then n2k.ini in the data directory).")
@click.option("-v", "--verbose", is_flag=True, help="Log at DEBUG to standard error.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors on standard error.")
@click.version_option(__version__, prog_name="n2k")
@click.pass_context
def group(ctx: click.Context, data_dir: str | None, config: str | None, verbose: bool, quiet: bool) -> None:  # noqa: PLR0917
    """name2key and key2name for Second Life and OpenSimulator."""
    if verbose and quiet:
        raise click.UsageError("-v and -q contradict each other")
    ctx.obj = Context(data_dir, config, verbose=verbose, quiet=quiet)
    ctx.call_on_close(ctx.obj.close)


def main() -> NoReturn:
    """Run the command. Exit codes: that of the error, 130 after Ctrl-C, 1 for an unexpected error."""
    try:
        standard_streams.prepare()
        result = group.main(standalone_mode=False, prog_name="n2k")
        sys.exit(result if isinstance(result, int) else 0)
    except N2KError as problem:
        _end(problem)
    except click.Abort:
        click.echo("n2k: stopped", err=True)
        sys.exit(130)
    except click.ClickException as problem:
        problem.show()
        if advice := suggestions.advice(problem, group):
            click.echo(advice, err=True)
        sys.exit(problem.exit_code)
    except standard_streams.ReaderGone:  # "n2k ... | head" is no error
        sys.exit(0)
    except OSError as problem:
        if is_no_memory(problem):
            _end(NoMemory())
        click.echo(f"n2k: {_said(problem)}", err=True)
        sys.exit(1)
    except Exception as problem:  # noqa: BLE001 - the last resort of this front end
        if is_no_memory(problem):
            _end(NoMemory())
        logs.error("unexpected error", traceback=True)
        click.echo(f"n2k: internal error: {type(problem).__name__}: {problem}", err=True)
        sys.exit(1)
    finally:
        logs.shut_down()


def _said(problem: OSError) -> str:
    """The system's message and the file. It names no file where a relative path begins in a removed folder."""
    if problem.filename is None and isinstance(problem, FileNotFoundError):
        return "the current folder no longer exists: use absolute paths"
    named = "" if problem.filename is None else f"{shown(problem.filename)}: "
    return f"{named}{problem.strerror or problem}"


def _end(problem: N2KError) -> NoReturn:
    click.echo(f"n2k: {problem}", err=True)
    sys.exit(problem.exit_code)
