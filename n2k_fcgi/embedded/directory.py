"""The directory of a data directory, for other programs beside the servers."""

from pathlib import Path

from n2k_fcgi.config import Settings
from n2k_fcgi.embedded.shared import Handle
from n2k_fcgi.errors import ReadOnly
from n2k_fcgi.model.avatar import Avatar, Source
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.base import Store
from n2k_fcgi.wiring import directory, forgetting, registrar

SOURCE = Source(region="open_directory")
"""Where a registration came from: the name of the API instead of a region."""


def open_directory(data_dir: Path | str, *, read_only: bool = True) -> "OpenDirectory":
    """Open the lookups of a data directory, beside the servers that use it; with ``read_only=False`` registrations, too.

    Settings are those of ``n2k.ini`` in the directory and of the environment. Raises the errors of settings.
    """
    return OpenDirectory(data_dir, read_only=read_only)


class OpenDirectory(Handle):
    """See ``open_directory``. A context manager; thread-safe; after ``fork()`` each process has files of its own."""

    def __init__(self, data_dir: Path | str, *, read_only: bool) -> None:
        super().__init__(data_dir, "directory")
        self._read_only = read_only
        self._directory = self._call(directory)

    def find(self, text: str, grid: str | None = None) -> Avatar | None:
        """Return the avatar of *text*, a key or a name in any spelling, under its current name; None if it is unknown.

        *grid*: only an avatar of that grid; otherwise one of the default grid is preferred. Raises BadName, BadKey, BadGrid.
        """
        return self._call(lambda store, settings: self._directory.find(text, grid))

    def register(self, name: str, key: str, grid: str | None = None) -> Avatar:
        """Bind *name* to *key* on *grid* (None: the default grid) as a registration does; durable when this returns.

        Raises ReadOnly, BadName, BadKey, BadGrid, AskedToBeForgotten, TooManyNewGrids, TooManyNames, StoreBusy, StoreFull, and
        NameTaken if the name is another key's.
        """

        def register(store: Store, settings: Settings) -> Avatar:
            job = registrar(store, settings)
            done = job.register(job.offer(name, key, self._directory.grids.wanted(grid)), SOURCE).capture
            return Avatar(done.key, done.name, done.grid, done.last_seen, Provenance.CAPTURE)

        self._refuse_read_only()
        return self._call(register)

    def forget(self, key: str) -> bool:
        """Hide the avatar with *key* on every grid, in both directions; return False if none is known: a later one is hidden.

        The owner's ``n2k forget --undo`` shows it again. Raises ReadOnly, BadKey, StoreBusy, StoreFull.
        """

        def forget(store: Store, settings: Settings) -> bool:
            job = forgetting(store, settings)
            leaving = job.with_key(parse_key(key))
            job.forget(leaving)
            return bool(leaving.grids)

        self._refuse_read_only()
        return self._call(forget)

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise ReadOnly(what="handle")
