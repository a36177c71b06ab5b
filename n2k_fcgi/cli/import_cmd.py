"""``n2k import``: make a dump the live generation."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.grids import to_store
from n2k_fcgi.cli.import_report import counts, fields, tell_warnings, telling_when_stopped
from n2k_fcgi.cli.nightly import drop_captures
from n2k_fcgi.cli.progress import ProgressBar
from n2k_fcgi.errors import N2KError, counted, shown
from n2k_fcgi.service.dumps.location import is_url
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.dumps.tally import Tally
from n2k_fcgi.service.ingest.report import ImportReport, Order
from n2k_fcgi.service.ingest.workshop import begin_with, deliver, workshop
from n2k_fcgi.wiring import importer, mentions, modes_of

WITH_ITS_BASE = 2
"""Generations that are there when one is built elsewhere: it, and the copy that it is built on."""


@click.command("import")
@click.argument("dumps", metavar="DUMP|-", nargs=-1, required=True)
@options.grid
@click.option(
    "--as-of", type=options.When(), help="The time that the dump describes (default: the archive's, the file's, now)."
)
@options.replace
@click.option("--force", is_flag=True, help="Also if this dump is live already, or has far fewer rows.")
@click.option("--whole", is_flag=True, help="Write a whole generation, not the differences against the last whole one.")
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Build it in this folder, for another machine.",
)
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="With --to: a copy of the folder of the live generation there.",
)
@options.max_bad
@options.max_bytes
@options.jobs
@options.nice
@options.io
@options.as_json
@pass_context
def command(
    context: Context,
    dumps: tuple[str, ...],
    *,
    grid: str | None,
    as_of: int | None,
    replace: bool,
    force: bool,
    whole: bool,
    to: Path | None,
    base: Path | None,
    max_bad: float | None,
    max_bytes: int | None,
    jobs: int,
    nice: int,
    io: int | None,
    as_json: bool,
) -> None:
    """Import DUMP (or standard input as '-') and make it the live generation.

    A dump has csv lines 'uuid,First Last' or JSON lines, plain or packed as bz2, gz, zip or xz; its content decides.
    It is merged with the live generation: avatars that the dump does not have are kept, unless --replace is given.
    Only what differs from the last whole generation is written, unless that is much (the setting 'rebuild').
    Servers keep answering meanwhile. A broken or suspicious dump is refused, and nothing changes. With 'n2k -q'
    nothing is printed on success.

    With --to the generation is built on another machine, for instance one with more power, which needs no data directory:
    merged with the copy that --base names, so that former names and first holders stay. If that is the differences against
    another one, copy that one too, into the same folder. Copy the new folder, in DIR, into 'generations' of the data
    directory, and make it live with 'n2k generations use'.

    Example: n2k import name2key.csv.bz2
    """
    if base is not None and to is None:
        raise click.UsageError("--base is for --to")
    if len(dumps) > 1:
        raise click.UsageError(f"one dump at a time, not {len(dumps)}; a path with a space needs quotes")
    dump = dumps[0]
    if is_url(dump):  # not repeated: it may hold a password
        raise click.UsageError("import reads a file, or standard input as '-': 'n2k update URL' fetches one")
    with _place(context, to, base) as folder, options.rationed(io, jobs, context.settings) as jobs:
        options.be_nice(nice)
        if to is None:
            drop_captures(context)
        world = to_store(context, grid)
        with (
            telling_when_stopped(context),
            Dump(dump, max_bytes=max_bytes, jobs=jobs) as opened,
            ProgressBar(opened.size, hidden=context.quiet) as progress,
        ):
            settings = context.settings if to is None else context.settings._replace(keep=WITH_ITS_BASE)
            job = importer(context.store, settings, max_bad=max_bad, jobs=jobs, progress=progress.show, tell=context.warn)
            try:
                report = job.run(opened, Order(world, as_of, replace, force, whole))
            except N2KError:
                _tell_oddities(context, job.tally)
                raise
        made = None
        if to is not None and report.published:
            context.store.generations.seal(report.manifest.name)
            context.close()
            made = deliver(folder, report.manifest.name, to)
            if base is None:
                context.warn("it has no past: where a generation is live, 'n2k generations use' refuses it without --force")
        _tell(context, job.tally, report, made, as_json=as_json)


def _tell(context: Context, tally: Tally, report: ImportReport, made: Path | None, *, as_json: bool) -> None:
    _tell_oddities(context, tally)
    tell_warnings(context, report)
    if report.moves:
        kept = "keeps its key" if len(report.moves) == 1 else "keep their keys"
        context.talk(f"  {counted(len(report.moves), 'name')} of Second Life {kept}: see 'n2k pending --conflicts'")
    if as_json:
        built = {} if made is None else {"folder": str(made)}
        click.echo(json.dumps({**fields(report), "published": report.published and made is None, **built}))
    elif not context.quiet:  # cron mails all output
        click.echo(_as_line(report) + ("" if made is None else f", built in {made}"))


@contextmanager
def _place(context: Context, to: Path | None, base: Path | None) -> Iterator[Path]:
    """The data directory of the import: that of the settings, or one in *to* for this import alone."""
    if to is None:
        context.make_directory()
        yield context.settings.folder
        return
    with workshop(to, modes_of(context.settings)) as folder:
        context.move_to(folder)
        try:
            if base is not None:
                begin_with(context.store, folder, base)
            yield folder
        finally:
            context.close()


def _as_line(report: ImportReport) -> str:
    manifest = report.manifest
    if not report.published:
        which = f"{manifest.source} of {manifest.grid} is live already as generation {manifest.name}"
        return f"unchanged: {which} (--force imports it again)"
    return f"imported {manifest.source}: {counts(report)}"


def _tell_oddities(context: Context, tally: Tally) -> None:
    without = mentions(context.store, context.settings).without if tally.shown else str
    for what in tally.found:
        context.talk(f"  found {shown(what)}")
    for oddity, count in tally.odd.most_common():
        context.talk(f"  {count} x {oddity.value}: read anyway")
    for reason, count in tally.bad.most_common():
        context.talk(f"  {count} x {reason.value}: refused")
    for number, reason, line in tally.shown:
        context.talk(f"  line {number}: {reason.value}: {shown(without(line))}")
