"""A bounded number of files that a process keeps open."""

from typing import Protocol

MOST_OPEN = 16
"""Each costs a map, three descriptors and a slot in its table of readers."""


class OpenFile(Protocol):
    """What is opened by a use and can be closed between two."""

    readers: int
    """Transactions that are open in this process."""

    def close(self) -> None: ...


class OpenFiles:
    """The files that were used last. Others are closed, but never one with a transaction that is open."""

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        self._files: dict[OpenFile, None] = {}  # the one used last comes last
        self.last: OpenFile | None = None

    def use(self, file: OpenFile) -> None:
        """Note that *file* is about to be used; close those whose last use was longest ago if there are too many."""
        self._files.pop(file, None)
        self._files[file] = None
        self.last = file
        over = len(self._files) - self._most
        if over > 0:
            idle = [each for each in self._files if not each.readers and each is not file]
            for each in idle[:over]:
                del self._files[each]
                each.close()

    def close_idle(self) -> None:
        """Close all in which no transaction is open: their pages are not resident any more."""
        for each in [each for each in self._files if not each.readers]:
            del self._files[each]
            each.close()
        self.last = None
