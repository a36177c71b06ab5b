"""The index of holders: of each contested name of Second Life, the key that keeps it."""

from collections.abc import Callable, Iterator
from itertools import islice

from n2k_fcgi.model.builds import Claims
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.renderings import NameForm
from n2k_fcgi.store.lmdb.building.merging import Merging
from n2k_fcgi.store.lmdb.building.runs import Runs
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, pack_name, unpack_names
from n2k_fcgi.store.lmdb.layout import HELD, NAMES

ROWS = 10_000
"""Holders that are appended in one transaction."""


class Holders:
    """Collects contested names, in *lines*, while the name indexes are built; then appends the index of their holders.

    *decide* chooses the key that keeps a name.
    """

    def __init__(self, lines: Runs, merging: Merging, decide: Callable[[Claims], bytes]) -> None:
        self._lines = lines
        self._data = merging.data
        self._origins = merging.origins
        self._previous = None if merging.replaced_grid == PRODUCTION else merging.previous
        self._decide = decide

    def look(self, database: bytes, names: list[bytes], values: list[bytes]) -> None:
        """Find the contested ones among rows of names or former; names come first."""
        if database == NAMES:
            rows: Iterator[tuple[bytes, bytes]] = (
                (name, value) for name, value in zip(names, values, strict=True) if len(value) > NAME_RECORD
            )
        else:
            rows = ((name, (self._data.get(NAMES, name) or b"") + value) for name, value in zip(names, values, strict=True))
        for name, value in rows:
            keys = [key for origin, key in unpack_names(value, NAME_RECORD) if self._origins.grid(origin) == PRODUCTION]
            if len(set(keys)) > 1:
                before = self._previous.holder(name.decode()) if self._previous is not None else None
                decided = self._decide(Claims(name.decode(), keys, before))
                self._lines.add([name + pack_name(0, decided, NameForm.OTHER)])

    def build(self) -> None:
        """Append the holders."""
        for _, _, names, records in self._lines.ranges():
            # Of a name that was found among current and former ones, the later finding knew both.
            holders = {name: record[1 : 1 + KEY_BYTES] for name, record in zip(names, records, strict=True)}
            rows = iter(holders.items())
            while part := list(islice(rows, ROWS)):
                self._data.append(HELD, [name for name, _ in part], [key for _, key in part])
