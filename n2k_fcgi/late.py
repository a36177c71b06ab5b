"""Imports that wait for their first use, where a host limits a process's address space (``ulimit -v``)."""

ROOM = 20 * 1024 * 1024
"""Bytes of addresses: Loguru and Werkzeug take 14 MB each (measured), and something must be left to answer with."""


def refuse_without_room() -> None:
    """Raise MemoryError unless there is room for a large import.

    One that fails half way keeps what it took, and leaves a worker too little to go on with.
    """
    bytes(ROOM)  # asked for and given back; never touched, so it costs no memory
