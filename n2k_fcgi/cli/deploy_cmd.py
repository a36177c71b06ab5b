"""``n2k deploy``: install on a web host with Apache, by a script and a block in .htaccess; and remove it."""

import os
from pathlib import Path

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.deploy.deployment import SCRIPT, Deployment, deploy, likely_url
from n2k_fcgi.deploy.installation import compile_code
from n2k_fcgi.deploy.neighbours import named, vanishing
from n2k_fcgi.deploy.reach import LINKS_ON, closed_to_others, forbids_rewriting, opening
from n2k_fcgi.deploy.spread import MOST
from n2k_fcgi.deploy.workers import stop, workers
from n2k_fcgi.store.datadir import SETTINGS_FILE


@click.command("deploy")
@click.argument("web_dir", metavar="WEBDIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", metavar="FILE", help=f"The script's file name (else as there, or {SCRIPT}).")
@click.option(
    "--spread",
    metavar="N",
    type=click.IntRange(1, MOST),
    help=f"Write N copies of the script, up to {MOST}, each with processes of its own (else as many as there are, or 1).",
)
@click.option("-y", "--yes", is_flag=True, help="Continue although other files in WEBDIR can no longer be fetched then.")
@click.option("--remove", is_flag=True, help="Remove script and block, and stop the workers.")
@pass_context
def command(context: Context, web_dir: Path, *, name: str | None, spread: int | None, yes: bool, remove: bool) -> None:
    """Serve from the folder WEBDIR of a web host: write dispatch.fcgi and a marked block in .htaccess there.

    Use a separate folder: other files in WEBDIR can no longer be fetched, except for certificate renewal. Your own lines
    in .htaccess are kept. Run it again after an update: the web server starts the new code with the next request.

    Example: n2k deploy ~/example.com/n2k
    """
    web_dir = web_dir.absolute()
    if not remove:
        _put_there(context, web_dir, name, spread, may_hide=yes)
        return
    if name is not None or spread is not None or yes:
        raise click.UsageError("--remove takes neither --name nor --spread nor --yes")
    _take_away(context, web_dir)


def _put_there(context: Context, web_dir: Path, name: str | None, spread: int | None, *, may_hide: bool) -> None:
    loaded = context.loaded
    data_dir = loaded.settings.folder
    file = Path(loaded.file) if loaded.file and loaded.stamp else None
    config = file.absolute() if file and file != data_dir / SETTINGS_FILE else None
    before = list(workers())
    done = deploy(Deployment(web_dir, data_dir, name=name, config=config, may_hide=may_hide, spread=spread))
    for written in (*done.scripts, done.rules):
        click.echo(f"{'wrote' if written.changed else 'unchanged'}: {written.path}")
    for path in done.removed:
        click.echo(f"removed: {path}")
    # mod_fcgid keeps up to three idle processes of a script forever, also of a replaced one.
    replaced = {Path(os.path.realpath(path)) for path in done.replaced}
    _say_stopped(stop([worker for worker in before if worker.script in replaced])[0])
    if not compile_code():
        context.talk("note: not all .pyc files could be written: a worker starts more slowly without them")
    for setting, variable in loaded.set_by.items():
        if variable.startswith("N2K_") and variable != "N2K_DIR":
            context.talk(f"warning: {variable} is set here, but web servers do not see it: set {setting!r} in {SETTINGS_FILE}")
    _warn(context, web_dir)
    url = likely_url(web_dir)
    context.talk(f"now try: curl '{url}health' (it says 'alive'), then: n2k --dir {data_dir} doctor {url}")


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
    from n2k_fcgi.deploy.removal import take_away  # late: for --remove only

    done = take_away(web_dir)
    for path in done.removed:
        click.echo(f"removed: {path}")
    for path in done.changed:
        click.echo(f"block removed from: {path}")
    _say_stopped(done.stopped)
    if done.left:
        context.talk(
            f"note: workers {', '.join(map(str, done.left))} belong to another user or are busy: they end within two minutes"
        )
    if not (done.removed or done.changed or done.stopped or done.left):
        click.echo(f"nothing of 'n2k deploy' is in {web_dir}")
