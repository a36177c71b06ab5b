"""``n2k stats``: counts of the directory."""

import json

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.wiring import overview


@click.command("stats")
@options.as_json
@pass_context
def command(context: Context, as_json: bool) -> None:
    """Print the counts of avatars, names, captures and tokens, and the live generation.

    Example: n2k stats
    """
    counts = overview(context.store).statistics()._asdict()
    if as_json:
        click.echo(json.dumps(counts))
        return
    counts["as_of"] = options.iso(counts["as_of"]) if counts["generation"] != NO_GENERATION else "-"
    for name, value in counts.items():
        click.echo(f"{name.replace('_', ' ')}: {value}")
