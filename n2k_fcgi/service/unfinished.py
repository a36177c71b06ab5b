"""What a killed run left: hosts end processes without a word, and the next run says so."""

from collections.abc import Callable, Sequence

from n2k_fcgi import logs

Tell = Callable[[str], None]


def silently(_: str) -> None:
    """Tell nobody."""


def tell_unfinished(what: str, left: Sequence[str], tell: Tell) -> None:
    """Say, and log, that an earlier run of *what* left the files or folders *left* behind, which are removed; [] is nothing."""
    if left:
        line = (
            f"{what} before this one was killed before it was done, perhaps for its memory or its time: nothing was lost, "
            f"what it left is removed ({', '.join(left)})"
        )
        logs.warning(line)
        tell(f"note: {line}")
