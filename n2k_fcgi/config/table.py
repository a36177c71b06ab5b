"""The settings: their types, defaults and documentation, in one table."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.config import values
from n2k_fcgi.model.choices import LogLevel, OnConflict, Permission, Sync
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from n2k_fcgi.model.grids import Grid

KIB = 1024
MIB = 1024 * 1024

RATE = values.rate(128 * KIB, 1024 * MIB)
"""The setting io, and the option."""


class Settings(NamedTuple):
    """The value in force of every setting. ``TABLE`` has the defaults and the documentation."""

    data_dir: str
    log_file: str
    log_level: LogLevel
    log_rotate: int
    log_keep: int
    default_grid: str
    grids: tuple[Grid, ...]
    max_grids: int
    register: Permission
    on_conflict: OnConflict
    keep_days: int
    keep_places: bool
    keep: int
    max_bad: float
    max_shrink: float
    rebuild: float
    write_limit: int
    token_limit: int
    failure_limit: int
    session_hours: int
    trusted_proxies: tuple[str, ...]
    max_pending: int
    search: Permission
    csv: Permission
    csv_streams: int
    metrics: Permission
    update_source: str
    update_token: str
    update_stall: int
    update_time: int
    update_size: int
    update_tries: int
    update_stream: bool
    io: int
    max_body: int
    kv_max_value: int
    kv_sync: Sync
    kv_log: int
    map_resident: int
    share_with_group: bool
    url: str
    contact: str

    @property
    def folder(self) -> Path:
        """``data_dir`` as a Path."""
        from pathlib import Path  # late: its import takes longer than a lookup, which does without it

        return Path(self.data_dir)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the known grids."""
        return tuple(grid.label for grid in self.grids)


class Setting(NamedTuple):
    """One row of the table. ``parse`` raises ValueError with the values that it takes."""

    name: str
    parse: Callable[[str], Any]
    default: str
    meaning: str
    is_secret: bool = False
    """Whether its value must never be shown."""


