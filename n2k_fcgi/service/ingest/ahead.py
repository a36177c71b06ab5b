"""Reading ahead in a thread: unpacking releases the interpreter's lock, so it runs beside parsing."""

import contextlib
import queue
import threading
from collections.abc import Iterator

BLOCKS_AHEAD = 4
LOOK_EVERY = 1.0
"""Seconds between two checks that the thread lives: without memory it may end without reporting its error."""


class _Failed:
    """The error that the reader ended with."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield *blocks* while a thread reads the next ones; if no thread can be started, just yield them."""
    results: queue.Queue[bytes | _Failed | None] = queue.Queue(BLOCKS_AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_read, args=(blocks, results, stop), name="read ahead", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # "can't start new thread": a host that limits them
        yield from blocks
        return
    try:
        while (item := _next(results, thread)) is not None:
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        stop.set()
        while thread.is_alive():
            _empty(results)
            thread.join(0.01)


def _read(blocks: Iterator[bytes], results: "queue.Queue[bytes | _Failed | None]", stop: threading.Event) -> None:
    try:
        for block in blocks:
            if stop.is_set():
                return
            results.put(block)
    except BaseException as error:  # noqa: BLE001 - raised again in the other thread
        with contextlib.suppress(MemoryError):
            results.put(_Failed(error))
    else:
        results.put(None)


def _next(results: "queue.Queue[bytes | _Failed | None]", thread: threading.Thread) -> bytes | _Failed | None:
    while True:
        was_alive = thread.is_alive()
        with contextlib.suppress(queue.Empty):
            return results.get(timeout=LOOK_EVERY if was_alive else 0)
        if not was_alive:
            raise MemoryError


def _empty(results: "queue.Queue[bytes | _Failed | None]") -> None:
    while not results.empty():
        results.get_nowait()
