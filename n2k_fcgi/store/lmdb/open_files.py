"""The data files of generations that this process has open: each once, however many generations read it.

LMDB refuses a second environment of one file in a process, and several generations may have the same base.
"""

from __future__ import annotations

import os

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.store.lmdb.generation_file import GenerationFile

if TYPE_CHECKING:
    from _typeshed import StrPath

Inode = tuple[int, int]


class OpenFiles:
    """Counts the users of each file; the last one closes it."""

    def __init__(self) -> None:
        self._files: dict[Inode, GenerationFile] = {}

    def take(self, path: StrPath, created: int) -> GenerationFile:
        """Return the open file *path*, for one more user. *created*: see ``GenerationFile``."""
        try:
            status = os.stat(path)
        except OSError as error:
            refuse_os_error(path, error)
        inode = status.st_dev, status.st_ino
        file = self._files.get(inode)
        if file is None or not file.is_open:  # it could not be mapped again: whoever has it still is told so
            file = self._files[inode] = GenerationFile(path, created)
        file.users += 1
        return file

    def give_back(self, file: GenerationFile) -> None:
        """End one use."""
        file.users -= 1
        if file.users <= 0:
            self.close(file)

    def close(self, file: GenerationFile) -> None:
        """Close a file, whoever uses it."""
        file.close()
        self._files = {inode: other for inode, other in self._files.items() if other is not file}
