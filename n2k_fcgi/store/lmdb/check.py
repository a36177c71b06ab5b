"""The consistency check: both directions agree, counts match the manifest. One pass per index; memory is bounded."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from n2k_fcgi.errors import N2KError, StoreDamaged, counted
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import KEY_BYTES, format_key
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.base import HiddenSet
from n2k_fcgi.store.lmdb.captures import Captures
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, unpack_names, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMER, HELD, HISTORY, KEYS, NAMES

NULL = bytes(KEY_BYTES)

HIDDEN = "(hidden)"
"""Shown instead of the key and the name of a hidden avatar."""


class Shown:
    """How a line shows keys and names; *hidden* None: it is not known which are hidden, so none is shown."""

    def __init__(self, hidden: HiddenSet | None, grids: Iterable[str]) -> None:
        self._hidden = hidden
        self._grids = tuple(grids)

    def pair(self, key: bytes, name: bytes | str) -> tuple[str, str]:
        """A key and a name that belong together."""
        text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
        hidden, form = self._hidden, canonical(text)
        if hidden is None or hidden.hides_key(key) or any(hidden.hides_name(grid, form) for grid in self._grids):
            return HIDDEN, HIDDEN
        return format_key(key), repr(text)

    def name(self, name: bytes, keys: Iterable[bytes] = ()) -> str:
        """A canonical name that leads to *keys*."""
        return HIDDEN if any(self.pair(key, name)[1] == HIDDEN for key in (NULL, *keys)) else repr(name)


def check_generations(generations: Generations, hidden: HiddenSet | None) -> Iterator[str]:
    """Check every generation; yield one line per problem. None of them names the *hidden* (None: any avatar)."""
    generations.close()
    told: set[str] = set()
    for name in generations.names():
        try:
            manifest, generation = generations.manifest(name), generations.open(name)
        except N2KError as error:
            if name in generations.names() and str(error) not in told:  # else it was pruned meanwhile, or is a base of several
                yield str(error)
            told.add(str(error))
            continue
        try:
            try:
                generation.refuse_changed()
            except StoreDamaged as error:
                yield str(error)
            for problem in check_generation(generation, manifest, hidden):
                yield f"{name}: {problem}"
        finally:
            generation.close()
    live = generations.current_name()
    if live and live not in generations.names() and live == generations.current_name():
        yield f"CURRENT names {live}, which is not there"


def check_generation(generation: Generation, manifest: Manifest, hidden: HiddenSet | None) -> Iterator[str]:
    """Compare names with keys, former with history, and both with the manifest."""
    shown = Shown(hidden, generation.grids)
    yield from _check_pair(generation, NAMES, KEYS, said=manifest.rows, shown=shown)
    yield from _check_pair(generation, FORMER, HISTORY, said=manifest.former, shown=shown)
    yield from _check_holders(generation, shown)
    for what, database, said in (("name", NAMES, manifest.names), ("key", KEYS, manifest.keys)):
        found = generation.entries(database)
        if found != said:
            yield f"{counted(found, what)}, the manifest says {said}"


def _check_pair(generation: Generation, by_name: bytes, by_key: bytes, *, said: int, shown: Shown) -> Iterator[str]:
    """Every record of one index must be in the other; then equal counts mean that both directions agree."""
    named = 0
    origins = generation.origins
    for db_key, value in generation.rows(by_name):
        if not value or len(value) % generation.record:
            yield f"{by_name.decode()}: {shown.name(db_key)} has a value of {counted(len(value), 'byte')}"
            continue
        records = unpack_names(value, generation.record)
        named += len(records)
        if any(origin >= len(origins) for origin, _ in records):
            named_so = shown.name(db_key, (key for _, key in records))
            yield f"{by_name.decode()}: {named_so} names an origin that is not there"
    spelled = 0
    names = _Names(generation, by_name)
    for key, value in generation.rows(by_key):
        if len(key) != KEY_BYTES:
            yield f"{by_key.decode()}: a key of {counted(len(key), 'byte')}"
            continue
        for origin, spelling in unpack_spellings(value):
            spelled += 1
            if origin >= len(origins):
                who, name = shown.pair(key, spelling)
                yield f"{by_key.decode()}: {who} is {name}, by an origin that is not there"
            elif not names.has(spelling, origins[origin].grid, key):
                who, name = shown.pair(key, spelling)
                yield f"{who} is {name}, but that name does not lead back"
    if not named == spelled == said:
        yield f"{counted(named, 'record')} in {by_name.decode()}, {spelled} in {by_key.decode()}, the manifest says {said}"


def _check_holders(generation: Generation, shown: Shown) -> Iterator[str]:
    """The holder of a name has it, or had it."""
    for name, key in generation.rows(HELD) if generation.has(HELD) else ():
        values = [generation.get(database, name) or b"" for database in (NAMES, FORMER)]
        if not any(key == other for value in values for _, other in unpack_names(value, generation.record)):
            who, named_so = shown.pair(key, name)
            yield f"held: {named_so} is said to be of {who}, which never had it"


class _Names:
    """An index by name, asked for pairs. A name of very many keys is unpacked once, not once per key."""

    MANY = 64 * NAME_RECORD
    """Bytes of the value of a name that has very many keys."""

    def __init__(self, generation: Generation, by_name: bytes) -> None:
        self._generation = generation
        self._by_name = by_name
        self._pairs_of_many = lru_cache(maxsize=8)(self._pairs)

    def has(self, spelling: bytes, grid: str, key: bytes) -> bool:
        """Whether the name leads to *key* on *grid*."""
        value = self._generation.get(self._by_name, canonical(spelling.decode()).encode())
        if value is None or len(value) % self._generation.record:
            return False
        return (grid, key) in (self._pairs(value) if len(value) < self.MANY else self._pairs_of_many(value))

    def _pairs(self, value: bytes) -> set[tuple[str, bytes]]:
        origins = self._generation.origins
        known = len(origins)  # a record of another origin is a problem of its own
        return {(origins[origin].grid, key) for origin, key in unpack_names(value, self._generation.record) if origin < known}


def check_captures(captures: Captures, hidden: HiddenSet | None) -> Iterator[str]:
    """Every capture is found by its names, and every name leads to a key that has it."""
    names = {name: set(keys) for name, keys in captures.names()}
    expected: dict[str, set[bytes]] = {}
    grids = set()
    for stored in captures.all_stored():
        key = stored.capture.key
        grids.add(stored.capture.grid)
        for name in (stored.capture.name, *(former for former, _ in stored.former)):
            expected.setdefault(canonical(name), set()).add(key)
    shown = Shown(hidden, {PRODUCTION, *grids})
    for name in sorted(names.keys() | expected.keys()):
        for key in expected.get(name, set()) - names.get(name, set()):
            who, named_so = shown.pair(key, name)
            yield f"captures: {who} is or was {named_so}, but that name does not lead to it"
        for key in names.get(name, set()) - expected.get(name, set()):
            who, named_so = shown.pair(key, name)
            yield f"captures: {named_so} leads to {who}, which never had that name"
