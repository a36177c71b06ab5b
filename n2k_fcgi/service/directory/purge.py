"""Removing the bytes of hidden avatars from the store and from every other file: ``store.inventory`` is the table of them.

If it is killed, no acknowledged write is lost; the next purge completes it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import ImportRunning, counted
from n2k_fcgi.files import Modes, hold, refuse_os_error
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.model.keeping import EVERYTHING, Keeping
from n2k_fcgi.service.directory.keeping import believed
from n2k_fcgi.service.directory.mentions import Mentions
from n2k_fcgi.service.directory.remains import grids_of, texts_of_json
from n2k_fcgi.service.unfinished import Tell, silently, tell_unfinished
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.datadir import UPDATE_LOCK
from n2k_fcgi.store.inventory import Purging, files


class Purged(NamedTuple):
    """What a purge removed."""

    generations: int
    """How many were rewritten."""
    names: int
    """Current and former ones that were removed from them."""
    captures: int
    strangers: list[Path]
    """Files in the data directory that are not ours, and were left alone."""


class Purge:
    """Removes hidden avatars from *store* and *data_dir*, and what *keeping* excludes, while the caller holds the import lock.

    Afterwards, the caller must start a new log.
    """

    def __init__(
        self,
        store: Store,
        data_dir: Path,
        modes: Modes,
        *,
        grids: Grids,
        now: int,
        keeping: Keeping = EVERYTHING,
        tell: Tell = silently,
        count: Callable[[str, int], None] = lambda name, count: None,
    ) -> None:
        self._store = store
        self._data_dir = data_dir
        self._modes = modes
        self._grids = grids
        self._now = now
        self._keeping = keeping
        self._tell = tell
        self._count = count

    def run(self) -> Purged:
        """Do all of it. Raises ImportRunning, StoreFull, StoreBusy, and the errors of a store that cannot be read."""
        store = self._store
        with hold(self._data_dir / UPDATE_LOCK, self._modes, 0) as held:
            if not held:  # what it has downloaded so far may name them, and it needs that file
                raise ImportRunning(path=self._data_dir)
            store.forgotten.note_purge(self._now)
            tell_unfinished("an import or purge", store.generations.sweep(), self._tell)
            hidden = store.forgotten.hidden()
            mentions = Mentions(hidden, grids_of(store, self._grids) if hidden else ())
            rows = store.purge(hidden, mentions.without, believed(store, self._keeping, self._now, self._tell))
            strangers = self._remove_files(mentions)
        gone = f"{counted(rows.names, 'name')} and {counted(rows.captures, 'capture')} gone"
        logs.info(f"purge: {counted(rows.generations, 'generation')} rewritten, {gone}")
        self._count("purges.done", 1)
        self._count("purges.names", rows.names)
        self._count("purges.captures", rows.captures)
        return Purged(*rows, strangers)

    def _remove_files(self, mentions: Mentions) -> list[Path]:
        """Remove what the table says; return what it does not know."""
        strangers = []
        for path, row in files(self._data_dir):
            try:
                if row is None:
                    strangers.append(path)
                elif row.purging is Purging.REMOVED or (
                    row.purging is Purging.REMOVED_IF_NAMING and _names_anybody(path, mentions)
                ):
                    path.unlink(missing_ok=True)
            except OSError as error:
                refuse_os_error(path, error)
        return strangers


def _names_anybody(path: Path, mentions: Mentions) -> bool:
    return any(mentions.names_anybody(text) for text in texts_of_json(path.read_bytes()))
