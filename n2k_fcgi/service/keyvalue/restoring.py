"""Storing the lines of an export in a namespace: in batches, each of which is one durable write or none."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from n2k_fcgi.errors import BadItem, N2KError, counted
from n2k_fcgi.model.keyvalue.operations import Restore
from n2k_fcgi.service.keyvalue.lines import NextNumber, parse_line
from n2k_fcgi.service.keyvalue.space import MOST_OPERATIONS, KeyValueSpace

BATCH_BYTES = 1024 * 1024
"""Values of one batch, at most; more if the last one is larger than what was left."""

ESCAPED = 6
"""Bytes of JSON for one byte of text, at most."""
OTHER_FIELDS = 10_000
"""Bytes of a line besides its value, at most."""


class Restored(NamedTuple):
    """What was done with the lines of an export."""

    stored: int = 0
    kept: int = 0
    """Existing entries that were not replaced."""
    expired: int = 0
    """Lines whose entries have expired meanwhile."""
    sequences: int = 0
    refused: int = 0


class Restoring:
    """Stores lines. *keep*: do not replace existing entries. *refused*: called with number and reason of each bad line."""

    def __init__(self, space: KeyValueSpace, refused: Callable[[int, str], None], *, keep: bool = False) -> None:
        self._space = space
        self._longest = ESCAPED * space.max_value + OTHER_FIELDS
        self._refused = refused
        self._keep = keep
        self._batch: list[Restore] = []
        self._first = 0
        """Number of the first line of the batch."""
        self._bytes = 0
        self.done = Restored()
        """So far, in whole batches."""

    def run(self, file: BinaryIO) -> Restored:
        """Store all lines but bad ones. Empty lines are skipped.

        An error of the store stops it: its message names the lines of the batch that was not stored; those before it are.
        """
        number = 0
        for number, line in enumerate(bounded_lines(file, self._longest), 1):
            if line.strip():
                self._take(number, line)
        self._store(number)
        return self.done

    def _take(self, number: int, line: bytes) -> None:
        try:
            if len(line) > self._longest:
                raise BadItem(why=f"it has more than {self._longest} bytes: the value is too large")
            found = parse_line(line, self._space.now, keep=self._keep)
            if isinstance(found, Restore):
                self._space.checked(found)
        except N2KError as problem:
            self._refused(number, str(problem))
            self._count(refused=1)
            return
        if isinstance(found, NextNumber):
            self._space.continue_sequence(found.name, found.number)
            self._count(sequences=1)
        elif not found.entry.is_live(self._space.now):
            self._count(expired=1)
        else:
            self._first = self._first if self._batch else number
            self._batch.append(found)
            self._bytes += len(found.entry.value)
            if len(self._batch) >= MOST_OPERATIONS or self._bytes >= BATCH_BYTES:
                self._store(number)

    def _store(self, last: int) -> None:
        if not self._batch:
            return
        try:
            results = self._space.batch(self._batch).results
        except N2KError as problem:
            problem.within(f"lines {self._first} to {last} were not stored, {counted(self.done.stored, 'key')} before")
            raise
        stored = sum(result.created for result in results) if self._keep else len(results)
        self._count(stored=stored, kept=len(results) - stored)
        self._batch, self._bytes = [], 0

    def _count(self, **more: int) -> None:
        self.done = self.done._replace(**{name: getattr(self.done, name) + count for name, count in more.items()})


def bounded_lines(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """Yield all lines; of one with more than *longest* bytes only its beginning, with one byte more."""
    while line := file.readline(longest + 1):
        yield line
        while len(line) > longest and not line.endswith(b"\n"):
            line = file.readline(longest + 1)
