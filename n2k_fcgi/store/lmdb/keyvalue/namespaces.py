"""All namespaces of a data directory."""

from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.errors import N2KError, NoSuchNamespace
from n2k_fcgi.files import Modes, refuse_os_error, sync_folder
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.datadir import DATA_FILE, KEYVALUE
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.store.lmdb.environment import is_there
from n2k_fcgi.store.lmdb.keyvalue.file import NamespaceFile
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace


class Namespaces:
    """Implements ``store.keyvalue.KeyValueStore``. *most_changes*: records that each log keeps."""

    def __init__(self, data_dir: Path, modes: Modes, *, sync: Sync, most_changes: int) -> None:
        self._data_dir = data_dir
        self._modes = modes
        self._sync = sync
        self._most_changes = most_changes
        self._open: dict[str, Namespace] = {}
        self._is_retired = False

    def names(self) -> list[str]:
        """Return the namespaces, sorted."""
        try:
            return sorted(file.parent.name for file in self._folder.glob(f"*/{DATA_FILE}"))
        except OSError as error:
            refuse_os_error(self._folder, error)

    def namespace(self, name: str) -> Namespace:
        """Return a namespace, opened at first use. Raises NoSuchNamespace."""
        found = self._open.get(name)
        if found is None:
            if not is_there(self._path(name)):
                raise NoSuchNamespace(namespace=name)
            found = self._open[name] = self._made(name)
        return found

    def create(self, name: str, terms: Terms) -> Namespace:
        """Make a namespace with *terms*; an existing one gets them, and keeps whether it is open and its entries."""
        path = self._path(name)
        if is_there(path):
            namespace = self.namespace(name)
            namespace.set_terms(terms._replace(is_open=namespace.terms().is_open))
            return namespace
        for folder in (self._folder, path.parent):
            try:
                if not folder.is_dir():
                    folder.mkdir(mode=self._modes.directory)
                    folder.chmod(self._modes.directory)
                    sync_folder(folder.parent)
            except OSError as error:
                refuse_os_error(folder, error)
        namespace = self._open[name] = self._made(name)
        namespace.file.create()
        namespace.set_terms(terms)
        return namespace

    def drop(self, name: str) -> bool:
        """See ``store.keyvalue.KeyValueStore``."""
        if not is_there(self._path(name)):
            return False
        namespace = self.namespace(name)
        namespace.flush(0)
        namespace.compact()
        return True

    def problems(self) -> Iterator[str]:
        """Check all that is stored, changing nothing; yield one line per problem."""
        for name in self.names():
            try:
                self.namespace(name).terms()
            except N2KError as error:
                yield str(error)

    def close(self) -> None:
        """Release files; the next use opens them again."""
        for namespace in self._open.values():
            namespace.file.close()

    def retire(self) -> None:
        """Close for good."""
        self._is_retired = True
        for namespace in self._open.values():
            namespace.file.retire()

    @property
    def _folder(self) -> Path:
        return self._data_dir / KEYVALUE

    def _path(self, name: str) -> Path:
        return self._folder / name / DATA_FILE

    def _made(self, name: str) -> Namespace:
        file = NamespaceFile(name, self._path(name), self._modes, self._sync)
        if self._is_retired:
            file.retire()
        return Namespace(file, self._most_changes)
