"""``n2k update``: the nightly update."""

import json

import click

from n2k_fcgi.cli import options
from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.download_line import DownloadLine
from n2k_fcgi.cli.grids import to_store
from n2k_fcgi.cli.import_report import counts, fields, tell_warnings, telling_when_stopped
from n2k_fcgi.cli.nightly import drop_captures
from n2k_fcgi.cli.progress import ProgressBar
from n2k_fcgi.config import Settings
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.ingest.report import ImportReport, Order
from n2k_fcgi.service.update.download import Limits
from n2k_fcgi.service.update.nightly import Outcome, Result, Updater
from n2k_fcgi.wiring import importer, modes_of


@click.command("update")
@click.argument("source", metavar="[URL|FILE]", required=False)
@options.grid
@click.option("--as-of", type=options.When(), help="The time that the dump describes (default: its own, Last-Modified, now).")
@options.replace
@click.option("--force", is_flag=True, help="Also if it is unchanged, older than the live one, or has far fewer rows.")
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Import while it downloads: the dump is never stored (default: the setting 'update_stream').",
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
    source: str | None,
    *,
    grid: str | None,
    as_of: int | None,
    replace: bool,
    force: bool,
    stream: bool | None,
    max_bad: float | None,
    max_bytes: int | None,
    jobs: int,
    nice: int,
    io: int | None,
    as_json: bool,
) -> None:
    """Fetch a changed dump, import it, make it live and remove old generations: for cron.

    Default source: the setting 'update_source'. To fetch the csv of another n2k, set 'update_token' (or
    N2K_UPDATE_TOKEN) to a token of that one; it is sent to the host of the URL only. Downloads are conditional (ETag,
    Last-Modified), resumed after a broken connection, and limited by the settings 'update_stall', 'update_time',
    'update_size' and 'update_tries'. A dump that is older than the live one, shrank, or has too many bad lines is
    refused, and nothing changes. Prints one line; with 'n2k -q' only failures.

    With --stream the dump is imported while it downloads, and needs no disk space of its own; a zip cannot be read so.

    Example: n2k -q update https://example.org/name2key.csv.bz2
    """
    settings = context.settings
    source = source or settings.update_source
    if not source:
        raise click.UsageError("give a URL or a file to update from, here or as the setting 'update_source'")
    context.make_directory()
    options.be_nice(nice)
    drop_captures(context)  # first: whatever becomes of the download
    world = to_store(context, grid)

    def load(dump: Dump, order: Order) -> ImportReport:
        with ProgressBar(dump.size, hidden=context.quiet) as bar:
            job = importer(context.store, settings, max_bad=max_bad, jobs=jobs, progress=bar.show, tell=context.warn)
            return job.run(dump, order)

    with (
        telling_when_stopped(context),
        options.rationed(io, jobs, settings) as jobs,
        DownloadLine(hidden=context.quiet) as line,
    ):
        updater = Updater(
            context.store.generations,
            context.store.forgotten,
            _limits(settings),
            folder=settings.folder,
            modes=modes_of(settings),
            open_dump=lambda source: Dump(source, max_bytes=max_bytes, jobs=jobs),
            load=load,
            token=settings.update_token,
            stream=settings.update_stream if stream is None else stream,
            progress=line.show,
            tell=context.warn,
        )
        outcome = updater.run(source, Order(world, as_of, replace, force))
    if outcome.report is not None:
        tell_warnings(context, outcome.report)
    if as_json:
        click.echo(json.dumps(_as_json(outcome)))
    elif not context.quiet:  # cron mails all output
        click.echo(_as_line(outcome, world))


def _limits(settings: Settings) -> Limits:
    return Limits(settings.update_stall, settings.update_time, settings.update_size, settings.update_tries)


def _as_line(outcome: Outcome, grid: str) -> str:
    if outcome.result is Result.NOT_MODIFIED:
        return f"not modified: {outcome.source} is as it was at the last update of {grid} (--force fetches it again)"
    if outcome.result is not Result.UPDATED or outcome.report is None:
        return f"unchanged: {outcome.source} is the dump that was imported last of {grid} (--force imports it again)"
    return f"updated from {outcome.source}: {counts(outcome.report)}"


def _as_json(outcome: Outcome) -> dict[str, object]:
    known: dict[str, object] = {"result": outcome.result.value, "from": outcome.source}
    if outcome.report is None:
        return known
    return {**known, **fields(outcome.report)}
