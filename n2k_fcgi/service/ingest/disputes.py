"""Names that several avatars of Second Life claim: the one that had it first keeps it.

In Second Life a name never passes to another account, and scripts pay money by these answers; so a later dump that says
otherwise is not believed, whether the first holder still has the name or was renamed. ``--replace`` begins anew.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.service.ingest.runs import Runs
from n2k_fcgi.store.lmdb.builder import Builder
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, pack_name, unpack_names
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layout import FORMER, HELD, NAMES

MOVES_SHOWN = 100
"""Refused claims that are reported one by one."""


class Move(NamedTuple):
    """A name that the dump gives to another key than the one that had it, and keeps."""

    name: str
    """Canonical."""
    holder: bytes
    key: bytes


class Disputes:
    """Collects disputed names while the name indexes are built, in *lines*; then builds the index of their holders.

    *previous*: the generation before, unless its avatars of Second Life are replaced.
    """

    def __init__(self, lines: Runs, builder: Builder, origins: OriginTable, previous: Generation | None) -> None:
        self.moves: list[Move] = []
        """The first MOVES_SHOWN."""
        self._lines = lines
        self._builder = builder
        self._origins = origins
        self._previous = previous

    def look(self, database: bytes, names: list[bytes], values: list[bytes]) -> None:
        """Find the disputed ones among rows of names or former; names come first."""
        if database == NAMES:
            rows: Iterator[tuple[bytes, bytes]] = (
                (name, value) for name, value in zip(names, values, strict=True) if len(value) > NAME_RECORD
            )
        else:
            rows = ((name, (self._builder.get(NAMES, name) or b"") + value) for name, value in zip(names, values, strict=True))
        for name, value in rows:
            keys = [key for origin, key in unpack_names(value) if self._origins.grid(origin) == PRODUCTION]
            if len(set(keys)) > 1:
                self._settle(name, keys, is_former=database == FORMER)

    def _settle(self, name: bytes, keys: list[bytes], *, is_former: bool) -> None:
        before = self._previous.holder(name.decode()) if self._previous is not None else None
        holder = before if before in keys else keys[0]
        assert holder is not None
        self._lines.add([name + pack_name(0, holder)])
        if holder != keys[0] and len(self.moves) < MOVES_SHOWN:
            move = Move(name.decode(), holder, keys[0])
            if not (is_former and move in self.moves):  # found among the current names already
                self.moves.append(move)

    def build(self) -> None:
        """Append the holders."""
        for _, _, names, records in self._lines.ranges():
            # Of a name that was found among current and former ones, the later finding knew both.
            holders = {name: record[1:] for name, record in zip(names, records, strict=True)}
            rows = iter(holders.items())
            while part := list(islice(rows, 10_000)):
                self._builder.append(HELD, [name for name, _ in part], [key for _, key in part])
