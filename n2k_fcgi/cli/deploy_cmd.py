"""``n2k deploy``: install on a web host, by files of its kind and a block in .htaccess; and remove it."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.deploy.deployment import deploy, kind_there, refuse_unsafe
from n2k_fcgi.deploy.installation import compile_code
from n2k_fcgi.deploy.kind import Deployment, Kind
from n2k_fcgi.deploy.kinds import WAYS
from n2k_fcgi.deploy.leftovers import remove_leftovers
from n2k_fcgi.deploy.neighbours import named, vanishing
from n2k_fcgi.deploy.reach import LINKS_ON, closed_to_others, forbids_rewriting, opening
from n2k_fcgi.deploy.spread import MOST
from n2k_fcgi.deploy.webroot import likely_url
from n2k_fcgi.deploy.workers import hosted_in, stop, workers
from n2k_fcgi.errors import DeployRefused, N2KError
from n2k_fcgi.store.datadir import SETTINGS_FILE

if TYPE_CHECKING:
    from n2k_fcgi.deploy.choice import Choice

AUTO = "auto"

IDLE = 61.0
"""Seconds without a request, with --patient: hosts end idle workers after a minute."""


@click.command("deploy")
@click.argument("web_dir", metavar="WEBDIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--as",
    "kind",
    type=click.Choice([AUTO, *(kind.value for kind in Kind)]),
    help="How the host runs it; auto asks the host (else as it is deployed now, in a new folder auto).",
)
@click.option("--url", metavar="URL", help="The address of WEBDIR, which auto asks (else the setting url).")
@click.option("--patient", is_flag=True, help="With auto: ask FastCGI again after a minute without requests.")
@click.option("--name", metavar="FILE", help="The script's file name (else as there, or dispatch.fcgi, or n2k.cgi).")
@click.option(
    "--app",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of passenger_wsgi.py (else as the panel says, or beside the data directory).",
)
@click.option(
    "--spread",
    metavar="N",
    type=click.IntRange(1, MOST),
    help=f"With fcgid: write N copies of the script, up to {MOST}, each with its own processes (else as many as now, or 1).",
)
@click.option("-y", "--yes", is_flag=True, help="Continue although other files in WEBDIR can no longer be fetched then.")
@click.option("--remove", is_flag=True, help="Remove what was deployed, and stop the workers.")
@pass_context
def command(
    context: Context,
    web_dir: Path,
    *,
    kind: str | None,
    url: str | None,
    patient: bool,
    name: str | None,
    app: Path | None,
    spread: int | None,
    yes: bool,
    remove: bool,
) -> None:
    """Serve from the folder WEBDIR of a web host: write what the host runs, and a marked block in .htaccess there.

    Use a separate folder: other files in WEBDIR can no longer be fetched, except for certificate renewal. Your own lines
    in .htaccess are kept. Run it again after an update: the web server starts the new code with the next request.

    Example: n2k deploy ~/example.com/n2k --url https://example.com/n2k/
    """
    web_dir = web_dir.absolute()
    if remove:
        if yes or patient or any(option is not None for option in (kind, url, name, app, spread)):
            raise click.UsageError("--remove takes no other option")
        _take_away(context, web_dir)
        return
    if url is not None:
        context.flags["url"] = url
    asks = kind == AUTO or (kind is None and (url is not None or kind_there(web_dir) is None))
    if patient and not asks:
        raise click.UsageError("--patient is for --as auto")
    plan = Deployment(
        web_dir,
        context.loaded.settings.folder,
        kind=None if kind in (AUTO, None) else Kind(kind),
        name=name,
        config=_config(context),
        may_hide=yes,
        spread=spread,
        app=app.absolute() if app else None,
    )
    _put_there(context, plan, asks=asks, patient=patient)


def _config(context: Context) -> Path | None:
    """The settings file, if not the data directory's own."""
    loaded = context.loaded
    file = Path(loaded.file).absolute() if loaded.file and loaded.stamp else None
    return file if file != loaded.settings.folder / SETTINGS_FILE else None


