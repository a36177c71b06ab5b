"""Former names: those collected with the key index, merged with the previous generation's history."""

from collections.abc import Iterator

from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.store.lmdb.building.data_file import DataFile
from n2k_fcgi.store.lmdb.building.keys import Spelled, form_of, name_line
from n2k_fcgi.store.lmdb.building.merging import Merging
from n2k_fcgi.store.lmdb.building.runs import Runs
from n2k_fcgi.store.lmdb.codec import pack_spelling, unpack_spellings
from n2k_fcgi.store.lmdb.layout import HISTORY, KEYS

TRIM_EVERY = 256
"""Keys looked up in the new index between two checks of memory: each may map 64 KB of it."""


def outdated_names(outdated: Runs) -> Iterator[list[bytes]]:
    """Yield the name lines of collected key lines, in bounded lists."""
    for _, _, db_keys, values in outdated.ranges():
        yield [name_line(key, Spelled(value[0], value[2:])) for key, value in zip(db_keys, values, strict=True)]


def build_history(outdated: Runs, former: Runs, merging: Merging) -> int:
    """Append the former names of every key, with the previous ones; collect their name lines in *former*.

    A name that is current (again) is not a former one, and an avatar that was removed has none. Returns the number of records.
    """
    records = 0
    data, origins, numbers = merging.data, merging.origins, merging.carried().numbers
    for db_keys, values, stored, _ in merging.stretches(outdated.ranges(), HISTORY):
        names: dict[bytes, list[Spelled]] = {
            key: [Spelled(numbers[old] or 0, spelling) for old, spelling in unpack_spellings(value)] for key, value in stored
        }
        for key, value in zip(db_keys, values, strict=True):
            names.setdefault(key, []).append(Spelled(value[0], value[2:]))
        found: dict[bytes, list[Spelled]] = {}
        for number, key in enumerate(sorted(names)):
            if spelled := _former_names(key, names[key], data, origins):
                found[key] = spelled
            if number % TRIM_EVERY == 0:
                data.trim()
        data.append(HISTORY, list(found), [b"".join(pack_spelling(*s) for s in spelled) for spelled in found.values()])
        lines = [name_line(key, s) for key, spelled in found.items() for s in spelled]
        former.add(lines)
        records += len(lines)
    return records


def _former_names(key: bytes, names: list[Spelled], data: DataFile, origins: OriginTable) -> list[Spelled]:
    """Return the latest of *names* per canonical name and grid, without the current ones, oldest first."""
    current = {origins.grid(origin): canonical(name.decode()) for origin, name in _current_names(key, data)}
    latest: dict[tuple[str, str], Spelled] = {}
    for spelled in names:
        grid, form = origins.grid(spelled.origin), form_of(spelled)
        if current.get(grid, form) == form:
            continue
        rival = latest.get((grid, form))
        if rival is None or origins.as_of(rival.origin) <= origins.as_of(spelled.origin):
            latest[grid, form] = spelled
    return sorted(latest.values(), key=lambda spelled: origins.as_of(spelled.origin))


def _current_names(key: bytes, data: DataFile) -> list[tuple[int, bytes]]:
    value = data.get(KEYS, key)
    return unpack_spellings(value) if value else []
