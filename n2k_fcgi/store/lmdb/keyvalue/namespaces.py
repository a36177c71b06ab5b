"""All namespaces of a data directory."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from n2k_fcgi.errors import N2KError, NoSuchNamespace
from n2k_fcgi.files import Modes, refuse_os_error, sync_folder
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.keyvalue.entry import Entry, is_namespace
from n2k_fcgi.store.base import Finding
from n2k_fcgi.store.datadir import DATA_FILE, DATASETS, KEYVALUE
from n2k_fcgi.store.keyvalue import Dataset, Range, Terms
from n2k_fcgi.store.lmdb.keyvalue import replacing
from n2k_fcgi.store.lmdb.keyvalue.datasets import Datasets
from n2k_fcgi.store.lmdb.keyvalue.file import NamespaceFile, is_made
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace
from n2k_fcgi.store.lmdb.keyvalue.open_files import MOST_OPEN, OpenFiles
from n2k_fcgi.store.lmdb.resident import IMPORT_RESIDENT, resident_bytes

STRETCH, STRETCH_BYTES = 1000, 1 << 20
"""Entries of a dataset, and their bytes, that are read at a time."""

LOOKS_BETWEEN_SIZES = 16
"""Requests between two checks of our resident size."""


class Namespaces:
    """Implements ``store.keyvalue.KeyValueStore``. *most_changes*: records that each log keeps.

    *resident_limit*: bytes of resident memory of this process above which the files are closed, and opened again at their
    next use.
    """

    def __init__(
        self, data_dir: Path, modes: Modes, *, sync: Sync, most_changes: int, resident_limit: int = IMPORT_RESIDENT
    ) -> None:
        self._data_dir = data_dir
        self._modes = modes
        self._sync = sync
        self._most_changes = most_changes
        self._known: dict[str, Namespace] = {}
        """One object for each file: a process may open a file once."""
        self._open_files = OpenFiles()
        self._datasets = Datasets(data_dir)
        self._is_retired = False
        self._resident_limit = resident_limit
        self._looks = 0

    def names(self) -> list[str]:
        """Return the namespaces, sorted."""
        try:
            folders = (file.parent.name for file in self._folder.glob(f"*/{DATA_FILE}") if is_made(file))
            return sorted(filter(is_namespace, folders))
        except OSError as error:
            refuse_os_error(self._folder, error)

    def namespace(self, name: str) -> Namespace:
        """Return a namespace, opened at first use. Raises NoSuchNamespace."""
        self._looks += 1
        if self._looks >= LOOKS_BETWEEN_SIZES:
            self._looks = 0
            if resident_bytes() > self._resident_limit:
                self._open_files.close_idle()
        known = self._known.get(name)
        if (known is None or not known.file.is_open) and not is_made(self._path(name)):
            raise NoSuchNamespace(namespace=name)
        return self._of(name)

    def create(self, name: str, terms: Terms) -> Namespace:
        """Make a namespace with *terms*; an existing one gets them, and keeps whether it is open and its entries."""
        for folder in (self._folder, self._path(name).parent):
            try:
                folder.mkdir(mode=self._modes.directory)
                folder.chmod(self._modes.directory)
                sync_folder(folder.parent)
            except FileExistsError:  # perhaps since just now
                continue
            except OSError as error:
                refuse_os_error(folder, error)
        namespace = self._of(name)
        if is_made(self._path(name)) or not replacing.create(namespace.file, terms):
            namespace.set_terms(terms._replace(is_open=namespace.terms().is_open))
        return namespace

    def dropped_terms(self, name: str) -> Terms | None:
        """See ``store.keyvalue.KeyValueStore``."""
        return replacing.dropped_terms(self._of(name).file)

    def drop(self, name: str) -> bool:
        """See ``store.keyvalue.KeyValueStore``."""
        try:
            replacing.drop(self._of(name).file)
        except NoSuchNamespace:
            return False
        return True

    def dataset_names(self) -> list[str]:
        """See ``store.keyvalue.KeyValueStore``."""
        return self._datasets.names()

    def dataset(self, name: str) -> Dataset:
        """See ``store.keyvalue.KeyValueStore``."""
        return self._datasets.opened_by_name(name).described()

    def entries_of(self, dataset: str) -> Iterator[Entry]:
        """See ``store.keyvalue.KeyValueStore``."""
        opened = self._datasets.opened_by_name(dataset)
        wanted: Range | None = Range()
        while wanted is not None:
            page = opened.rows.scan(wanted, 0, limit=STRETCH, values=True, max_bytes=STRETCH_BYTES)
            yield from page.entries
            wanted = None if page.more_after is None else Range(page.more_after + b"\0")

    def remove_dataset(self, name: str, *, later: bool = False) -> list[str]:
        """See ``store.keyvalue.KeyValueStore``."""
        from n2k_fcgi.store.lmdb.keyvalue.removing import remove  # late: for one command

        return remove(self._datasets.path(name), {each: self._of(each) for each in self.names()}, later=later)

    def build(self, name: str, entries: Iterable[Entry], folder: Path | None = None) -> Dataset:
        """See ``store.keyvalue.KeyValueStore``."""
        from n2k_fcgi.store.lmdb.keyvalue.dataset_build import build  # late: for one command

        return build(folder or self._datasets.folder, name, entries, self._modes)

    def problems(self) -> Iterator[str]:
        """Check all that is stored, changing nothing; yield one line per problem."""
        from n2k_fcgi.store.lmdb.keyvalue.checking import problems_of  # late: for one command

        for name in self._datasets.names():
            problem = self._datasets.problem(name)
            if problem:
                yield f"{DATASETS}/{name}: {problem}"

        for name in self.names():
            for problem in problems_of(self._of(name).file):
                yield f"{KEYVALUE}/{name}: {problem}"

    def write_problem(self, name: str, patience: float) -> Finding | None:
        """See ``store.keyvalue.KeyValueStore``."""
        return self.namespace(name).file.write_problem(patience)

    def stopped_readers(self) -> list[tuple[str, int, int]]:
        """See ``store.keyvalue.KeyValueStore``."""
        found = []
        for name in self.names():
            file = self._of(name).file
            with contextlib.suppress(N2KError), file.read():  # one that cannot be read has another problem
                found += [(name, pid, behind) for pid, behind in file.readers_behind()]
        return found

    def address_space(self) -> int:
        """Return the bytes of address space that a worker needs for those that it keeps open at most."""
        files = sorted(self._of(name).file.address_space() for name in self.names())[-MOST_OPEN:]
        return sum(files) + sum(sorted(self._datasets.sizes())[-MOST_OPEN:])

    def keep_house(self, now: int) -> None:
        """Sweep the namespaces that this process has open, unless others write them."""
        for namespace in self._known.values():
            if namespace.file.is_open:
                with contextlib.suppress(N2KError):  # the next request reports it
                    namespace.sweep_if_idle(now)

    def close(self) -> None:
        """Release files; the next use opens them again."""
        for namespace in self._known.values():
            namespace.file.close()

    def retire(self) -> None:
        """Close for good."""
        self._is_retired = True
        for namespace in self._known.values():
            namespace.file.retire()

    @property
    def _folder(self) -> Path:
        return self._data_dir / KEYVALUE

    def _path(self, name: str) -> Path:
        return self._folder / name / DATA_FILE

    def _of(self, name: str) -> Namespace:
        """The namespace, whether its file exists or not."""
        found = self._known.get(name)
        if found is None:
            path = self._path(name)
            file = NamespaceFile(name, path, self._modes, sync=self._sync, open_files=self._open_files, datasets=self._datasets)
            if self._is_retired:
                file.retire()
            found = self._known[name] = Namespace(file, self._most_changes)
        return found
