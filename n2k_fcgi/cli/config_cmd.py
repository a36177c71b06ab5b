"""``n2k config``: the settings in force and where each was set."""

import json

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.config import TABLE
from n2k_fcgi.service.dumps.location import is_url, parse_location


@click.command("config")
@options.as_json
@pass_context
def command(context: Context, as_json: bool) -> None:
    """Print every setting in force, and where it was set; no passwords and tokens.

    Example: n2k config
    """
    loaded = context.loaded
    settings = loaded.settings
    if is_url(settings.update_source):  # it may hold a password
        settings = settings._replace(update_source=str(parse_location(settings.update_source)))
    hidden = {setting.name: "(set, not shown)" for setting in TABLE if setting.is_secret and getattr(settings, setting.name)}
    rows = [(name, hidden.get(name, value), loaded.set_by[name]) for name, value in settings._asdict().items()]
    if as_json:
        shown = {name: {"value": _plain(value), "from": where} for name, value, where in rows}
        click.echo(json.dumps(shown, default=str))
        return
    for name, value, where in rows:
        click.echo(f"{name} = {_text(value)}\t({where})")


def _plain(value: object) -> object:
    return list(map(str, value)) if isinstance(value, tuple) else value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