TABLE: tuple[Setting, ...] = (
    Setting("data_dir", values.path, "~/n2k-data", "The data directory. Never below a web root or on a network filesystem."),
    Setting("log_file", values.log_file, "", "Where to log: a path, '-' for standard error; empty: log/n2k.log in data_dir."),
    Setting("log_level", values.choice_of(LogLevel), "INFO", "DEBUG shows each lookup's duration."),
    Setting("log_rotate", values.size(4 * KIB, 1024 * MIB), "5M", "Size at which a log file is rotated to .1."),
    Setting("log_keep", values.whole(0, 100), "4", "Number of rotated log files to keep."),
    Setting("default_grid", values.grid, PRODUCTION, "The grid of requests that name no grid."),
    Setting(
        "grids",
        values.grids,
        "Production, Testing, OpenSim",
        "Labels of the known grids; `Label=Shard` where X-SecondLife-Shard differs from the label.",
    ),
    Setting("max_grids", values.whole(0, 10_000), "64", "Number of further grids that callers may create by registering."),
    Setting("register", values.choice_of(Permission), "token", "Who may register: anyone, holders of a token, no caller."),
    Setting(
        "on_conflict",
        values.choice_of(OnConflict),
        "refuse",
        "A known name registered with another key, outside Second Life: refuse it, or let the newest key have the name.",
    ),
    Setting(
        "keep_days",
        values.whole(0, 36_500),
        "0",
        "Days after which a capture that was not seen again is dropped, by the nightly run or a purge; 0: never.",
    ),
    Setting(
        "keep_places",
        values.flag,
        "yes",
        "Whether a capture keeps the region and the object that reported it. With no, stored ones go as with keep_days.",
    ),
    Setting("keep", values.whole(1, 100), "2", "Number of generations to keep, including the live one."),
    Setting("max_bad", values.percent, "1", "Percentage of bad lines above which a dump is rejected."),
    Setting(
        "max_shrink",
        values.percent,
        "10",
        "Percentage of rows fewer than in the previous dump above which a dump is rejected.",
    ),
    Setting(
        "rebuild",
        values.percent,
        "10",
        "Percentage of a whole generation's avatars above which an import writes a whole one, not differences; 0: always.",
    ),
    Setting("write_limit", values.whole(1, 1_000_000), "600", "Registrations and other writes per minute from one address."),
    Setting("token_limit", values.whole(1, 1_000_000), "600", "Writes per minute with one token that has no rate of its own."),
    Setting(
        "failure_limit",
        values.whole(1, 1_000_000),
        "30",
        "Failed authentications per minute from one address before 429.",
    ),
    Setting(
        "session_hours", values.whole(1, 720), "12", "Hours after which a session of the status page ends, if nothing ended it."
    ),
    Setting(
        "trusted_proxies",
        values.networks,
        "",
        "Addresses or networks of your own proxies, whose X-Forwarded-For or Forwarded is trusted; empty: none.",
    ),
    Setting("max_pending", values.whole(0, 1_000_000), "10000", "Number of pending keys to keep for a resolver."),
    Setting(
        "search",
        values.choice_of(Permission),
        "open",
        "Who may search for names by their beginning: anyone, holders of a token with the scope read, no caller.",
    ),
    Setting(
        "csv",
        values.choice_of(Permission),
        "token",
        "Who may download /name2key.csv: anyone, holders of a token with the scope csv or read, no caller.",
    ),
    Setting("csv_streams", values.whole(1, 1000), "1", "Simultaneous downloads of /name2key.csv; further ones get 429."),
    Setting(
        "metrics",
        values.choice_of(Permission),
        "off",
        "Who may read /metrics, the counts for Prometheus: anyone, holders of a token with the scope metrics, no caller.",
    ),
    Setting("update_source", values.source, "", "The URL or file that `n2k update` imports by default."),
    Setting(
        "update_token",
        values.token,
        "",
        "Token that `n2k update` sends as X-N2K-Token to the host of its URL, for the csv of another n2k.",
        is_secret=True,
    ),
    Setting("update_stall", values.whole(1, 3600), "60", "Seconds without data after which a download counts as broken."),
    Setting("update_time", values.whole(1, 172_800), "7200", "Seconds that a whole download may take, retries included."),
    Setting("update_size", values.size(1 * KIB, 1024 * 1024 * MIB), "4G", "Maximum size of a download, still packed."),
    Setting("update_tries", values.whole(1, 20), "5", "Maximum number of connections per download; a broken one is resumed."),
    Setting("update_stream", values.flag, "no", "Import while downloading, without storing the dump (`--stream`)."),
    Setting(
        "io",
        RATE,
        "0",
        "Bytes per second that `n2k import` and `n2k update` read and write at most, in one process (`--io`); 0: no limit.",
    ),
    Setting(
        "max_body",
        values.size(1 * KIB, 64 * MIB),
        "128K",
        "Maximum size of a request body; mod_fcgid's is 131072 bytes.",
    ),
    Setting(
        "kv_max_value",
        values.size(1, 16 * MIB),
        "64K",
        "Maximum size of a value of the key-value service; max_body and the web server's limit hold, too.",
    ),
    Setting(
        "kv_sync",
        values.choice_of(Sync),
        "always",
        "When a write of the key-value service is on disk. always: before the answer; meta: a power cut may lose the last "
        "moments, never the file; off: a power cut may cost the whole file, for caches.",
    ),
    Setting(
        "kv_log",
        values.whole(0, 10_000_000),
        "10000",
        "Number of changes that the log of each namespace keeps; at times it has up to 100 more.",
    ),
    Setting(
        "map_resident",
        values.size(4 * MIB, 64 * 1024 * MIB),
        "64M",
        "Resident memory at which a worker reopens its map, so that the host's watchdog does not kill it.",
    ),
    Setting(
        "share_with_group",
        values.flag,
        "no",
        "Let the group read and write the files, where cron and the server run as different users.",
    ),
    Setting("url", values.url, "", "Public address of this service; `n2k lsl` and the pages write it into scripts."),
    Setting(
        "contact",
        values.contact,
        "",
        "Whom avatars write to who want to leave, or to know what is kept about them: a line of text, or an address with "
        "https:, mailto: or secondlife:, of which the pages make a link. Everybody can read it there.",
    ),
)
