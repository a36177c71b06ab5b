"""The name index: sorted name lines, merged with the previous generation's, appended.

A name line is ``canonical`` TAB ``origin`` (2 digits) ``key`` (32 digits). The same lines also make the index of former
names, and say which records of the name index are no longer current.
"""

from binascii import unhexlify
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from n2k_fcgi.service.ingest.origins import OriginTable
from n2k_fcgi.service.ingest.runs import Runs, aligned
from n2k_fcgi.store.lmdb.builder import Builder
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, pack_name, unpack_names
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layout import NAMES

_RECORD = -2 * NAME_RECORD
NAME_SORT_KEY = itemgetter(slice(None, _RECORD))
"""The canonical name with its TAB, which sorts below every character of a name: lines sort as names do."""


class NameCounts(NamedTuple):
    """What a name index holds."""

    names: int
    records: int
    conflicts: int
    """Names of more than one key on one grid."""


def name_lines(canonicals: list[bytes], numbers: bytes | list[bytes], keys: list[bytes]) -> list[bytes]:
    """Name lines of a batch; *numbers* is one origin in two digits for all rows, or one each."""
    if isinstance(numbers, bytes):
        middle = b"\t" + numbers
        return [name + middle + key for name, key in zip(canonicals, keys, strict=True)]
    return [b"%b\t%b%b" % parts for parts in zip(canonicals, numbers, keys, strict=True)]


def build_names(
    runs: Runs,
    builder: Builder,
    database: bytes,
    origins: OriginTable,
    previous: Generation | None = None,
    replaced_grid: str | None = None,
) -> NameCounts:
    """Append all name lines to *database*, with what *previous* has there.

    Of one name the record of the latest dump comes first, of one dump the later line. Previous records of
    *replaced_grid* are dropped unless a line brings them again.
    """
    names = records = conflicts = 0
    for rows in _merged(runs, database, origins, previous, replaced_grid):
        builder.append(database, rows)
        names += len(rows)
        for _, value in rows:
            records += len(value) // NAME_RECORD
            if len(value) > NAME_RECORD:
                conflicts += _conflicts(value, origins)
    return NameCounts(names, records, conflicts)


def remove_names(runs: Runs, builder: Builder, origins: OriginTable) -> tuple[int, int]:
    """Take the records of all lines out of the name index; give how many (names, records) went."""
    names = records = 0
    for _, _, lines in runs.ranges():
        doomed: dict[bytes, set[tuple[str, bytes]]] = {}
        for line in lines:
            origin, key = unpack_names(unhexlify(line[_RECORD:]))[0]
            doomed.setdefault(line[: _RECORD - 1], set()).add((origins.grid(origin), key))
        rows: list[tuple[bytes, bytes | None]] = []
        for name, avatars in doomed.items():
            value = builder.get(NAMES, name) or b""
            kept = b"".join(pack_name(o, key) for o, key in unpack_names(value) if (origins.grid(o), key) not in avatars)
            if kept != value:
                records += (len(value) - len(kept)) // NAME_RECORD
                names += not kept
                rows.append((name, kept or None))
        builder.replace(NAMES, rows)
    return names, records


def _merged(
    runs: Runs, database: bytes, origins: OriginTable, previous: Generation | None, replaced_grid: str | None
) -> Iterator[list[tuple[bytes, bytes]]]:
    if previous is None:
        for _, _, lines in runs.ranges():
            yield _fresh(lines, origins)
        return
    earlier = previous  # for the closure: not None

    def stored(first: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        return earlier.rows(database, first[:-1], end and end[:-1])

    for lines, rows in aligned(runs, stored, lambda db_key: db_key + b"\t"):
        merged = dict(_fresh(lines, origins))
        for name, value in rows:
            old = [
                pack_name(origins.translated(origin), key)
                for origin, key in unpack_names(value)
                if replaced_grid is None or earlier.origins[origin].grid != replaced_grid
            ]
            if name in merged:
                merged[name] = _ranked([*old, *_reversed_records(merged[name])], origins)
            elif old:
                merged[name] = b"".join(old)
        yield sorted(merged.items())


def _fresh(lines: list[bytes], origins: OriginTable) -> list[tuple[bytes, bytes]]:
    """Rows of sorted lines: in bulk when no name comes twice."""
    names = [line[: _RECORD - 1] for line in lines]
    values = unhexlify(b"".join([line[_RECORD:] for line in lines]))
    records = [values[at : at + NAME_RECORD] for at in range(0, len(values), NAME_RECORD)]
    rows = dict(zip(names, records, strict=True))
    if len(rows) < len(names):
        several: dict[bytes, list[bytes]] = {}
        for name, record in zip(names, records, strict=True):
            several.setdefault(name, []).append(record)
        for name, found in several.items():
            if len(found) > 1:
                rows[name] = _ranked(found, origins)
    return list(rows.items())


def _reversed_records(value: bytes) -> list[bytes]:
    return [value[at : at + NAME_RECORD] for at in range(len(value) - NAME_RECORD, -1, -NAME_RECORD)]


def _ranked(records: list[bytes], origins: OriginTable) -> bytes:
    """Records in order of arrival -> the value: latest time first, of equal times the later arrival; no key twice a grid."""
    best: dict[tuple[str, bytes], tuple[int, int, bytes]] = {}
    for arrival, record in enumerate(records):
        origin, key = record[0], record[1:]
        rank = (origins.as_of(origin), arrival, record)
        identity = (origins.grid(origin), key)
        best[identity] = max(best.get(identity, rank), rank)
    return b"".join(record for _, _, record in sorted(best.values(), reverse=True))


def _conflicts(value: bytes, origins: OriginTable) -> int:
    grids = [origins.grid(origin) for origin, _ in unpack_names(value)]
    return 1 if len(set(grids)) < len(grids) else 0
