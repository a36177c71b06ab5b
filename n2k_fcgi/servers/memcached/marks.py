"""When this process last read which key: for the flags ``h`` and ``l``. It is not stored, so that a read never writes."""

from n2k_fcgi.model.keyvalue.entry import Entry

MOST_MARKS = 10_000
"""Keys that are remembered; the ones that were read first are forgotten first."""


class Marks:
    """The reads of a server. Times are Unix milliseconds."""

    def __init__(self) -> None:
        self._read: dict[bytes, tuple[int, int]] = {}  # key: version, when

    def __len__(self) -> int:
        return len(self._read)

    def note(self, entry: Entry, now: int) -> None:
        """The entry was read, or its time was set, *now*."""
        read = self._read
        read.pop(entry.key, None)
        read[entry.key] = entry.version, now
        if len(read) > MOST_MARKS:
            del read[next(iter(read))]

    def was_read(self, entry: Entry) -> bool:
        """Whether the entry was read since it was stored, as far as is remembered."""
        mark = self._read.get(entry.key)
        return mark is not None and mark[0] == entry.version

    def idle_seconds(self, entry: Entry, now: int) -> int:
        """Seconds since it was read, or stored."""
        mark = self._read.get(entry.key)
        last = mark[1] if mark is not None and mark[0] == entry.version else entry.version // 1000
        return max(0, now // 1000 - last // 1000)
