"""Lookups without HTTP, of two data directories in turns: what an answer takes more of the second one's processor time."""

import gc
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from n2k_fcgi import open_directory
from n2k_fcgi.model.avatar import Avatar
from tests.bench.importing import N2K
from tests.bench.measure import children_seconds

ROUNDS = 10
STARTS = 20
"""Cold starts of each."""


class Pair(NamedTuple):
    """Medians of the first and of the second, and of the differences between both of each round."""

    first: float
    second: float
    more: float


def lookups(first: Path, second: Path, texts: list[str]) -> Pair:
    """Microseconds of processor time of a lookup, of user and system together; each text is looked up once in each.

    Ends the benchmark if one is not found, or if the directories disagree.
    """
    each = max(1, len(texts) // ROUNDS)
    taken: list[tuple[float, float]] = []
    with open_directory(first) as one, open_directory(second) as other:
        for number in range(ROUNDS):
            asked = texts[number * each : (number + 1) * each]
            if number % 2:
                in_other, in_one = _timed(other.find, asked), _timed(one.find, asked)
            else:
                in_one, in_other = _timed(one.find, asked), _timed(other.find, asked)
            if [avatar and avatar.key for avatar in in_one[1]] != [avatar and avatar.key for avatar in in_other[1]]:
                raise SystemExit("the directories give different answers")
            if None in in_one[1]:
                raise SystemExit("a name or key was not found")
            taken.append((in_one[0], in_other[0]))
    return _pair(taken)


def _timed(find: Callable[[str], Avatar | None], asked: list[str]) -> tuple[float, list[Avatar | None]]:
    gc.collect()
    started = time.process_time()
    found = [find(text) for text in asked]
    return (time.process_time() - started) / len(asked) * 1e6, found


def cold_starts(first: Path, second: Path, text: str) -> tuple[Pair, Pair]:
    """Milliseconds of one command that looks *text* up: wall time, and processor time."""
    taken = [(_cold(first, text), _cold(second, text)) for _ in range(STARTS)]
    return _pair([(one[0], other[0]) for one, other in taken]), _pair([(one[1], other[1]) for one, other in taken])


def _cold(data: Path, text: str) -> tuple[float, float]:
    before, started = children_seconds(), time.perf_counter()
    subprocess.run([*N2K, "--dir", str(data), "lookup", text], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000, (children_seconds() - before) * 1000


def _pair(taken: list[tuple[float, float]]) -> Pair:
    return Pair(median(one for one, _ in taken), median(other for _, other in taken), median(b - a for a, b in taken))
