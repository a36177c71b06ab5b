"""A small directory of made-up people, the same in every run: for the tests in a browser and for the pictures of the pages."""

import math
import time
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.store.datadir import COUNTED
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

RENAMED = "5d2c9f0e-41b7-4a63-8e15-9b7f30c4d821"
"""Has had three names."""
MET = "0c7a1e52-9d84-4f3b-a6c1-2e58f7b90d34"
"""Touched a registrar in-world."""
GONE = "e4b81f60-3c29-4d7a-9f05-6a1d8c72b593"
"""Has left: hidden everywhere."""
AT_HOME = "72f5d8b3-60ae-4c19-b2d7-15e94a3c8f06"
"""Lives on another grid, where any name goes."""

FORMER = ("Quiet Harbour", "Restless Star")
NOW = "Wandering Star"

DAY = 86_400
FIRST = 1_614_556_800
"""1 March 2021: the time of the first dump."""
SECOND = FIRST + 730 * DAY
LATEST = FIRST + 1900 * DAY

HOSTILE = {
    "a0000000-0000-4000-8000-000000000001": "<script>alert(1)</script>",
    "a0000000-0000-4000-8000-000000000002": "<img src=x onerror=alert(1)>",
    "a0000000-0000-4000-8000-000000000003": "ab\"'><svg onload=alert(1)>",
    "a0000000-0000-4000-8000-000000000004": "{{ 7 * 7 }} </title><b>bold",
    "a0000000-0000-4000-8000-000000000005": "javascript:alert(1) &lt;b&gt;",
    "a0000000-0000-4000-8000-000000000006": "=SUM(A1)",
}
"""Key -> what OpenSimulator permits as a name."""

OF_THE_WORLD = {
    "b0000000-0000-4000-8000-000000000001": "נועה כהן",
    "b0000000-0000-4000-8000-000000000002": "مها الشامي",
    "b0000000-0000-4000-8000-000000000003": "🦊 Fennec",
    "b0000000-0000-4000-8000-000000000004": "山田 花子",
    "b0000000-0000-4000-8000-000000000005": "Élodie Straße",
}
"""Key -> names that are written from right to left, or with letters that few fonts have."""

_NEIGHBOURS = (
    *("Amber Waverider", "Basil Thornwood", "Clover Mistral", "Dorian Lakeshore", "Ember Nightingale", "Fable Winterbourne"),
    *("Starla Moonbeam", "Starling Brook", "Starlit Resident"),
)


def crowd(count: int) -> list[tuple[str, str]]:
    """Return *count* rows of people whose names begin with ``Crowd``, in the order of their names."""
    return [(f"c0000000-0000-4000-8000-{number:012d}", f"Crowd Member{number:05d}") for number in range(count)]


def settle(data_dir: Path, *, crowded: int = 0) -> None:
    """Fill a fresh data directory, with *crowded* more people."""
    box = Sandbox(data_dir)
    neighbours = [(str(uuid5(NAMESPACE_DNS, name)), name) for name in _NEIGHBOURS]
    known = [(MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden"), (USERNAME, "Username Resident")]
    try:
        for as_of, name in zip((FIRST, SECOND, LATEST), (*FORMER, NOW), strict=True):
            rows = [*known, *neighbours, (RENAMED, name), (GONE, "Gone Away"), *crowd(crowded)]
            box.import_text(csv(*rows), as_of=as_of)
        elsewhere = [(AT_HOME, "Ada Homestead"), *HOSTILE.items(), *OF_THE_WORLD.items()]
        box.import_text(csv(*elsewhere), grid="OpenSim", as_of=LATEST)
        source = Source(region="Plum Meadow (256000, 256512)", object_key="6f1f0d3c-8a52-4b7e-9c40-d15e72a8b396")
        box.record(MET, "Juniper Vale", LATEST - 40 * DAY, source=source)
        box.record(MET, "Juniper Vale", LATEST + 3 * DAY, source=source)
        box.forget_name("gone.away", "Production")
    finally:
        box.close()


def be_busy(data_dir: Path) -> None:
    """Have it count two weeks of made-up use, which end now: more by day than by night, in the afternoon most."""
    now, hour = int(time.time()), 3600
    lines = []
    for ago in range(14 * 24):
        at = now - ago * hour
        asked = 40 + round(300 * (1 + math.sin((at % 86_400) / 86_400 * 2 * math.pi - 2.4)) / 2) + ago * 7919 % 23
        missed, pages, seen = asked // 9, asked // 20, asked % 7
        counts = {
            "lookups.hit": asked - missed,
            "lookups.miss": missed,
            "grids.Production": asked - missed - asked // 12,
            "grids.OpenSim": asked // 12,
            "answers.lookup.200": asked,
            "answers.page.200": pages,
            "answers.search.200": pages * 2,
            "answers.register.200": seen,
            "registers.new": seen // 2,
            "registers.known": seen - seen // 2,
            "latency.lookup.7": asked * 3 // 4,
            "latency.lookup.8": asked // 5,
            "latency.lookup.11": asked // 20,
            "latency.page.13": pages,
            "microseconds.lookup": asked * 110,
            "microseconds.page": pages * 4000,
        }
        text = " ".join(
            [f"{at} fastcgi 4194304 {at - hour} 21000000 {asked}", *(f"{name}={n}" for name, n in counts.items() if n)]
        )
        lines.append(f"{len(text)}:{text}\n")
    path = data_dir / COUNTED
    path.write_text("".join(lines), "ascii")
    path.chmod(PRIVATE.file)