def _put_there(context: Context, plan: Deployment, *, asks: bool, patient: bool) -> None:
    web_dir, loaded = plan.web_dir, context.loaded
    refuse_unsafe(plan)  # before anything in the folder is believed
    _remove_leftovers(context, web_dir)
    chosen = _asked(context, plan, patient=patient) if asks else None
    if chosen is not None:
        plan = plan._replace(kind=chosen.kind)
    before = list(workers())
    done = deploy(plan)
    for written in (*done.files, done.rules):
        click.echo(f"{'wrote' if written.changed else 'unchanged'}: {written.path}")
    for path in done.removed:
        click.echo(f"removed: {path}")
    # mod_fcgid keeps up to three idle processes of a script forever, also of a replaced one.
    replaced = {Path(os.path.realpath(path)) for path in done.replaced}
    hosted = [worker for path in done.removed for worker in hosted_in(path.parent)]
    _say_stopped(stop([worker for worker in before if worker.script in replaced] + hosted)[0])
    if not compile_code():
        context.talk("note: not all .pyc files could be written: a worker starts more slowly without them")
    for setting, variable in loaded.set_by.items():
        if variable.startswith("N2K_") and variable != "N2K_DIR":
            context.talk(f"warning: {variable} is set here, but web servers do not see it: set {setting!r} in {SETTINGS_FILE}")
    _warn(context, web_dir)
    if asks and chosen is None:
        how = f"n2k deploy {web_dir} --as auto --url {likely_url(web_dir)}"
        context.talk(f"note: the host was not asked how it runs programs, {done.kind.value} was taken; to ask it: {how}")
    if done.advice and not (chosen and chosen.answers):
        context.talk(f"note: {done.advice}; see docs/{WAYS[done.kind].PAGE}")
    url = (loaded.settings.url or likely_url(web_dir)).rstrip("/") + "/"
    if chosen and not chosen.answers:
        context.talk(f"now find out why: n2k --dir {plan.data_dir} doctor {url}; then deploy again with the right --url")
    else:
        context.talk(f"now try: curl '{url}health' (it says 'alive'), then: n2k --dir {plan.data_dir} doctor {url}")


def _remove_leftovers(context: Context, web_dir: Path) -> None:
    found = remove_leftovers(web_dir, DeployRefused)
    for folder in found.removed:
        click.echo(f"removed: {folder}, which a probe has left")
    for warning in found.warnings:
        context.talk(warning)


def _asked(context: Context, plan: Deployment, *, patient: bool) -> "Choice | None":
    """What the host runs best; None: its address is not known, so it cannot be asked."""
    url = context.settings.url
    if not url:
        return None
    from n2k_fcgi.deploy.choice import choose, told
    from n2k_fcgi.deploy.probe import probe

    def pause() -> None:
        if patient:
            context.talk(f"waiting for {IDLE:.0f} seconds")
            time.sleep(IDLE)

    found = probe(plan, url, pause)
    for line in told(found):
        click.echo(f"asked for {line}")
    choice = choose(found, kind_there(plan.web_dir))
    click.echo(f"chosen: {choice.kind.value}, {choice.why}")
    return choice


def _warn(context: Context, web_dir: Path) -> None:
    """Print what may keep the web server out, and which files it serves no more."""
    hidden = vanishing(web_dir)
    if hidden:
        context.talk(f"warning: these can no longer be fetched: {named(hidden)}")
    closed = closed_to_others(web_dir)
    if closed:
        context.talk(f"warning: only you have access: unless the web server runs as you, it answers 403: {opening(closed)}")
    rules = forbids_rewriting(web_dir)
    if rules is not None:
        context.talk(f"warning: {rules} switches FollowSymLinks off, without which Apache answers 403: {LINKS_ON}")


def _say_stopped(pids: list[int]) -> None:
    if pids:
        click.echo(f"stopped: workers {', '.join(map(str, pids))}")


def _take_away(context: Context, web_dir: Path) -> None:
    """Remove what was deployed; settings and data may be gone already."""
    from n2k_fcgi.deploy.passenger import usual  # late: for --remove only
    from n2k_fcgi.deploy.removal import take_away

    try:
        app = usual(context.loaded.settings.folder)
    except N2KError:  # only what names it finds it then
        app = None
    done = take_away(web_dir, app)
    for path in done.removed:
        click.echo(f"removed: {path}")
    for path in done.changed:
        click.echo(f"block removed from: {path}")
    _say_stopped(done.stopped)
    for warning in done.warnings:
        context.talk(warning)
    if done.left:
        context.talk(
            f"note: workers {', '.join(map(str, done.left))} belong to another user or are busy: they end within two minutes"
        )
    if not (done.removed or done.changed or done.stopped or done.left):
        click.echo(f"nothing of 'n2k deploy' is in {web_dir}")
