"""Values for the tests of the contract."""

from n2k_fcgi.model.avatar import Capture, Source
from n2k_fcgi.model.names import PART_BYTES, canonical
from n2k_fcgi.model.observations import Observation
from n2k_fcgi.store.avatars import CaptureStore

KEYS = [n.to_bytes(16, "big") for n in range(1, 200)]
KEY, OTHER, THIRD = KEYS[:3]

HERE, THERE = "OpenSim", "grid.example.org:8002"
"""Two grids on which names may move."""

MOMENTS = [0, 1, 1_764_000_000, 2**31 - 1, 2**31, 2**40]
"""Unix seconds: the beginning, now, the end of 32 bits, the far future."""

NAMES = [
    "Masakazu Kojima",
    "x",
    "O'Neil-D'Arcy",
    "José Ångström",
    "Jose\u0301 A\u030angstro\u0308m",
    "Ярослав Мудрый",
    "名前 日本",
    "ـعلي محمد",
    "ẞTRASSE ﬁnd",
    "ǅungla İstanbul",
    "\U0001f600 \U00010400",
    "é" * (PART_BYTES // 2) + " " + "名" * (PART_BYTES // 3),
    "a" * PART_BYTES + " " + "b" * PART_BYTES,
    "mapping {} %s $name",
    "percent%20sign",
]
"""Scripts, both normal forms, letters that grow or shrink when folded, the longest parts, what formats read."""


def seen(
    key: bytes,
    name: str,
    grid: str = HERE,
    *,
    refuse: bool = True,
    source: Source | None = None,
    grids_left: int | None = None,
    by: str = "",
) -> Observation:
    """An observation."""
    return Observation(key, name, canonical(name), grid, source or Source(), refuse, grids_left, by)


def record(captures: CaptureStore, observation: Observation, now: int = 1) -> Capture:
    """Record one; raise what it was rejected for."""
    (result,) = captures.record([observation], now)
    if isinstance(result, Exception):
        raise result
    return result
