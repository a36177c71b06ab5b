"""``n2k check``: does the data agree with itself?"""

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import CheckFailed
from n2k_fcgi.store.lmdb.check import check_all


@click.command("check")
@pass_context
def command(context: Context) -> None:
    """Check every generation and the captures; print each problem. Exit code 48 when there is one.

    Both directions must agree, and the counts must match the manifest. Reads everything: 10 million rows take minutes.

    Example: n2k check
    """
    count = 0
    for problem in check_all(context.store.generations, context.store.captures):
        count += 1
        click.echo(problem)
    if count:
        raise CheckFailed(count=count)
    context.talk("no problems found")
