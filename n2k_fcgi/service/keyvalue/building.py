"""Building a dataset from a file: the lines of an export, or csv with a key and a text in each row.

A dataset is built of all lines or not at all: what is swapped in as a whole must not lack a part that nobody missed.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from n2k_fcgi.errors import BadItem, LinesRefused, N2KError, NoEntries, ValueTooLarge, counted
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType, parse_dataset, parse_entry_key
from n2k_fcgi.service.keyvalue.lines import NextNumber, parse_line
from n2k_fcgi.service.keyvalue.restoring import ESCAPED, OTHER_FIELDS, bounded_lines
from n2k_fcgi.service.keyvalue.space import Clock, milliseconds
from n2k_fcgi.store.keyvalue import Dataset, KeyValueStore

HEADING = ["key", "value"]
"""A first row of csv that is no entry."""


class Built(NamedTuple):
    """What became of the lines of a file."""

    dataset: Dataset
    entries: int = 0
    """Lines with an entry; more than the keys if some came again."""
    expired: int = 0
    """Lines whose entries have expired meanwhile: they were left out."""
    sequences: int = 0
    """Lines with a sequence, which a dataset does not have: they were left out."""


class Building:
    """Builds one dataset. *max_value*: bytes. *refused*: called with number and reason of each bad line."""

    def __init__(self, max_value: int, refused: Callable[[int, str], None], clock: Clock = milliseconds) -> None:
        self._max_value = max_value
        self._refused = refused
        self._now = clock()
        self._is_empty_meant = False
        self._counts = dict.fromkeys(("entries", "expired", "sequences", "refused"), 0)

    def run(
        self,
        store: KeyValueStore,
        name: str,
        file: BinaryIO,
        *,
        is_csv: bool = False,
        is_empty_meant: bool = False,
        folder: Path | None = None,
    ) -> Built:
        """Make the dataset *name*, in *folder* if that is given.

        Raises BadDatasetName, DatasetExists, StoreFull; after all lines were read LinesRefused, and NoEntries unless an empty
        dataset is meant: there is no dataset then.
        """
        self._is_empty_meant = is_empty_meant
        dataset = store.build(parse_dataset(name), self._entries(file, is_csv=is_csv), folder)
        return Built(dataset, self._counts["entries"], self._counts["expired"], self._counts["sequences"])

    def _entries(self, file: BinaryIO, *, is_csv: bool) -> Iterator[Entry]:
        for number, read in self._csv(file) if is_csv else self._json_lines(file):
            try:
                found = read()
                if isinstance(found, Entry) and len(found.value) > self._max_value:
                    raise ValueTooLarge(size=len(found.value), limit=self._max_value)
            except N2KError as problem:
                self._refused(number, str(problem))
                self._counts["refused"] += 1
                continue
            if isinstance(found, NextNumber):
                self._counts["sequences"] += 1
            elif not found.is_live(self._now):
                self._counts["expired"] += 1
            else:
                self._counts["entries"] += 1
                yield found
        if self._counts["refused"]:
            raise LinesRefused(lines=counted(self._counts["refused"], "line"), stored="no dataset was made")
        if not (self._counts["entries"] or self._is_empty_meant):
            raise NoEntries

    def _json_lines(self, file: BinaryIO) -> Iterator[tuple[int, Callable[[], Entry | NextNumber]]]:
        longest = ESCAPED * self._max_value + OTHER_FIELDS

        def parsed(line: bytes) -> Entry | NextNumber:
            if len(line) > longest:
                raise BadItem(why=f"it has more than {longest} bytes: the value is too large")
            found = parse_line(line, self._now)
            return found if isinstance(found, NextNumber) else found.entry

        for number, line in enumerate(bounded_lines(file, longest), 1):
            if line.strip():
                yield number, lambda line=line: parsed(line)  # type: ignore[misc]

    def _csv(self, file: BinaryIO) -> Iterator[tuple[int, Callable[[], Entry]]]:
        longest = 2 * self._max_value + OTHER_FIELDS  # a quote is written twice
        lines = (line.decode("utf-8", "surrogateescape") for line in bounded_lines(file, longest))
        csv.field_size_limit(longest)
        rows = csv.reader(lines, strict=True)
        while True:
            number = rows.line_num + 1  # where the row begins: it may have line ends within quotes
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield number, lambda why=error: _refuse(why)  # type: ignore[misc]
                continue
            if row is None:
                return
            if number == 1 and row:
                row[0] = row[0].removeprefix("\ufeff")
            if row and not (number == 1 and [word.strip().lower() for word in row] == HEADING):
                yield number, lambda row=row: _entry_of(row)  # type: ignore[misc]


def _refuse(why: csv.Error) -> Entry:
    raise BadItem(why=f"it is not csv: {why}")


def _entry_of(row: list[str]) -> Entry:
    """Return the entry of a row of csv. Raises BadItem, BadEntryKey."""
    if len(row) != len(HEADING):
        raise BadItem(why=f"it has {counted(len(row), 'column')}, a key and a value are wanted")
    try:
        return Entry(parse_entry_key(row[0]), row[1].encode(), type=ValueType.TEXT)
    except UnicodeEncodeError:
        raise BadItem(why="it is not UTF-8") from None
