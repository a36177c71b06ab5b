"""The name index, and that of former names: sorted name lines, merged with the previous generation's, appended."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.model.renderings import NameForm, form_of
from n2k_fcgi.store.lmdb.building.holders import Holders
from n2k_fcgi.store.lmdb.building.merging import Carried, Merging
from n2k_fcgi.store.lmdb.building.runs import Cursor, Range
from n2k_fcgi.store.lmdb.building.stretches import Merged, Row
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, pack_name, unpack_names, unpack_spellings
from n2k_fcgi.store.lmdb.layout import KEYS


class NameCounts(NamedTuple):
    """The contents of a name index."""

    names: int
    records: int
    conflicts: int
    """Names of more than one key on one grid."""
    origins: Counter[int]
    """Records by the number of their origin."""


def build_names(
    ranges: Iterable[Range], database: bytes, merging: Merging, holders: Holders, *, outdated: Cursor | None = None
) -> NameCounts:
    """Append all name lines to *database*, with the previous rows there, without those of *outdated*.

    Of one name the record of the latest dump comes first, of one dump the later line; *holders* finds the contested names
    of Second Life. Previous records of the replaced grid are dropped unless a line has them again.
    """
    origins, carried = merging.origins, merging.carried(dropping=merging.replaced_grid)
    names = records = conflicts = 0
    numbers: Counter[int] = Counter()
    for stretch in merging.stretches(ranges, database):
        db_keys, values = stretch.db_keys, stretch.values
        doomed, doomed_records = outdated.take(stretch.end) if outdated is not None else ([], [])
        if doomed or stretch.needs_merging:
            merged = Merged(stretch)
            if merged.has_repeated:
                _gather(merged, db_keys, values, origins)
            if stretch.stored:
                _merge(merged, stretch.stored, merging, carried)
            _remove(merged, doomed, doomed_records, origins)
            db_keys, values = merged.columns()
        merging.data.append(database, db_keys, values)
        holders.look(database, db_keys, values)
        names += len(db_keys)
        found = b"".join(values)[::NAME_RECORD]
        records += len(found)
        numbers.update(found)
        conflicts += sum(_has_conflict(value, origins) for value in values if len(value) > NAME_RECORD)
    return NameCounts(names, records, conflicts, numbers)


def _gather(merged: Merged, db_keys: list[bytes], values: list[bytes], origins: OriginTable) -> None:
    """Give repeated names all their records."""
    several: dict[bytes, list[bytes]] = {}
    for name, record in zip(db_keys, values, strict=True):
        several.setdefault(name, []).append(record)
    for name, found in several.items():
        if len(found) > 1:
            merged.put(name, _ranked(found, origins))


def _merge(merged: Merged, stored: list[Row], merging: Merging, carried: Carried) -> None:
    """Merge stored rows. Nearly all names have the same key in the dump and stored, or are in one of them only."""
    get, origins = merged.new.get, merging.origins
    previous = merging.previous
    assert previous is not None
    record = previous.record
    if 0 in carried.confirmed:  # merging a stored record of origin 0 with the same record changes nothing
        stored = [row for row in stored if get(row[0], b"")[:record] != row[1] or row[1][0] or len(row[1]) > record]
    for name, value in stored:
        new = merged.get(name)
        old = [
            pack_name(number, key, _form(merging, name, key, origins.grid(number)))
            for old_number, key in unpack_names(value, record)
            if (number := carried.numbers[old_number]) is not None
        ]
        if new is not None:
            merged.put(name, _ranked([*reversed(old), *reversed(_records(new))], origins))
        elif old:
            merged.put(name, b"".join(old))


def _form(merging: Merging, name: bytes, key: bytes, grid: str) -> int:
    """Return the form of a name that is carried over, from the finished index of keys."""
    for origin, spelling in unpack_spellings(merging.data.get(KEYS, key) or b""):
        if merging.origins.grid(origin) == grid:
            return form_of(spelling, name)
    return NameForm.OTHER  # its record is removed: the key has no name there


def _remove(merged: Merged, db_keys: list[bytes], records: list[bytes], origins: OriginTable) -> None:
    """Remove records: the key has another name on that grid now."""
    for name, record in zip(db_keys, records, strict=True):
        grid, key = origins.grid(record[0]), record[1 : 1 + KEY_BYTES]
        value = merged.get(name)
        if value:
            kept = b"".join(r for r in _records(value) if r[1 : 1 + KEY_BYTES] != key or origins.grid(r[0]) != grid)
            merged.put(name, kept or None)


def _records(value: bytes) -> list[bytes]:
    return [value[at : at + NAME_RECORD] for at in range(0, len(value), NAME_RECORD)]


def _ranked(records: list[bytes], origins: OriginTable) -> bytes:
    """Order records, given in order of arrival: latest time first, of equal times the later arrival; each key once per grid."""
    best: dict[tuple[str, bytes], tuple[int, int, bytes]] = {}
    for arrival, record in enumerate(records):
        origin, key = record[0], record[1 : 1 + KEY_BYTES]
        rank = (origins.as_of(origin), arrival, record)
        identity = (origins.grid(origin), key)
        best[identity] = max(best.get(identity, rank), rank)
    return b"".join(record for _, _, record in sorted(best.values(), reverse=True))


def _has_conflict(value: bytes, origins: OriginTable) -> bool:
    grids = [origins.grid(origin) for origin in value[::NAME_RECORD]]
    return len(set(grids)) < len(grids)
