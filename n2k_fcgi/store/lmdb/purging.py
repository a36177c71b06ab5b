"""Generations without hidden avatars: a published file is never written again, so it is copied without them and replaced."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

from n2k_fcgi.files import refuse_when_low
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.lmdb.building.data_file import DataFile
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.codec import pack_name, pack_spelling, unpack_names, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generation_folders import REPLACED
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMAT, FORMER, HELD, HISTORY, KEYS, NAMES

ROWS = 10_000
"""Rows of one step: read, filtered, appended in one transaction."""

Hides = Callable[[bytes, str, str], bool]
"""Whether the avatar of a key, a grid and a canonical name is hidden."""


def drop_hidden(generations: Generations, name: str, hides: Hides, cleaned: Callable[[Manifest], Manifest]) -> int:
    """See ``store.avatars.GenerationStore``."""
    return _Purge(generations, hides, cleaned).run(name)


class _Purge:
    def __init__(self, generations: Generations, hides: Hides, cleaned: Callable[[Manifest], Manifest]) -> None:
        self._generations = generations
        self._sizes = generations.sizes or Sizes()
        self._hides = hides
        self._cleaned = cleaned

    def run(self, name: str) -> int:
        self._generations.close()  # LMDB allows one environment per file and process
        fresh = name + REPLACED
        if fresh in self._generations.names():  # a purge was killed just before it removed the old one
            self._generations.supersede(name, fresh)
            return 0
        try:
            dropped = self._rewritten(name, fresh)
        finally:
            self._generations.discard(fresh)  # a copy that was not finished or not needed
        if not dropped:
            manifest = self._generations.manifest(name)
            if self._cleaned(manifest) != manifest:
                self._generations.rewrite(self._cleaned(manifest))
        return dropped

    def _rewritten(self, name: str, fresh: str) -> int:
        folder = self._generations.building(fresh)
        with (
            contextlib.closing(self._generations.open(name)) as generation,
            contextlib.closing(DataFile(folder, self._generations.modes, self._sizes.first_map)) as data,
        ):
            copies = {database: self._copy(generation, data, database) for database in (KEYS, NAMES, HISTORY, FORMER)}
            dropped = copies[KEYS].dropped + copies[HISTORY].dropped
            if not dropped:
                return 0
            self._copy_holders(generation, data)
            size = data.finish(generation.origins, generation.past)
        manifest = self._cleaned(self._generations.manifest(name))._replace(
            name=fresh,
            format=FORMAT,
            rows=copies[KEYS].kept,
            names=copies[NAMES].entries,
            keys=copies[KEYS].entries,
            former=copies[HISTORY].kept,
            bytes=size,
        )
        self._generations.replace(name, manifest)
        return dropped

    def _copy(self, generation: Generation, data: DataFile, database: bytes) -> "_Copied":
        grids = [origin.grid for origin in generation.origins]
        keep = self._keep_names if database in (NAMES, FORMER) else self._keep_spellings
        entries = kept = dropped = 0
        for rows in generation.chunks(database, ROWS):
            refuse_when_low(self._generations.data_dir, self._sizes.reserve)
            db_keys, values = [], []
            for db_key, value in rows:
                records, all_records = keep(grids, db_key, value)
                dropped += all_records - len(records)
                if records:
                    db_keys.append(db_key)
                    values.append(b"".join(records))
                    kept += len(records)
            data.append(database, db_keys, values)
            entries += len(db_keys)
        return _Copied(entries, kept, dropped)

    def _copy_holders(self, generation: Generation, data: DataFile) -> None:
        for rows in generation.chunks(HELD, ROWS):
            kept = [(name, key) for name, key in rows if not self._hides(key, PRODUCTION, name.decode())]
            data.append(HELD, [name for name, _ in kept], [key for _, key in kept])

    def _keep_names(self, grids: list[str], name: bytes, value: bytes) -> tuple[list[bytes], int]:
        form, records = name.decode(), unpack_names(value)
        kept = [pack_name(origin, key) for origin, key in records if not self._hides(key, grids[origin], form)]
        return kept, len(records)

    def _keep_spellings(self, grids: list[str], key: bytes, value: bytes) -> tuple[list[bytes], int]:
        records = unpack_spellings(value)
        kept = [
            pack_spelling(origin, spelling)
            for origin, spelling in records
            if not self._hides(key, grids[origin], canonical(spelling.decode()))
        ]
        return kept, len(records)


class _Copied(NamedTuple):
    """What was copied of one database."""

    entries: int
    kept: int
    """Records; an entry may have several."""
    dropped: int
