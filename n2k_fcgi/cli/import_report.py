"""The report of an import, as ``n2k import`` and ``n2k update`` print it."""

import contextlib
from collections.abc import Iterator
from typing import Any

from n2k_fcgi.cli.context import Context
from n2k_fcgi.errors import counted, shown
from n2k_fcgi.model.dates import iso
from n2k_fcgi.service.ingest.report import ImportReport


@contextlib.contextmanager
def telling_when_stopped(context: Context) -> Iterator[None]:
    """Print that nothing was imported if the block is stopped (Ctrl-C, SIGTERM) before it published."""
    generations = context.store.generations
    before = generations.current_name()
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if generations.current_name() == before:
            context.warn("n2k: nothing was imported")
        raise


def counts(report: ImportReport) -> str:
    """Counts of rows, duration, the file of a zip, grid, as-of and its reason, generation: one line."""
    new = report.manifest
    member = f"from {shown(report.member)} in the zip, " if report.member else ""
    rows = f"{counted(new.rows, 'avatar')} ({new.added} added, {new.changed} changed, {new.removed} removed, "
    what = f" (differences, {new.bytes / 1_000_000:.1f} MB)" if new.base else ""
    when = f"of {new.grid} as of {iso(new.as_of)} ({report.as_of.why})"
    return f"{rows}{counted(new.refused, 'line')} refused) in {new.seconds:.1f} s, {member}{when}, generation {new.name}{what}"


def fields(report: ImportReport) -> dict[str, Any]:
    """For JSON: the manifest, and what it does not have."""
    known = {"as_of_from": report.as_of.why, "member": report.member, "warnings": report.warnings}
    tally = report.tally
    bad = {reason.value: count for reason, count in tally.bad.items()}
    odd = {oddity.value: count for oddity, count in tally.odd.items()}
    how = {"found": tally.found, "bad": bad, "mended": odd}
    return {**report.manifest._asdict(), **known, **how}


def tell_warnings(context: Context, report: ImportReport) -> None:
    """Print what was odd about the archive."""
    for warning in report.warnings:
        context.talk(f"  {shown(warning)}")
