"""``n2k stats``: counts of the directory and of the namespaces, and what the service did."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.usage_lines import DAYS, HOURS, usage_lines
from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.dates import iso
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.service.statistics import usage_fields
from n2k_fcgi.wiring import namespaces, overview, statistics

AGAIN = 2
"""Seconds between two looks of ``--watch``."""


@click.command("stats")
@click.option("--watch", is_flag=True, help=f"Print them again every {AGAIN} seconds, until Ctrl-C.")
@options.as_json
@pass_context
def command(context: Context, watch: bool, as_json: bool) -> None:
    """Print the counts of avatars, names, captures and tokens, the live generation, how full each namespace is, and what the
    service did: lookups, answers, times, registrations, imports, limits, workers. On a terminal lines are drawn, too.

    "kv sync" says what a power cut can do to an acknowledged write of the key-value service (setting kv_sync). --json prints
    one JSON object; with --watch one per line, again and again. Without --json, --watch clears a terminal before each
    time, and elsewhere ends each with an empty line.

    Example: n2k stats

    Example: n2k stats --watch
    """
    while True:
        text = "".join(f"{line}\n" for line in (_as_json(context) if as_json else _lines(context)))
        if watch and not as_json:
            text = f"\x1b[H\x1b[2J{text}" if sys.stdout.isatty() else f"{text}\n"
        click.echo(text, nl=False)
        if not watch:
            return
        sys.stdout.flush()
        time.sleep(AGAIN)


def _as_json(context: Context) -> Iterator[str]:
    sync = context.settings.kv_sync
    counts = overview(context.store).statistics()._asdict()
    usage = usage_fields(statistics(context.store).read(hours=HOURS, days=DAYS), hours=HOURS, days=DAYS)
    found = list(_namespaces(context))
    yield json.dumps({**counts, "kv_sync": sync, "kv_promise": sync.promise, "namespaces": found, "usage": usage})


def _lines(context: Context) -> Iterator[str]:
    counts = overview(context.store).statistics()._asdict()
    sync = context.settings.kv_sync
    counts["as_of"] = iso(counts["as_of"]) if counts["generation"] != NO_GENERATION else "-"
    for name, value in counts.items():
        yield f"{name.replace('_', ' ')}: {value}"
    yield f"kv sync: {sync}, {sync.promise}"
    for fields in _namespaces(context):
        yield f"namespace {fields['namespace']}: {_fullness(fields)}"
    yield from usage_lines(statistics(context.store).read(hours=HOURS, days=DAYS), is_drawn=sys.stdout.isatty())


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
