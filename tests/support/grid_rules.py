"""What kinds of grid impose on a script: throttles, time-outs, content types, headers; what their senses give.

Figures: the Second Life wiki's pages llHTTPRequest, LSL_Constants_HTTP, llSensor, llRequestAgentData and llGetAgentList,
captures of 2026, and OpenSimulator's source.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol


class Throttle(Protocol):
    """Says whether a request may leave at a time (seconds that never go back)."""

    def admit(self, now: float) -> bool:
        """Count a request at *now* and tell whether it may go."""


class Window:
    """At most *count* requests in any *seconds*; who exceeds it is refused until silent for *silence* seconds."""

    def __init__(self, count: int, seconds: float, silence: float = 0.0) -> None:
        self.count, self.seconds, self.silence = count, seconds, silence
        self._times: deque[float] = deque()
        self._refused: float | None = None

    def admit(self, now: float) -> bool:
        if self._refused is not None and now - self._refused < self.silence:
            self._refused = now
            return False
        self._refused = None
        while self._times and now - self._times[0] >= self.seconds:
            self._times.popleft()
        if len(self._times) >= self.count:
            self._refused = now
            return False
        self._times.append(now)
        return True


class Bucket:
    """*rate* requests a second, and *burst* at once after a rest."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._left, self._then = burst, 0.0

    def admit(self, now: float) -> bool:
        self._left = min(self.burst, self._left + (now - self._then) * self.rate)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def utf8(value: str) -> bytes:
    """A header's bytes in Second Life."""
    return value.encode()


def low_bytes(value: str) -> bytes:
    """The same in OpenSim: .NET keeps the low byte of each UTF-16 unit. Raises ValueError for control characters among them."""
    units = value.encode("utf-16-le")[::2]
    if any((unit < 0x20 and unit != 0x09) or unit == 0x7F for unit in units):
        raise ValueError("control character")
    return units


def ascii_only(value: str) -> bytes:
    """The same in its newer versions. Raises ValueError for anything beyond ASCII."""
    return value.encode("ascii")


@dataclass(frozen=True)
class Rules:
    """One kind of grid. None means: no such rule there."""

    shard: str
    agent_headers: dict[str, str]
    """What every request carries beside the X-SecondLife-* ones."""
    header: Callable[[str], bytes]
    """A header's value as it is sent. ValueError: no request leaves."""
    unsendable: int
    """The status a script hears then, with an empty body."""
    blocked: str
    """Networks that no request may go to, beside what the world's operator excepts: llHTTPRequest gives an empty key."""
    object_throttle: Callable[[], Throttle]
    owner_throttle: Callable[[], Throttle]
    timeout: float
    """Seconds until a script hears 499."""
    errors_a_minute: int | None
    """So many answers of 500 and more in 60 s, and the script's requests are refused."""
    content_types: re.Pattern[str] | None
    """Answers of other types reach the script as 415 without their body."""
    methods: frozenset[str] | None
    last_option: int
    """The highest HTTP_ constant that llHTTPRequest knows."""
    tells_truncation: bool
    unifies_line_ends: bool
    sensor_results: int
    """Avatars that a sensor finds at most, the nearest first."""
    name_throttle: Callable[[], Throttle]
    """Of an owner's questions for names: what exceeds it is never answered."""
    unknown_name: str | None
    """What dataserver says of a key that nobody has."""
    list_flags: int
    """The bits that llGetAgentList may be given beside a scope."""
    card_line: tuple[int | None, int | None]
    """Bytes, or letters, of a notecard's line at most."""


SECOND_LIFE = Rules(
    shard="Production",
    agent_headers={
        "User-Agent": "Second-Life-LSL/2026-01-06.20757451310 (https://secondlife.com)",
        "Accept": "text/*, application/xhtml+xml, application/atom+xml, application/json, application/xml, "
        "application/llsd+xml, application/x-javascript, application/javascript, "
        "application/x-www-form-urlencoded, application/rss+xml",
        "Accept-Charset": "utf-8;q=1.0, *;q=0.5",
        "Accept-Encoding": "gzip, br",
    },
    header=utf8,
    unsendable=499,
    blocked="",
    object_throttle=lambda: Window(25, 20.0, silence=40.0),
    owner_throttle=lambda: Window(1000, 20.0),
    timeout=60.0,
    errors_a_minute=5,
    content_types=re.compile(
        r"text/.*|application/((xhtml|atom|llsd|rss)\+xml|json|xml|(x-)?javascript|x-www-form-urlencoded)"
    ),
    methods=frozenset({"GET", "POST", "PUT", "DELETE"}),
    last_option=9,
    tells_truncation=True,
    unifies_line_ends=False,
    sensor_results=32,
    name_throttle=lambda: Bucket(1.9, 20.0),
    unknown_name=None,
    list_flags=0,
    card_line=(1024, None),
)

OPENSIM = Rules(
    shard="OpenSim",
    agent_headers={},
    header=low_bytes,
    unsendable=0,
    blocked="0.0.0.0/8|10.0.0.0/8|100.64.0.0/10|127.0.0.0/8|169.254.0.0/16|172.16.0.0/12|192.0.0.0/24|192.0.2.0/24|"
    "192.88.99.0/24|192.168.0.0/16|198.18.0.0/15|198.51.100.0/24|203.0.113.0/24|224.0.0.0/4|240.0.0.0/4",
    object_throttle=lambda: Bucket(1.0, 3.0),
    owner_throttle=lambda: Bucket(25.0, 5.0),
    timeout=30.0,
    errors_a_minute=None,
    content_types=None,
    methods=None,
    last_option=6,
    tells_truncation=False,
    unifies_line_ends=True,
    sensor_results=16,
    name_throttle=lambda: Bucket(1000.0, 1000.0),
    unknown_name="0",
    list_flags=0x4000000,
    card_line=(None, 255),
)

NEWER_OPENSIM = replace(OPENSIM, header=ascii_only, unsendable=499)
"""Its versions on .NET's newer HTTP client."""
