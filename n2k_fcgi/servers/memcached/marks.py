"""When this process last read which key: for the flags ``h`` and ``l``. It is not stored, so that a read never writes."""

from n2k_fcgi.model.keyvalue.entry import Entry

LEAST_MARKS = 10_000
"""Keys that were read last, which are remembered: twice as many at most."""


class Marks:
    """The reads of a server. Times are Unix milliseconds."""

    def __init__(self) -> None:
        self._recent: dict[bytes, tuple[int, int]] = {}  # key: version, when
        self._older: dict[bytes, tuple[int, int]] = {}  # forgotten together, since a dict's oldest key is slow to find

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def note(self, entry: Entry, now: int) -> None:
        """The entry was read, or its time was set, *now*."""
        recent = self._recent
        recent[entry.key] = entry.version, now
        if len(recent) >= LEAST_MARKS:
            self._older, self._recent = recent, {}

    def was_read(self, entry: Entry) -> bool:
        """Whether the entry was read since it was stored, as far as is remembered."""
        return self._when(entry) is not None

    def idle_seconds(self, entry: Entry, now: int) -> int:
        """Seconds since it was read, or stored."""
        when = self._when(entry)
        return max(0, now // 1000 - (entry.version // 1000 if when is None else when) // 1000)

    def _when(self, entry: Entry) -> int | None:
        mark = self._recent.get(entry.key) or self._older.get(entry.key)
        return mark[1] if mark is not None and mark[0] == entry.version else None
