"""LMDB as the engine below the service: the store of one data directory, its parts opened file by file at first use."""

from __future__ import annotations

import contextlib
from functools import cached_property

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import N2KError
from n2k_fcgi.files import refuse_os_error, sync_folder
from n2k_fcgi.store.counts import Counts
from n2k_fcgi.store.datadir import GENERATIONS
from n2k_fcgi.store.lmdb.captures import Captures, captures_file
from n2k_fcgi.store.lmdb.forgotten import Forgotten
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.resident import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from n2k_fcgi.model.keeping import Keeping
    from n2k_fcgi.model.manifests import Manifest
    from n2k_fcgi.store.base import Finding, HiddenSet, Mentioned, PurgedRows, Remnant, Store
    from n2k_fcgi.store.lmdb.conflicts import Conflicts
    from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
    from n2k_fcgi.store.lmdb.meters import Meters
    from n2k_fcgi.store.lmdb.pending import Pending
    from n2k_fcgi.store.lmdb.sessions import Sessions
    from n2k_fcgi.store.lmdb.statistics import StatisticsFile
    from n2k_fcgi.store.lmdb.tokens import Tokens
    from n2k_fcgi.store.lmdb.volatile import VolatileFile
    from n2k_fcgi.store.options import StoreOptions


def open_store(options: StoreOptions) -> Store:
    """The store of ``options.data_dir``; nothing is opened or read yet."""
    return LmdbStore(options)


