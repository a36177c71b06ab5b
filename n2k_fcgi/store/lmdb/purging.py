"""Generations without hidden avatars: a published file is never written again, so it is copied without them and replaced.

A whole generation and the differences against it are one family: they are replaced together, since the differences name
their base. New copies are published first, then the live one is switched, then the old ones go. A kill between two steps
leaves two families, of which the next purge removes one.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

from n2k_fcgi.files import refuse_when_low
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.renderings import NameForm, form_of
from n2k_fcgi.store.lmdb.building.data_file import Contents, DataFile
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, pack_name, pack_spelling, unpack_names, unpack_records, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generation_folders import REPLACED
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMAT, FORMER, HELD, HISTORY, KEYS, NAMES

ROWS = 10_000
"""Rows of one step: read, filtered, appended in one transaction."""

Hides = Callable[[bytes, str, str], bool]
"""Whether the avatar of a key, a grid and a canonical name is hidden."""


def drop_hidden(generations: Generations, hides: Hides, cleaned: Callable[[Manifest], Manifest]) -> dict[str, int]:
    """Rewrite all generations; return how many names were dropped from each. See ``store.base.Store.purge``."""
    generations.close()
    purge = _Purge(generations, hides, cleaned)
    purge.finish_killed()
    return {name: dropped for base in purge.bases() for name, dropped in purge.family(base).items()}


class _Purge:
    def __init__(self, generations: Generations, hides: Hides, cleaned: Callable[[Manifest], Manifest]) -> None:
        self._generations = generations
        self._sizes = generations.sizes or Sizes()
        self._hides = hides
        self._cleaned = cleaned

    def bases(self) -> list[str]:
        """The names of all whole generations, and of differences without their base: these cannot be opened, which is told."""
        names = self._generations.names()
        return [name for name in names if self._generations.base_of(name) not in names]

    def _members(self, base: str) -> list[str]:
        """A whole generation and the differences against it."""
        return [base, *(name for name in self._generations.names() if self._generations.base_of(name) == base)]

    def finish_killed(self) -> None:
        """Remove what a killed purge left twice: the old family if all of it was copied, else the copies.

        A night may have been built on either family since: what is live, or a base of something that stays, is not removed.
        """
        for base, copy in product(self.bases(), self.bases()):
            suffix = copy.removeprefix(base)
            names = self._generations.names()
            if not suffix or suffix.strip(REPLACED) or not copy.startswith(base) or not {base, copy} <= set(names):
                continue
            old = self._members(base)
            copies = [name + suffix for name in old if name + suffix in names]
            if len(copies) == len(old):
                self._supersede(old, suffix)
            else:
                self._remove_unneeded(copies)

    def _remove_unneeded(self, names: list[str]) -> None:
        stay = [name for name in self._generations.names() if name not in names]
        live = self._generations.current_name()
        needed = {live, *map(self._generations.base_of, [live, *stay] if live else stay)}
        self._generations.remove_all(name for name in names if name not in needed)

    def family(self, base: str) -> dict[str, int]:
        """Replace a family if any of it has hidden avatars; return how many names were dropped from each of its members."""
        members = self._members(base)
        if not any(self._has_hidden(name) for name in members):
            for name in members:
                manifest = self._generations.manifest(name)
                if self._cleaned(manifest) != manifest:
                    self._generations.rewrite(self._cleaned(manifest))
            return dict.fromkeys(members, 0)
        suffix = self._free_suffix(members)
        try:
            dropped = {name: self._rewritten(name, base, suffix) for name in members}
        finally:
            for name in members:
                self._generations.discard(name + suffix)  # a copy that was not finished
        self._supersede(members, suffix)
        return dropped

    def _free_suffix(self, members: list[str]) -> str:
        """Return what the names of copies end with: a letter, or several where other copies have such names."""
        names, suffix = self._generations.names(), REPLACED
        while any(name + suffix in names for name in members):
            suffix += REPLACED
        return suffix

    def _supersede(self, members: list[str], suffix: str) -> None:
        """Make the new copy of the live one live, if it is among *members*; remove these, the base last."""
        live = self._generations.current_name()
        if live in members:
            self._generations.use(live + suffix)
        self._generations.remove_all(members)

    def _has_hidden(self, name: str) -> bool:
        with contextlib.closing(self._generations.open(name)) as generation:
            keep = _Filter(generation, self._hides)
            return any(
                keep.is_hidden(database, *row)
                for database in (KEYS, HISTORY, NAMES, FORMER, HELD)
                for rows in generation.own_chunks(database, ROWS)
                for row in rows
            )

    def _rewritten(self, name: str, base: str, suffix: str) -> int:
        """Publish a copy of a generation without hidden avatars; return how many names it has not."""
        fresh, manifest = name + suffix, self._generations.manifest(name)
        with contextlib.ExitStack() as stack:
            generation = stack.enter_context(contextlib.closing(self._generations.open(name)))
            lower = None
            if name != base:
                lower = stack.enter_context(contextlib.closing(self._generations.open(base + suffix)))
            folder = self._generations.building(fresh)
            data = stack.enter_context(contextlib.closing(DataFile(folder, self._generations.modes, self._sizes.first_map)))
            copies = {
                database: self._copy(generation, lower, data, database) for database in (KEYS, NAMES, HISTORY, FORMER, HELD)
            }
            keys = copies[KEYS]
            contents = Contents(
                origins=generation.origins,
                counts=[keys.origins[number] for number in range(len(generation.origins))],
                names=copies[NAMES].entries,
                keys=keys.entries,
                past=generation.past,
                own=generation.own.sizes.get("own", 0),
                former_origins=generation.former_origins,
                base=None if lower is None else (lower.name, lower.own.id),
            )
            size = data.finish(contents)
        made = self._cleaned(manifest)._replace(
            name=fresh,
            format=FORMAT,
            rows=sum(contents.counts),
            names=contents.names,
            keys=contents.keys,
            former=sum(copies[HISTORY].origins.values()),
            bytes=size,
            conflicts=copies[NAMES].conflicts,
            base="" if lower is None else lower.name,
        )
        self._generations.finish(made)
        return manifest.rows + manifest.former - made.rows - made.former

    def _copy(self, generation: Generation, lower: Generation | None, data: DataFile, database: bytes) -> "_Copied":
        """Copy the rows of a file's database; count those of the generation, which has the other rows of *lower*."""
        filtering = _Filter(generation, self._hides)
        copied = _Copied(0, Counter(), 0)
        grids = [origin.grid for origin in generation.origins]
        if lower is not None:
            below_conflicts = self._generations.manifest(lower.name).conflicts if database == NAMES else 0
            copied = _Copied(lower.entries(database), _origins_of(lower, database), below_conflicts)
        for rows in generation.own_chunks(database, ROWS):
            refuse_when_low(self._generations.data_dir, self._sizes.reserve)
            kept: dict[bytes, bytes] = {}
            for db_key, value in rows:
                below = None if lower is None else lower.get(database, db_key)
                value = filtering.without_hidden(database, db_key, value)
                if value or below or (lower is not None and self._has_another_part(generation, database, db_key)):
                    kept[db_key] = value
                copied = copied.changed(database, grids, below or b"", value)
            data.append(database, list(kept), list(kept.values()))
        return copied

    def _has_another_part(self, generation: Generation, database: bytes, db_key: bytes) -> bool:
        """Whether an answer of which only the first part is empty has more: a lookup asks for the first part first."""
        other = {NAMES: FORMER, KEYS: HISTORY}.get(database)
        value = None if other is None else generation.own.get(other, db_key)
        return bool(value) and bool(_Filter(generation, self._hides).without_hidden(other or b"", db_key, value or b""))


