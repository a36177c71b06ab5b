"""Imports at first use, where a host limits the address space of a process (``ulimit -v``)."""

ROOM = 20 * 1024 * 1024
"""Bytes of address space: loguru and Werkzeug take 14 MB each (measured), and an answer needs some, too."""


def refuse_without_room() -> None:
    """Raise MemoryError unless a large import fits into the address space.

    An import that fails half way keeps what it took, which leaves the worker too little to go on.
    """
    bytes(ROOM)  # allocated and freed; never touched, so it costs no memory
