"""Doing things at once in a test."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def in_parallel(count: int, work: Callable[[int], Result]) -> list[Result]:
    """Call *work* with 0, 1, ... in threads of their own; the results in that order. Raises the first exception."""
    results: dict[int, Result] = {}
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            results[number] = work(number)
        except BaseException as failure:  # noqa: BLE001 - raised again in the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [results[number] for number in range(count)]
