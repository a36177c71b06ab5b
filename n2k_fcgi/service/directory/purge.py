"""Taking the bytes of the forgotten out of every file of the data directory: ``store.datadir`` is the table of them.

A generation that has rows of theirs is copied without them and replaced; a captures file is written anew, because LMDB leaves
what it deleted in free pages. Each step ends with a rename: killed at any moment, all that was acknowledged is there, and
the next purge does the rest.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import ImportRunning, counted
from n2k_fcgi.files import hold, refuse_os_error, refuse_when_low
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.mentions import Mentions
from n2k_fcgi.service.directory.remains import grids_of, texts_of_json
from n2k_fcgi.service.unfinished import Tell, silently, tell_unfinished
from n2k_fcgi.store.base import ForgottenStore
from n2k_fcgi.store.datadir import UPDATE_LOCK, Purging, files
from n2k_fcgi.store.fields import cleaned
from n2k_fcgi.store.lmdb.builder import Builder
from n2k_fcgi.store.lmdb.captures import Captures
from n2k_fcgi.store.lmdb.codec import pack_name, pack_spelling, unpack_names, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMAT, FORMER, HELD, HISTORY, KEYS, NAMES
from n2k_fcgi.store.lmdb.volatile import VolatileFile

ROWS = 10_000
"""Rows of one step: read, looked at, appended in one transaction."""

_INDEXES = (KEYS, NAMES, HISTORY, FORMER)

REPLACED = "p"
"""Behind the name of a generation that stands for one of before a purge: sorted right after it, before every later one."""


class Purged(NamedTuple):
    """What a purge took out."""

    generations: int
    """Those that were written anew."""
    names: int
    """Current and former ones that went with them."""
    captures: int
    strangers: list[Path]
    """Files in the data directory that are not ours, and were left alone."""


class Purge:
    """Takes the *forgotten* out. The caller holds the import lock, so that nobody builds a generation meanwhile.

    The log that is written to now is the caller's to begin anew, when all this is done.
    """

    def __init__(
        self,
        generations: Generations,
        captures: Captures,
        volatile: VolatileFile,
        forgotten: ForgottenStore,
        known_grids: Iterable[str] = (),
        tell: Tell = silently,
    ) -> None:
        self._generations = generations
        self._captures = captures
        self._volatile = volatile
        self._forgotten = forgotten
        self._hidden = forgotten.hidden()
        self._known_grids = tuple(known_grids)
        self._tell = tell
        self._mentions = Mentions(self._hidden)

    def run(self) -> Purged:
        """Do all of it. Raises ImportRunning, StoreFull, StoreBusy, and the errors of a store that cannot be read."""
        data_dir = self._generations.data_dir
        with hold(data_dir / UPDATE_LOCK, self._generations.modes, 0) as held:
            if not held:  # what it has downloaded so far may name them, and it needs that file
                raise ImportRunning(path=data_dir)
            self._forgotten.note_purge(int(time.time()))
            tell_unfinished("an import or purge", self._generations.sweep(), self._tell)
            if self._hidden:
                grids = grids_of(self._generations, self._captures, self._known_grids)
                self._mentions = Mentions(self._hidden, grids)
            dropped = [self._generation(name) for name in self._generations.names()]
            captures = self._captures.drop_hidden(self._hidden, self._mentions.without)
            self._volatile.renew()  # pending keys and conflicts may name them, and all of it may be lost
            strangers = self._remove_what_may_go(data_dir)
        done = Purged(sum(count > 0 for count in dropped), sum(dropped), captures, strangers)
        gone = f"{counted(done.names, 'name')} and {counted(captures, 'capture')} gone"
        logs.info(f"purge: {counted(done.generations, 'generation')} written anew, {gone}")
        return done

    def _generation(self, name: str) -> int:
        """Replace a generation by a copy without the hidden; give how many names went, 0: it stays as it is."""
        self._generations.close()  # one environment a file and process
        fresh = name + REPLACED
        if fresh in self._generations.names():  # a purge was killed just before it removed the old one
            self._generations.supersede(name, fresh)
            return 0
        try:
            dropped = self._rewritten(name, fresh)
        finally:
            self._generations.discard(fresh)  # what was not finished; nothing is left of what was
        if not dropped:
            manifest = self._generations.manifest(name)
            without_them = cleaned(manifest, self._mentions.without)
            if without_them != manifest:
                self._generations.rewrite(without_them)
        return dropped

    def _rewritten(self, name: str, fresh: str) -> int:
        with (
            contextlib.closing(self._generations.open(name)) as generation,
            contextlib.closing(Builder(self._generations.building(fresh), self._generations.modes)) as builder,
        ):
            copies = {database: self._copy(generation, builder, database) for database in _INDEXES}
            dropped = copies[KEYS].dropped + copies[HISTORY].dropped
            if not dropped:
                return 0
            self._copy_holders(generation, builder)
            size = builder.finish(generation.origins)
        manifest = cleaned(self._generations.manifest(name), self._mentions.without)._replace(
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

    def _copy(self, generation: Generation, builder: Builder, database: bytes) -> "_Copied":
        keep = self._keep_names if database in (NAMES, FORMER) else self._keep_spellings
        entries = kept = dropped = 0
        for rows in _parts(generation, database):
            refuse_when_low(self._generations.data_dir)
            db_keys, values = [], []
            for db_key, value in rows:
                records, all_records = keep(generation, db_key, value)
                dropped += all_records - len(records)
                if records:
                    db_keys.append(db_key)
                    values.append(b"".join(records))
                    kept += len(records)
            builder.append(database, db_keys, values)
            entries += len(db_keys)
            generation.trim()
        return _Copied(entries, kept, dropped)

    def _copy_holders(self, generation: Generation, builder: Builder) -> None:
        for rows in _parts(generation, HELD) if generation.has(HELD) else ():
            kept = [(name, key) for name, key in rows if not self._hidden.hides(key, PRODUCTION, name.decode())]
            builder.append(HELD, [name for name, _ in kept], [key for _, key in kept])

    def _keep_names(self, generation: Generation, name: bytes, value: bytes) -> tuple[list[bytes], int]:
        form, records = name.decode(), unpack_names(value)
        kept = [
            pack_name(origin, key)
            for origin, key in records
            if not self._hidden.hides(key, generation.origins[origin].grid, form)
        ]
        return kept, len(records)

    def _keep_spellings(self, generation: Generation, key: bytes, value: bytes) -> tuple[list[bytes], int]:
        records = unpack_spellings(value)
        kept = [
            pack_spelling(origin, spelling)
            for origin, spelling in records
            if not self._hidden.hides(key, generation.origins[origin].grid, canonical(spelling.decode()))
        ]
        return kept, len(records)

    def _remove_what_may_go(self, data_dir: Path) -> list[Path]:
        """Remove what the table says; give what it does not know."""
        strangers = []
        for path, row in files(data_dir):
            if row is None:
                strangers.append(path)
            elif row.purging is Purging.REMOVED or (row.purging is Purging.REMOVED_IF_NAMING and self._names_them(path)):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    refuse_os_error(path, error)
        return strangers

    def _names_them(self, path: Path) -> bool:
        try:
            return any(True for text in texts_of_json(path.read_bytes()) if self._mentions.names_anybody(text))
        except OSError as error:
            refuse_os_error(path, error)


class _Copied(NamedTuple):
    """What was copied of one database."""

    entries: int
    kept: int
    """Records; an entry may have several."""
    dropped: int


def _parts(generation: Generation, database: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
    start = b""
    while rows := generation.chunk(database, start, None, ROWS):
        yield rows
        start = rows[-1][0] + b"\0"
