"""Reading ahead in a thread: unpacking lets go of the interpreter's lock, so it runs beside parsing."""

import contextlib
import queue
import threading
from collections.abc import Iterator

BLOCKS_AHEAD = 4
LOOK_EVERY = 1.0
"""Seconds between two looks whether the thread lives: without memory it may be unable to say what it ended with."""


class _Failed:
    """What the reader ended with."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield *blocks* while a thread reads the next ones; where no thread can be started, just yield them."""
    room: queue.Queue[bytes | _Failed | None] = queue.Queue(BLOCKS_AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_read, args=(blocks, room, stop), name="read ahead", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # "can't start new thread": a host that counts them
        yield from blocks
        return
    try:
        while (item := _next(room, thread)) is not None:
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        stop.set()
        while thread.is_alive():
            _empty(room)
            thread.join(0.01)


def _read(blocks: Iterator[bytes], room: "queue.Queue[bytes | _Failed | None]", stop: threading.Event) -> None:
    try:
        for block in blocks:
            if stop.is_set():
                return
            room.put(block)
    except BaseException as error:  # noqa: BLE001 - handed over whole and raised by the reader
        with contextlib.suppress(MemoryError):
            room.put(_Failed(error))
    else:
        room.put(None)


def _next(room: "queue.Queue[bytes | _Failed | None]", thread: threading.Thread) -> bytes | _Failed | None:
    while True:
        was_alive = thread.is_alive()
        with contextlib.suppress(queue.Empty):
            return room.get(timeout=LOOK_EVERY if was_alive else 0)
        if not was_alive:
            raise MemoryError


def _empty(room: "queue.Queue[bytes | _Failed | None]") -> None:
    while not room.empty():
        room.get_nowait()
