"""The sorted rows of a dump: batches go in, the ranges of both indexes come out, in this process."""

from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.model.batch import Batch
from n2k_fcgi.service.ingest.records import KEY_CUT, NAME_CUT, name_and_key_lines
from n2k_fcgi.service.ingest.runs import Range, Runs


class Sorting:
    """Sorts batches by name and by key, with spill files in *folder*. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._names = Runs(folder / "names.spill", NAME_CUT)
        self._keys = Runs(folder / "keys.spill", KEY_CUT)

    def add(self, batch: Batch) -> None:
        """Take one more batch."""
        names, keys = name_and_key_lines(batch)
        self._names.add(names)
        self._keys.add(keys)

    def keys(self) -> Iterator[Range]:
        """All key lines, once; their file goes then."""
        yield from self._keys.ranges()
        self._keys.close()

    def names(self) -> Iterator[Range]:
        """All name lines, once; their file goes then."""
        yield from self._names.ranges()
        self._names.close()

    def close(self) -> None:
        """Remove what is left."""
        self._names.close()
        self._keys.close()
