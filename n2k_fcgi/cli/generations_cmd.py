"""``n2k generations``: list them, switch the live one, remove old ones."""

import json

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.suggestions import ListingGroup
from n2k_fcgi.errors import counted
from n2k_fcgi.model.dates import iso
from n2k_fcgi.service.directory.switching import use_generation
from n2k_fcgi.store.fields import cleaned
from n2k_fcgi.wiring import mentions

SMALL = 10_000_000
"""Bytes below which a tenth of a megabyte is told, as of most differences."""


@click.group("generations", cls=ListingGroup)
def command() -> None:
    """List the generations, switch between them, remove old ones.

    Example: n2k generations
    """


@command.command("list")
@options.as_json
@pass_context
def show(context: Context, as_json: bool) -> None:
    """List the generations, oldest first, the live one with a star.

    Example: n2k generations list --json
    """
    live, manifests = context.store.generations.listed(strict=True)
    without = mentions(context.store, context.settings).without
    manifests = [cleaned(manifest, without) for manifest in manifests]
    if as_json:
        click.echo(json.dumps([{**manifest._asdict(), "live": manifest.name == live} for manifest in manifests]))
        return
    for manifest in manifests:
        differences = f"  differences against {manifest.base}" if manifest.base else ""
        mark = "*" if manifest.name == live else " "
        click.echo(
            f"{mark} {manifest.name}  {counted(manifest.rows, 'avatar')}  {_megabytes(manifest.bytes)} MB  "
            f"as of {iso(manifest.as_of)}  {manifest.source}{differences}"
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}" if size < SMALL else str(size // 1_000_000)


@command.command("use")
@click.argument("name")
@click.option("--force", is_flag=True, help="Also one that was built without the past of the live one.")
@pass_context
def use(context: Context, name: str, *, force: bool) -> None:
    """Make generation NAME the live one, for instance to go back to yesterday's, or one that 'n2k import --to' built elsewhere.

    Refused with exit code 53 if neither was built from the other: former names and first holders would be lost.

    Example: n2k generations use 20261121T064000.123Z
    """
    use_generation(context.store.generations, name, force=force)
    context.talk(f"live: {name}")


@command.command("prune")
@pass_context
def prune(context: Context) -> None:
    """Remove the oldest generations but 'keep' (a setting), never the live one, nor one that a kept one needs.

    Example: n2k generations prune
    """
    with context.store.generations.locked():
        for name in context.store.generations.prune(context.settings.keep):
            click.echo(name)
