"""What ``stats`` tells: of this process since its start, and of the namespace now."""

import os
import resource
import struct
import time

from n2k_fcgi.store.keyvalue import Space

_TEXT_VERSION = "1.6.18"
"""The version of memcached whose text protocol is spoken: clients compare it with what they need."""


def version_line(version: str) -> bytes:
    """The answer to ``version``: memcached's first, then ours."""
    return f"VERSION {_TEXT_VERSION}-n2k-{version}\r\n".encode()


class Stats:
    """Counts since the start, or since ``stats reset``; named as memcached names them."""

    def __init__(self) -> None:
        self.started = time.time()
        self.curr_connections = 0
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        self.total_connections = self.rejected_connections = 0
        self.cmd_get = self.cmd_set = self.cmd_flush = self.cmd_touch = self.cmd_meta = 0
        self.get_hits = self.get_misses = 0
        self.auth_cmds = self.auth_errors = 0

    def general(self, version: str, space: Space, most_connections: int) -> list[tuple[str, object]]:
        """The lines of ``stats``."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        counted = (
            "cmd_get",
            "cmd_set",
            "cmd_flush",
            "cmd_touch",
            "cmd_meta",
            "get_hits",
            "get_misses",
            "auth_cmds",
            "auth_errors",
        )
        return [
            ("pid", os.getpid()),
            ("uptime", int(time.time() - self.started)),
            ("time", int(time.time())),
            ("version", f"{_TEXT_VERSION}-n2k-{version}"),
            ("pointer_size", struct.calcsize("P") * 8),
            ("rusage_user", f"{used.ru_utime:.6f}"),
            ("rusage_system", f"{used.ru_stime:.6f}"),
            ("max_connections", most_connections),
            ("curr_connections", self.curr_connections),
            ("total_connections", self.total_connections),
            ("rejected_connections", self.rejected_connections),
            *((name, getattr(self, name)) for name in counted),
            ("threads", 1),
            ("limit_maxbytes", space.quota),
            ("bytes", space.used),
            ("curr_items", space.keys),
            ("evictions", 0),
        ]


def lines(rows: list[tuple[str, object]]) -> bytes:
    """Return rows as an answer."""
    return "".join(f"STAT {name} {value}\r\n" for name, value in rows).encode() + b"END\r\n"
