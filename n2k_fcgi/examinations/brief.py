"""What can be found in a moment, for a page: a part of ``n2k doctor``."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.examinations import data, host, keyvalue, limits, statistics
from n2k_fcgi.examinations.host import QUOTA, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from n2k_fcgi.config import Settings
    from n2k_fcgi.model.findings import Finding
    from n2k_fcgi.store.base import Store

PATIENCE = 0.2
"""Seconds to wait for the writers of a namespace, each: a page must come."""

QUOTA_PATIENCE = 1.0
"""Seconds for the command ``quota``."""


class Brief:
    """The surroundings of a service: implements ``service.status.reading.Surroundings``."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def findings(self) -> list[Finding]:
        """All that is found without reading whole files, asking servers or a trial."""
        return list(self._findings())

    def _findings(self) -> Iterator[Finding]:
        settings, store = self._settings, self._store
        yield from data.directory_of(settings, store)
        yield from data.stopped_readers(store)
        yield data.generation(settings, store)
        yield from keyvalue.examine(settings, store, PATIENCE)
        yield from statistics.examine(settings, store)
        yield from limits.examine(data.live_bytes(store) + store.address_space())

    def room(self) -> int | None:
        """The bytes that the account's quota leaves; None: there is none, or none that can be read."""
        left = host.least(list(host.quota(QUOTA, QUOTA_PATIENCE)), Kind.ROOM)
        return left.amount if left else None
