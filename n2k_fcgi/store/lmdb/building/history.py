"""Former names: those collected with the key index, merged with the previous generation's history."""

from collections.abc import Iterator

from n2k_fcgi.store.lmdb.building.data_file import DataFile
from n2k_fcgi.store.lmdb.building.merging import Merging
from n2k_fcgi.store.lmdb.building.one_key import KeyCounts, NameRules, Spelled, name_line
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
    data, numbers = merging.data, merging.carried(former=True).numbers
    rules = NameRules(merging.origins, merging.replaced_grid, KeyCounts())
    for db_keys, values, stored, _ in merging.stretches(outdated.ranges(), HISTORY):
        names: dict[bytes, list[Spelled]] = {
            key: [Spelled(numbers[old] or 0, spelling) for old, spelling in unpack_spellings(value)] for key, value in stored
        }
        for key, value in zip(db_keys, values, strict=True):
            names.setdefault(key, []).append(Spelled(value[0], value[2:]))
        found: dict[bytes, list[Spelled]] = {}
        for number, key in enumerate(sorted(names)):
            if spelled := rules.former(names[key], _current_names(key, data)):
                found[key] = spelled
            if number % TRIM_EVERY == 0:
                data.trim()
        data.append(HISTORY, list(found), [b"".join(pack_spelling(*s) for s in spelled) for spelled in found.values()])
        lines = [name_line(key, s) for key, spelled in found.items() for s in spelled]
        former.add(lines)
        records += len(lines)
    return records


def _current_names(key: bytes, data: DataFile) -> list[Spelled]:
    return [Spelled(*name) for name in unpack_spellings(data.get(KEYS, key) or b"")]
