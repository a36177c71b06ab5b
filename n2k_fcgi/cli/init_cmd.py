"""``n2k init``: make a data directory, a settings file and the first token."""

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.config import SECTION, TABLE
from n2k_fcgi.deploy.webroot import web_root_around
from n2k_fcgi.errors import BadSetting
from n2k_fcgi.examinations.data import permissions
from n2k_fcgi.files import NETWORK_FILE_SYSTEMS, PRIVATE, create, file_system, replace
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.findings import Verdict
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.datadir import SETTINGS_FILE, TOKEN_FILE, is_data_directory
from n2k_fcgi.wiring import modes_of


@click.command("init")
@pass_context
def command(context: Context) -> None:
    """Make the data directory, its settings file and a first token.

    Existing files are kept. The token is written to the file 'token': scripts register avatars with it, and you download
    the csv. A folder that a web server serves is refused.

    Example: n2k init
    """
    data_dir = context.settings.folder
    root = web_root_around(data_dir)
    if root == data_dir.resolve() and not is_data_directory(data_dir):
        why = "it is a web folder: use another one for the data, and this one with 'n2k deploy'"
        raise BadSetting(name="data_dir", where=data_dir, why=why)
    context.make_directory()
    if root is not None:
        context.talk(f"warning: the data is below the web root {root}: move it elsewhere, and name it with --dir")
    access = permissions(context.settings)
    if access.verdict != Verdict.OK:
        context.talk(f"warning: {access.text}: {access.advice}")
    kind = file_system(data_dir)
    if kind in NETWORK_FILE_SYSTEMS:
        context.talk(f"warning: {data_dir} is on {kind}: LMDB loses data on network file systems, use a local disk")
    mode = modes_of(context.settings).file
    settings_file, token_file = data_dir / SETTINGS_FILE, data_dir / TOKEN_FILE
    if create(settings_file, _settings_text().encode(), mode):
        context.talk(f"settings: {settings_file}")
    if not context.store.tokens.tokens():
        new = create_token(context.store.tokens, (Scope.REGISTER, Scope.CSV))
        replace(token_file, f"{new.text}\n".encode(), PRIVATE.file)
        context.talk(f"token for your scripts: in {token_file} (keep it secret; 'n2k token' makes and revokes others)")
    click.echo(data_dir)


def _settings_text() -> str:
    lines = [
        f"[{SECTION}]",
        "# Remove the '#' before a setting to change it; an edit takes effect within a second.",
        "# The data directory is the folder of this file.",
    ]
    for setting in TABLE:
        if setting.name != "data_dir":
            lines += ["", f"# {setting.meaning}", f"#{setting.name} = {setting.default}"]
    return "\n".join(lines) + "\n"
