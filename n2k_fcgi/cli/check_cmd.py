"""``n2k check``: does the data agree with itself?"""

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import CheckFailed


@click.command("check")
@pass_context
def command(context: Context) -> None:
    """Check every generation and the captures; print each problem. Exit code 48 when there is one.

    Both directions must agree, and the counts must match the manifest. Reads everything: 10 million rows take minutes. Who
    asked to be forgotten is named in no line.

    Example: n2k check
    """
    count = 0
    advice: dict[str, None] = {}
    for finding in context.store.check():
        count += 1
        click.echo(finding.problem)
        if finding.advice:
            advice[finding.advice] = None
    if count:
        raise CheckFailed(count=count, what="; ".join(advice) or "see above")
    context.talk("no problems found")