class _Copied(NamedTuple):
    """What a generation has of one database."""

    entries: int
    origins: Counter[int]
    """Records by the number of their origin."""
    conflicts: int
    """Names of more than one key on one grid."""

    def changed(self, database: bytes, grids: list[str], before: bytes, after: bytes) -> "_Copied":
        """Return the same with another value of one db_key; b'': none. *grids*: by the number of their origin."""
        conflicts = self.conflicts
        if database != HELD:
            old, new = _numbers(database, before), _numbers(database, after)
            self.origins.subtract(old)
            self.origins.update(new)
            if database == NAMES:
                conflicts += _is_conflict(new, grids) - _is_conflict(old, grids)
        return self._replace(entries=self.entries + bool(after) - bool(before), conflicts=conflicts)


def _is_conflict(numbers: list[int], grids: list[str]) -> bool:
    return len({grids[number] for number in numbers}) < len(numbers)


def _numbers(database: bytes, value: bytes) -> list[int]:
    if database in (NAMES, FORMER):
        return list(value[::NAME_RECORD])
    return [number for number, _ in unpack_spellings(value)]


def _origins_of(generation: Generation, database: bytes) -> Counter[int]:
    """Count the records of a whole generation: current names are counted in it, former ones are few."""
    if database == KEYS:
        return Counter(dict(enumerate(generation.own.sizes["origins"])))
    found: Counter[int] = Counter()
    for rows in generation.chunks(database, ROWS) if database == HISTORY else ():  # nobody asks for those of names
        for _, value in rows:
            found.update(_numbers(database, value))
    return found


class _Filter:
    """Finds hidden avatars in raw values."""

    def __init__(self, generation: Generation, hides: Hides) -> None:
        self._generation = generation
        self._hides = hides
        self._grids = [origin.grid for origin in generation.origins]

    def is_hidden(self, database: bytes, db_key: bytes, value: bytes) -> bool:
        """Whether any avatar in *value* is hidden."""
        hides, grids = self._hides, self._grids
        if database == HELD:
            return bool(value) and hides(value, PRODUCTION, db_key.decode())
        if database in (KEYS, HISTORY):
            return any(hides(db_key, grids[n], canonical(text.decode())) for n, text in unpack_spellings(value))
        form = db_key.decode()
        return any(hides(key, grids[n], form) for n, key in unpack_names(value, self._generation.record))

    def without_hidden(self, database: bytes, db_key: bytes, value: bytes) -> bytes:
        """Return what is left, in the newest format; b'': nothing."""
        hides, grids = self._hides, self._grids
        if database == HELD:
            return b"" if self.is_hidden(database, db_key, value) else value
        if database in (KEYS, HISTORY):
            return b"".join(
                pack_spelling(number, text)
                for number, text in unpack_spellings(value)
                if not hides(db_key, grids[number], canonical(text.decode()))
            )
        form = db_key.decode()
        return b"".join(
            pack_name(number, key, known)
            for number, key, known in self._records(database, db_key, value)
            if not hides(key, grids[number], form)
        )

    def _records(self, database: bytes, name: bytes, value: bytes) -> list[tuple[int, bytes, int]]:
        """Unpack a value; before format 3, whose records have no form, that follows from the spelling."""
        if self._generation.record == NAME_RECORD:
            return unpack_records(value)
        spellings = KEYS if database == NAMES else HISTORY
        return [
            (number, key, self._form(name, number, self._generation.get(spellings, key)))
            for number, key in unpack_names(value, self._generation.record)
        ]

    def _form(self, name: bytes, number: int, spellings: bytes | None) -> int:
        for other, spelling in unpack_spellings(spellings or b""):
            if other == number and canonical(spelling.decode()).encode() == name:
                return form_of(spelling, name)
        return NameForm.OTHER
