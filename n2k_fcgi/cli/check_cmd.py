"""``n2k check``: the consistency check."""

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import CheckFailed, shown
from n2k_fcgi.store.stocktaking import Fault, Found, examined
from n2k_fcgi.wiring import log_path, mentions, modes_of


@click.command("check")
@pass_context
def command(context: Context) -> None:
    """Check every generation, the captures and the files; print each problem. Exit code 48 when there is one.

    Names must lead to keys and keys to names, the counts must match the manifest, no file may be missing, and each must
    have its mode. Files that do not belong to n2k are listed, but are not problems. Everything is read: 10 million rows take
    minutes. Avatars that asked to be forgotten are shown as (hidden).

    Example: n2k check
    """
    settings = context.settings
    files = list(examined(settings.folder, modes_of(settings), log_path(settings)))
    faults = [found for found in files if found.fault is not Fault.UNKNOWN]
    for found in faults:
        click.echo(f"{found.path} {found.fault.value}: {found.advice}")
    count = len(faults)
    advice: dict[str, None] = {}
    for finding in context.store.check():
        count += 1
        click.echo(finding.problem)
        if finding.advice:
            advice[finding.advice] = None
    _note_unknown(context, [found for found in files if found.fault is Fault.UNKNOWN])
    if count:
        raise CheckFailed(count=count, what="; ".join(advice) or "see above")
    context.talk("no problems found")


def _note_unknown(context: Context, unknown: list[Found]) -> None:
    """Name files that are not ours, without the names of avatars that asked to be forgotten."""
    without = mentions(context.store, context.settings).without if unknown else str
    for found in unknown:
        context.talk(f"note: {shown(without(found.path))} {found.fault.value}")
