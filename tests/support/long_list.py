"""The avatars of ``many_avatars``: NameNNNNNN Last with the key that ``key_of`` says."""

ROWS = 60_000
"""About 3 MB of text: more than all buffers between the worker and a caller that does not read."""


def key_of(number: int) -> str:
    """A key, in no order."""
    return f"{number * 2654435761 % 2**32:08x}-0000-0000-0000-{number:012x}"