class LmdbStore:
    """Implements ``store.base.Store``. Not for use across ``fork()``."""

    def __init__(self, options: StoreOptions) -> None:
        data_dir, modes = options.data_dir, options.modes
        self._options = options
        self.generations = Generations(data_dir, modes, resident_limit=options.resident_limit)
        self._file = captures_file(data_dir, modes)
        self.captures = Captures(self._file)
        self.forgotten = Forgotten(self._file)
        self.counts = Counts(data_dir, modes, resident_bytes)
        self._keyvalue: Namespaces | None = None
        self._is_retired = False

    # The parts below are imported when they are first asked for: a lookup reads generations, captures and tombstones alone.

    @cached_property
    def tokens(self) -> Tokens:
        """See ``store.base.Store``."""
        from n2k_fcgi.store.lmdb.tokens import Tokens

        return Tokens(self._file)

    @cached_property
    def volatile(self) -> VolatileFile:
        """The file of the four parts below."""
        from n2k_fcgi.store.lmdb.volatile import VolatileFile

        made = VolatileFile(self._options.data_dir, self._options.modes)
        if self._is_retired:
            made.file.retire()
        return made

    @cached_property
    def pending(self) -> Pending:
        """See ``store.base.Store``."""
        from n2k_fcgi.store.lmdb.pending import Pending

        return Pending(self.volatile, self._options.max_pending)

    @cached_property
    def conflicts(self) -> Conflicts:
        """See ``store.base.Store``."""
        from n2k_fcgi.store.lmdb.conflicts import Conflicts

        return Conflicts(self.volatile)

    @cached_property
    def meters(self) -> Meters:
        """See ``store.base.Store``."""
        from n2k_fcgi.store.lmdb.meters import Meters

        return Meters(self.volatile)

    @cached_property
    def sessions(self) -> Sessions:
        """See ``store.base.Store``."""
        from n2k_fcgi.store.lmdb.sessions import Sessions

        return Sessions(self.volatile)

    @cached_property
    def statistics(self) -> StatisticsFile:
        """What all processes have counted."""
        from n2k_fcgi.store.lmdb.statistics import StatisticsFile

        return StatisticsFile(self._options.data_dir, self._options.modes)

    @property
    def keyvalue(self) -> Namespaces:
        """The namespaces of the key-value service."""
        if self._keyvalue is None:
            from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces

            options = self._options
            self._keyvalue = Namespaces(
                self.generations.data_dir,
                options.modes,
                sync=options.sync,
                most_changes=options.most_changes,
                resident_limit=options.resident_limit,
            )
            if self._is_retired:
                self._keyvalue.retire()
        return self._keyvalue

    def create(self) -> None:
        """Make the data directory with an empty captures file; existing ones are kept. Raises StoreUnreadable, StoreFull."""
        data_dir, modes = self.generations.data_dir, self._options.modes
        for folder in (data_dir, data_dir / GENERATIONS):
            try:
                if not folder.is_dir():
                    folder.mkdir(mode=modes.directory, parents=True)
                    folder.chmod(modes.directory)
            except OSError as error:
                refuse_os_error(folder, error)
        try:
            self._file.create()
        finally:
            self._file.close()  # a server may fork after this
        sync_folder(data_dir)

    def check(self) -> Iterator[Finding]:
        """See ``store.base.Store``."""
        from n2k_fcgi.store.base import Finding  # late: with all Protocols, and for this command alone
        from n2k_fcgi.store.lmdb.check import check_captures, check_generations  # late: as above

        lock_problem = self._lock_problem()  # first: the next use replaces the lock file
        hidden = self._hidden()
        for line in check_generations(self.generations, hidden):
            yield Finding(line, "go back with 'n2k generations use', or import again")
        if lock_problem:
            yield Finding(lock_problem, "")
        for line in check_captures(self.captures, hidden):
            yield Finding(line, "put a backup of captures.mdb in its place (docs/storage.md)")
        for line in self.keyvalue.problems():
            yield Finding(
                line, "put a backup of the file in its place (docs/storage.md), or show another dataset with 'n2k kv use'"
            )

    def _lock_problem(self) -> str | None:
        with contextlib.suppress(N2KError):  # a file that cannot be read: its own check says so
            return self._file.lock_problem()
        return None

    def _hidden(self) -> HiddenSet | None:
        with contextlib.suppress(N2KError):  # as above
            return self.forgotten.hidden()
        return None

    def purge(self, hidden: HiddenSet, without: Callable[[str], str], keeping: Keeping | None = None) -> PurgedRows:
        """See ``store.base.Store``. A file of captures is rewritten: LMDB leaves what it deleted in free pages."""
        from n2k_fcgi.store.base import PurgedRows  # late: workers purge nothing
        from n2k_fcgi.store.fields import cleaned
        from n2k_fcgi.store.lmdb.purging import drop_hidden

        def without_them(manifest: Manifest) -> Manifest:
            return cleaned(manifest, without)

        names = drop_hidden(self.generations, hidden.hides, without_them).values()
        captures = self.captures.drop_hidden(hidden, without, keeping)  # tokens and their notes with them
        self.volatile.renew()
        return PurgedRows(sum(count > 0 for count in names), sum(names), captures)

    def remains(self, hidden: HiddenSet, mentioned: Mentioned) -> Iterator[tuple[str, Iterator[Remnant]]]:
        """See ``store.base.Store``."""
        from n2k_fcgi.store.lmdb.remains import Search  # late: for one command

        data_dir = self.generations.data_dir
        return Search(data_dir, self.generations, self.captures, self.tokens, hidden=hidden, mentioned=mentioned).files()

    def write_problem(self, patience: float) -> Finding | None:
        """See ``store.base.Store``."""
        return self._file.write_problem(patience)

    def address_space(self) -> int:
        """See ``store.base.Store``."""
        return self._file.address_space() + self.keyvalue.address_space()

    def stopped_readers(self) -> list[tuple[int, int]]:
        """See ``store.base.Store``."""
        return self._file.readers_behind()

    def keep_house(self, now: int) -> None:
        """See ``store.base.Store``."""
        if self._keyvalue is not None:
            self._keyvalue.keep_house(now)

    def close(self) -> None:
        """Release maps and files; the next use opens them again."""
        self.generations.close()
        self._file.close()
        if "volatile" in vars(self):  # it was asked for
            self.volatile.close()
        if self._keyvalue is not None:
            self._keyvalue.close()

    def retire(self) -> None:
        """Close for good, also during an answer: another store takes over these files."""
        self.generations.close_all()
        self._file.retire()
        if "volatile" in vars(self):
            self.volatile.file.retire()
        self._is_retired = True
        if self._keyvalue is not None:
            self._keyvalue.retire()
