"""What all connections of a memcached server share."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.servers.limits import Counters
from n2k_fcgi.servers.limits import most_connections as descriptors_allow
from n2k_fcgi.servers.memcached.batch import MOST_HELD, Batch
from n2k_fcgi.servers.memcached.marks import Marks
from n2k_fcgi.servers.memcached.names import Names
from n2k_fcgi.servers.memcached.stats import Stats, lines, version_line
from n2k_fcgi.servers.memcached.text import Terms
from n2k_fcgi.service.keyvalue.space import KeyValueSpace, Reader

Authorise = Callable[[str], bool]
"""Returns whether a token may only read. Raises N2KError if it may not even do that."""

MOST_AT_ONCE = 100
"""Keys that one transaction reads, and one command writes, at most."""


_EMPTY = (b"items", b"slabs", b"cachedump")
"""What is told of memcached's memory: nothing."""


class Options(NamedTuple):
    """What the owner chose."""

    namespace: str
    version: str
    """Of this program, for ``version`` and ``stats``."""
    read_only: bool = False
    most_connections: int | None = None
    """None: as many as the descriptors of the process allow."""
    idle: float | None = None
    """Seconds after which a connection that asks nothing is closed; None: never."""
    authorise: Authorise | None = None
    """None: who can connect needs no token."""
    counted: Callable[[str], None] = lambda name: None
    """Adds one to a counter (``store.counts``)."""
    names: Names | None = None
    """The part of the keys that the directory answers; None: none."""


class Server:
    """The namespace, and what is counted and remembered of it in this process."""

    def __init__(self, space: KeyValueSpace, options: Options, counters: Counters) -> None:
        self.space = space
        self.options = options
        self.counters = counters
        self.stats = Stats()
        self.marks = Marks()
        self._clock = lambda: space.now
        self.batch = Batch(space, options.counted)
        self.version = version_line(options.version)
        self.input_held = 0
        """Bytes of half commands in all connections."""
        self.long_reads = 0
        """Answers that are being read in parts."""
        self.most_at_once = max(1, min(MOST_AT_ONCE, MOST_HELD // max(1, space.max_value)))
        allowed = descriptors_allow() - 1  # one is kept for telling that there are no more
        self.most_connections = min(allowed, options.most_connections or allowed)

    @property
    def is_full(self) -> bool:
        """Whether there is no place for one more connection."""
        return self.stats.curr_connections >= self.most_connections

    def terms(self, *, read_only: bool) -> Terms:
        """What commands depend on now; *read_only*: for this connection."""
        is_read_only = read_only or self.options.read_only
        space = self.space
        return Terms(
            now=space.now,
            clock=self._clock,
            max_value=space.max_value,
            most_written=self.most_at_once,
            read_only=is_read_only,
            marks=self.marks,
        )

    def entries(self, keys: Sequence[bytes], state: Reader | None = None) -> list[Entry | None]:
        """Read keys, all from one state; *state*: from this one. Raises the errors of the store."""
        found = (state or self.space).entries(keys)
        self.count_reads(found)
        return found

    def count_reads(self, found: Sequence[Entry | None]) -> None:
        """Count keys that were read."""
        misses = found.count(None)
        self.stats.cmd_get += len(found)
        self.stats.get_misses += misses
        self.stats.get_hits += len(found) - misses

    def told(self, words: list[bytes]) -> bytes:
        """The answer to ``stats``. Raises the errors of the store."""
        kind = words[1] if len(words) > 1 else b""
        if kind == b"":
            return lines(self.stats.general(self.options.version, self.space.space(), self.most_connections))
        if kind == b"reset":
            self.stats.reset()
            return b"RESET\r\n"
        if kind == b"settings":
            return lines(self._settings())
        if kind == b"sizes":
            return lines([("sizes_status", "disabled")])
        return lines([]) if kind in _EMPTY else b"ERROR\r\n"

    def _settings(self) -> list[tuple[str, object]]:
        options = self.options
        return [
            ("maxbytes", self.space.terms().quota),
            ("maxconns", self.most_connections),
            ("evictions", "off"),
            ("num_threads", 1),
            ("cas_enabled", "yes"),
            ("item_size_max", self.space.max_value),
            ("idle_timeout", int(options.idle or 0)),
            ("flush_enabled", "no" if options.read_only else "yes"),
            ("auth_enabled_ascii", "yes" if options.authorise else "no"),
            ("binding_protocol", "ascii"),
            ("namespace", options.namespace),
            ("read_only", "yes" if options.read_only else "no"),
        ]

    def read_only_token(self, text: str) -> bool | None:
        """Return whether the token may only read; None: it gives no access. Raises nothing."""
        assert self.options.authorise is not None
        self.stats.auth_cmds += 1
        try:
            return self.options.authorise(text)
        except N2KError as problem:
            self.stats.auth_errors += 1
            logs.warning(f"refused a client of memcached: {problem}")
            return None
