"""``n2k stats``: counts of the directory and of the namespaces."""

import json
from collections.abc import Iterator
from typing import Any

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.dates import iso
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.wiring import namespaces, overview


@click.command("stats")
@options.as_json
@pass_context
def command(context: Context, as_json: bool) -> None:
    """Print the counts of avatars, names, captures and tokens, the live generation, and how full each namespace is.

    "kv sync" says what a power cut can do to an acknowledged write of the key-value service (setting kv_sync).

    Example: n2k stats
    """
    counts = overview(context.store).statistics()._asdict()
    sync = context.settings.kv_sync
    found = list(_namespaces(context))
    if as_json:
        click.echo(json.dumps({**counts, "kv_sync": sync, "kv_promise": sync.promise, "namespaces": found}))
        return
    counts["as_of"] = iso(counts["as_of"]) if counts["generation"] != NO_GENERATION else "-"
    for name, value in counts.items():
        click.echo(f"{name.replace('_', ' ')}: {value}")
    click.echo(f"kv sync: {sync}, {sync.promise}")
    for fields in found:
        click.echo(f"namespace {fields['namespace']}: {_fullness(fields)}")


def _namespaces(context: Context) -> Iterator[dict[str, Any]]:
    """Yield the fields of each namespace; of one that cannot be read, why."""
    kept = namespaces(context.store)
    for name in kept.names():
        try:
            yield kept.summary(name)._asdict()
        except N2KError as error:
            yield {"namespace": name, "error": str(error)}


def _fullness(fields: dict[str, Any]) -> str:
    if "error" in fields:
        return str(fields["error"])
    text = f"{fields['bytes']} of {fields['quota']} bytes, {fields['keys']} of {fields['most_keys']} keys"
    return text + (", open" if fields["is_open"] else "")
