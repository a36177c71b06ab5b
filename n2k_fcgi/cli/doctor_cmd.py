"""``n2k doctor``: find what is wrong, and say what to do."""

import os
from collections.abc import Iterator
from pathlib import Path

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.cli.examinations import folder, imports, installation, website
from n2k_fcgi.cli.examinations.website import Known
from n2k_fcgi.deploy.installation import code_digest
from n2k_fcgi.errors import DoctorFound, N2KError, shown
from n2k_fcgi.examinations import data, keyvalue, limits, statistics
from n2k_fcgi.model.findings import Finding, Verdict, ok, problem
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.store.datadir import TOKEN_FILE, is_data_directory
from n2k_fcgi.wiring import directory


@click.command("doctor")
@click.argument("url", required=False)
@click.option(
    "--web-dir",
    metavar="WEBDIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also examine this web folder (default: those whose workers run here).",
)
@click.option(
    "--rows",
    type=click.IntRange(1, 1_000_000_000),
    help="Avatars of the dump to be imported (default: as many as there are; before the first, ten million).",
)
@pass_context
def command(context: Context, url: str | None, web_dir: Path | None, rows: int | None) -> None:
    """Examine the installation, the limits and the data; with URL also the service at that address.

    Prints a line per check: ok, warning or problem, and what to do. Exit code 83 when there is a problem. How long imports take
    here and how much room they need is estimated from this host's limits and a trial of a second.

    Example: n2k doctor https://example.com/n2k/
    """
    if url and not url.lower().startswith(("http://", "https://")):
        raise click.UsageError(f"the address needs http:// or https:// in front: {url!r}")
    count = 0
    for finding in _examine(context, url, web_dir, rows):
        click.echo(finding)
        count += finding.verdict == Verdict.PROBLEM
    if count:
        raise DoctorFound(count=count)


def _examine(context: Context, url: str | None, web_dir: Path | None, rows: int | None) -> Iterator[Finding]:
    yield from installation.examine()
    settled = _settings(context)
    yield settled
    is_usable = settled.verdict != Verdict.PROBLEM
    if is_usable:
        yield from _examine_data(context, rows)
    if url:  # first: a request starts a worker, which shows where its script is
        yield from website.examine(url, _known(context) if is_usable else Known(code=code_digest()))
    for place in [web_dir.absolute()] if web_dir else folder.served_here(context.settings.folder) if is_usable else []:
        yield from folder.examine(place, code_digest())


def _settings(context: Context) -> Finding:
    """Whether the settings can be read."""
    try:
        loaded = context.loaded
    except N2KError as refusal:
        return problem("settings", str(refusal), "until then servers answer 503, or keep the previous settings")
    return ok("settings", str(loaded.file) if loaded.stamp else "all defaults, no settings file")


def _examine_data(context: Context, rows: int | None) -> Iterator[Finding]:
    data_dir = context.settings.folder
    if not is_data_directory(data_dir):
        yield problem("data directory", f"no n2k data in {shown(data_dir)}", "run 'n2k init', or give another --dir")
        return
    yield from data.examine(context.settings, context.store)
    yield from keyvalue.examine(context.settings, context.store)
    yield from statistics.examine(context.settings, context.store)
    yield from imports.examine(context.settings, context.store, rows)
    yield from limits.examine(data.live_bytes(context.store) + context.store.address_space())


def _known(context: Context) -> Known:
    """What the site's answers are compared with; less if the data cannot be read."""
    settings, store = context.settings, context.store
    token_file = settings.folder / TOKEN_FILE
    token = token_file.read_text("utf-8").strip() if os.access(token_file, os.R_OK) else ""
    try:
        view = directory(store, settings).view()
        avatar = data.an_avatar(view)
    except N2KError:
        return Known(token=token, code=code_digest())
    generation = view.generation_name if view.generation else ""
    if avatar is None:
        return Known(generation, token=token, code=code_digest())
    return Known(generation, name=avatar.name, key=format_key(avatar.key), token=token, code=code_digest())
