"""The LMDB file of one namespace."""

from pathlib import Path

import lmdb

from n2k_fcgi.errors import NoSuchNamespace, StoreFull
from n2k_fcgi.files import Modes
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.lmdb.environment import is_there, meaning
from n2k_fcgi.store.lmdb.keyvalue.rows import FORMATS
from n2k_fcgi.store.lmdb.writable import WritableFile


class NamespaceFile(WritableFile):
    """The file of the namespace *name*. Values of its read transactions are views, valid inside them only."""

    def __init__(self, name: str, path: Path, modes: Modes, sync: Sync) -> None:
        super().__init__(path, modes, sync=sync, formats=FORMATS)
        self.name = name

    def begin(self) -> lmdb.Transaction:
        """Begin the read transaction of ``read``. Raises NoSuchNamespace."""
        return self._opened().read(buffers=True)

    def copy_to(self, target: Path) -> None:
        """Write a compact copy to the existing file *target*. Raises StoreFull."""
        with target.open("r+b") as file:
            try:
                self._opened().env.copyfd(file.fileno(), compact=True)
            except lmdb.Error as error:
                raise meaning(target, error, StoreFull) from None

    def _open(self) -> None:
        if not is_there(self.path):
            raise NoSuchNamespace(namespace=self.name)
        super()._open()
