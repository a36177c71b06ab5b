"""Leftovers of killed runs: hosts kill processes without a message, and the next run reports it."""

from collections.abc import Callable, Sequence

from n2k_fcgi import logs

Tell = Callable[[str], None]


def silently(_: str) -> None:
    """Ignore the line."""


def tell_unfinished(what: str, left: Sequence[str], tell: Tell) -> None:
    """Report and log that an earlier run of *what* left files or folders behind, *left*, now removed; [] is nothing."""
    if left:
        line = (
            f"{what} before this one was killed, perhaps because of a memory or time limit: nothing was lost, "
            f"its leftovers were removed ({', '.join(left)})"
        )
        logs.warning(line)
        tell(f"note: {line}")
