"""The consistency check: both directions agree, counts match the manifest. Bounded memory, one pass an index."""

from collections.abc import Iterator

from n2k_fcgi.errors import N2KError, counted
from n2k_fcgi.model.keys import KEY_BYTES, format_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.base import Manifest
from n2k_fcgi.store.lmdb.captures import Captures
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, unpack_names, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMER, HELD, HISTORY, KEYS, NAMES


def check_all(generations: Generations, captures: Captures) -> Iterator[str]:
    """Check every generation and the captures; yield one line a problem."""
    generations.close()  # one environment a file and process
    for name in generations.names():
        try:
            manifest, generation = generations.manifest(name), generations.open(name)
        except N2KError as error:
            if name in generations.names():  # else it was pruned meanwhile
                yield str(error)
            continue
        try:
            for problem in check_generation(generation, manifest):
                yield f"{name}: {problem}"
        finally:
            generation.close()
    live = generations.current_name()
    if live and live not in generations.names() and live == generations.current_name():
        yield f"CURRENT names {live}, which is not there"
    parted = captures.lock_problem()
    if parted:
        yield parted
    for problem in check_captures(captures):
        yield f"captures: {problem}"


def check_generation(generation: Generation, manifest: Manifest) -> Iterator[str]:
    """Compare names with keys, former with history, and both with the manifest."""
    yield from _check_pair(generation, NAMES, KEYS, manifest.rows)
    yield from _check_pair(generation, FORMER, HISTORY, manifest.former)
    yield from _check_holders(generation)
    for what, database, said in (("name", NAMES, manifest.names), ("key", KEYS, manifest.keys)):
        found = generation.entries(database)
        if found != said:
            yield f"{counted(found, what)}, the manifest says {said}"


def _check_pair(generation: Generation, by_name: bytes, by_key: bytes, said: int) -> Iterator[str]:
    """Every record of one index must stand in the other; then equal counts make them agree in both directions."""
    named = 0
    origins = generation.origins
    for db_key, value in generation.rows(by_name):
        if not value or len(value) % NAME_RECORD:
            yield f"{by_name.decode()}: {db_key!r} has a value of {counted(len(value), 'byte')}"
            continue
        records = unpack_names(value)
        named += len(records)
        if any(origin >= len(origins) for origin, _ in records):
            yield f"{by_name.decode()}: {db_key!r} names an origin that is not there"
    spelled = 0
    for key, value in generation.rows(by_key):
        if len(key) != KEY_BYTES:
            yield f"{by_key.decode()}: a key of {counted(len(key), 'byte')}"
            continue
        for origin, spelling in unpack_spellings(value):
            spelled += 1
            if not _is_named(generation, by_name, spelling, origins[origin].grid, key):
                yield f"{format_key(key)} is {spelling.decode()!r}, but that name does not lead back"
    if not named == spelled == said:
        yield f"{counted(named, 'record')} in {by_name.decode()}, {spelled} in {by_key.decode()}, the manifest says {said}"


def _check_holders(generation: Generation) -> Iterator[str]:
    """Whoever holds a name has it, or had it."""
    for name, key in generation.rows(HELD) if generation.has(HELD) else ():
        values = [generation.get(database, name) or b"" for database in (NAMES, FORMER)]
        if not any(key == other for value in values for _, other in unpack_names(value)):
            yield f"held: {name.decode()!r} is said to be of {format_key(key)}, which never had it"


def _is_named(generation: Generation, by_name: bytes, spelling: bytes, grid: str, key: bytes) -> bool:
    value = generation.get(by_name, canonical(spelling.decode()).encode())
    if value is None:
        return False
    return any(key == other and generation.origins[origin].grid == grid for origin, other in unpack_names(value))


def check_captures(captures: Captures) -> Iterator[str]:
    """Every capture is found by its names, and every name leads to a key that has it."""
    names = {name: set(keys) for name, keys in captures.names()}
    expected: dict[str, set[bytes]] = {}
    for key, stored in captures.all_stored():
        for name in (stored.capture.name, *(former for former, _ in stored.former)):
            expected.setdefault(canonical(name), set()).add(key)
    for name in sorted(names.keys() | expected.keys()):
        missing = expected.get(name, set()) - names.get(name, set())
        extra = names.get(name, set()) - expected.get(name, set())
        for key in missing:
            yield f"{format_key(key)} is or was {name!r}, but that name does not lead to it"
        for key in extra:
            yield f"{name!r} leads to {format_key(key)}, which never had that name"
