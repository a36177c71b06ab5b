"""Reading ahead in a thread: unpacking releases the interpreter's lock, so it runs beside parsing."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator

BLOCKS_AHEAD = 4
LOOK_EVERY = 1.0
"""Seconds between two checks that the thread lives: without memory it may end without reporting its error."""


class _Failed:
    """The error that the reader ended with."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def ahead(blocks: Iterator[bytes], interrupt: Callable[[], None]) -> Generator[bytes, None, None]:
    """Yield *blocks* while a thread reads the next ones; if no thread can be started, just yield them.

    The thread has ended when this is closed. *interrupt* is called if that is before the end, and ends a block that does not
    come. Close it: an exception keeps an iterator alive.
    """
    results: queue.Queue[bytes | _Failed | None] = queue.Queue(BLOCKS_AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_read, args=(blocks, results, stop), name="read ahead", daemon=True)
    is_waiting = True
    try:
        try:
            thread.start()  # a stop signal may come before it returns
        except RuntimeError:  # "can't start new thread": a host that limits them
            is_waiting = False
            yield from blocks
            return
        while not isinstance(item := _next(results, thread), _Failed | None):
            yield item
        is_waiting = False
        if isinstance(item, _Failed):
            raise item.error
    finally:
        stop.set()
        if is_waiting:
            interrupt()
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
