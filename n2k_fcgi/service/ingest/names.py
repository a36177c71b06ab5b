"""The name index: sorted name lines, merged with the previous generation's, appended.

A name line is ``canonical`` TAB ``origin`` (2 digits) ``key`` (32 digits). The same lines also make the index of former
names, and say which records of the name index are no longer current.
"""

from binascii import unhexlify
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from n2k_fcgi.service.ingest.origins import Carried, OriginTable
from n2k_fcgi.service.ingest.runs import Index, Row, Runs, aligned
from n2k_fcgi.store.lmdb.builder import Builder
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, pack_name, unpack_names
from n2k_fcgi.store.lmdb.generation import Generation

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
    *,
    outdated: Runs | None = None,
    previous: Generation | None = None,
    replaced_grid: str | None = None,
) -> NameCounts:
    """Append all name lines to *database*, with what *previous* has there, without those of *outdated*.

    Of one name the record of the latest dump comes first, of one dump the later line. Previous records of
    *replaced_grid* are dropped unless a line brings them again.
    """
    index = carried = None
    if previous is not None:
        index = Index(partial(previous.rows, database), lambda name: name + b"\t", lambda sort_key: sort_key[:-1])
        carried = Carried(origins, previous.origins, replaced_grid)
    doomed = outdated.cursor() if outdated is not None else None
    names = records = conflicts = 0
    for lines, stored, end in aligned(runs, index):
        merged = _fresh(lines, origins)
        if carried is not None:
            _merge(merged, stored, origins, carried)
        if doomed is not None:
            _remove(merged, doomed.take(end), origins)
        rows = sorted(merged.items()) if stored else list(merged.items())
        builder.append(database, rows)
        names += len(rows)
        for _, value in rows:
            records += len(value) // NAME_RECORD
            if len(value) > NAME_RECORD:
                conflicts += _conflicts(value, origins)
        if previous is not None:
            previous.trim()
    return NameCounts(names, records, conflicts)


def _remove(merged: dict[bytes, bytes], lines: list[bytes], origins: OriginTable) -> None:
    """Take the records of *lines* out: the key has another name on that grid now."""
    for line in lines:
        name, record = line[: _RECORD - 1], unhexlify(line[_RECORD:])
        grid, key = origins.grid(record[0]), record[1:]
        value = merged.get(name, b"")
        kept = b"".join(r for r in _records(value) if r[1:] != key or origins.grid(r[0]) != grid)
        if kept:
            merged[name] = kept
        elif value:
            del merged[name]


def _merge(merged: dict[bytes, bytes], stored: list[Row], origins: OriginTable, carried: Carried) -> None:
    """Stored rows into those of the dump. Nearly all names are in both with one and the same key, or in one only."""
    confirmed = carried.confirmed
    get = merged.get
    for name, value in stored:
        new = get(name)
        if new is None:
            if old := _carry(value, carried):
                merged[name] = old
        elif new[1:] != value[1:] or new[0] or value[0] not in confirmed:
            old = _carry(value, carried)
            merged[name] = _ranked([*_records(old), *reversed(_records(new))], origins)


def _carry(value: bytes, carried: Carried) -> bytes:
    """A stored value with the new origin numbers; b"" when nothing of it stays."""
    return b"".join(pack_name(number, key) for old, key in unpack_names(value) if (number := carried.numbers[old]) is not None)


def _fresh(lines: list[bytes], origins: OriginTable) -> dict[bytes, bytes]:
    """Rows of sorted lines: in bulk when no name comes twice."""
    names = [line[: _RECORD - 1] for line in lines]
    values = unhexlify(b"".join([line[_RECORD:] for line in lines]))
    records = _records(values)
    rows = dict(zip(names, records, strict=True))
    if len(rows) < len(names):
        several: dict[bytes, list[bytes]] = {}
        for name, record in zip(names, records, strict=True):
            several.setdefault(name, []).append(record)
        for name, found in several.items():
            if len(found) > 1:
                rows[name] = _ranked(found, origins)
    return rows


def _records(value: bytes) -> list[bytes]:
    return [value[at : at + NAME_RECORD] for at in range(0, len(value), NAME_RECORD)]


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
