"""``n2k pages``: log in to the status page with a code, and end all sessions."""

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.suggestions import Group
from n2k_fcgi.errors import counted
from n2k_fcgi.service.access.sessions import CODE_SECONDS
from n2k_fcgi.wiring import sessions


@click.group("pages", cls=Group)
def command() -> None:
    """Log in to the status page with a code, and end all sessions.

    Example: n2k pages code
    """


@command.command("code")
@pass_context
def code(context: Context) -> None:
    """Print a code for the log-in of the status page. It works once, within ten minutes.

    Type it into the form at /login; it is no address, which servers and proxies would log. The session that it begins has no
    token: it ends by its log-out, after session_hours (a setting), or by 'n2k pages log-out'.

    Example: n2k pages code
    """
    context.make_directory()
    click.echo(sessions(context.store, context.settings).make_code())
    context.talk(f"for the form at /login of this service, once, within {CODE_SECONDS // 60} minutes")


@command.command("log-out")
@pass_context
def log_out(context: Context) -> None:
    """End all sessions of the status page, and make unused codes worthless, from the next request on.

    Example: n2k pages log-out
    """
    count = sessions(context.store, context.settings).end_all()
    context.talk(f"{counted(count, 'session')} ended")
