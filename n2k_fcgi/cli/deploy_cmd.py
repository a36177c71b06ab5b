"""``n2k deploy``: onto a web host with Apache, by a script and a block in .htaccess."""

from pathlib import Path

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.config import FILE_NAME
from n2k_fcgi.servers.deployment import Deployment, compile_code, deploy, likely_url


@click.command("deploy")
@click.argument("web_dir", metavar="WEBDIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", default="dispatch.fcgi", show_default=True, help="The script's file name.")
@pass_context
def command(context: Context, web_dir: Path, name: str) -> None:
    """Serve from the folder WEBDIR of a web host: write dispatch.fcgi and a marked block in .htaccess there.

    Your own lines in .htaccess stay. Nothing else in WEBDIR can be fetched any more, but certificate renewal goes on.
    Run it again after an update: the web server starts the new code with the next request.

    Example: n2k --dir ~/n2k-data deploy ~/example.com/n2k
    """
    loaded = context.loaded
    data_dir = loaded.settings.data_dir
    config = loaded.file if loaded.stamp and loaded.file != data_dir / FILE_NAME else None
    for written in deploy(Deployment(web_dir.absolute(), data_dir, name, config and config.absolute())):
        click.echo(f"{'wrote' if written.changed else 'unchanged'}: {written.path}")
    if not compile_code():
        context.talk("note: not all .pyc files could be written: a worker starts more slowly without them")
    for setting, origin in loaded.origins.items():
        if origin.startswith("N2K_") and origin != "N2K_DIR":
            context.talk(f"warning: {origin} is set here, but web servers do not see it: set {setting!r} in {FILE_NAME}")
    url = likely_url(web_dir)
    context.talk(f"now try: curl '{url}health' (it says 'alive'), then: n2k --dir {data_dir} doctor {url}")
