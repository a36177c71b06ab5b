"""``n2k check``: does the data agree with itself?"""

from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from n2k_fcgi.cli.context import Context, pass_context
from n2k_fcgi.errors import CheckFailed, N2KError
from n2k_fcgi.store.lmdb.check import check_captures, check_generations

Result = TypeVar("Result")


@click.command("check")
@pass_context
def command(context: Context) -> None:
    """Check every generation and the captures; print each problem. Exit code 48 when there is one.

    Both directions must agree, and the counts must match the manifest. Reads everything: 10 million rows take minutes. Who
    asked to be forgotten is named in no line.

    Example: n2k check
    """
    store = context.store
    parted = _told(store.captures.lock_problem)  # first: the next use makes the lock file anew
    hidden = _told(store.forgotten.hidden)
    parts = (
        check_generations(store.generations, hidden),
        [parted] if parted else [],
        check_captures(store.captures, hidden),
    )
    counts = [_print(problems) for problems in parts]
    if any(counts):
        raise CheckFailed(count=sum(counts), what=_advice(is_generation=counts[0] > 0, is_captures=counts[2] > 0))
    context.talk("no problems found")


def _told(ask: Callable[[], Result]) -> Result | None:
    """What *ask* gives; None of a file that cannot be read, which its own check says."""
    try:
        return ask()
    except N2KError:
        return None


def _print(problems: Iterable[str]) -> int:
    count = 0
    for problem in problems:
        count += 1
        click.echo(problem)
    return count


def _advice(*, is_generation: bool, is_captures: bool) -> str:
    lines = ["go back with 'n2k generations use', or import again"] * is_generation
    lines += ["put a backup of captures.mdb in its place (docs/storage.md)"] * is_captures
    return "; ".join(lines) or "see above"
