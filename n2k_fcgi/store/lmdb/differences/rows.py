"""Writing the rows of differences: the first part of an answer always, another if it or the base has something there.

So the parts of one answer (keys and history; names, former and held) are never of two files, and a lookup that finds no first
part asks the base.
"""

from n2k_fcgi.store.lmdb.building.data_file import DataFile

ROWS = 4_096
"""Rows that are appended in one transaction, about."""


class Writing:
    """Appends rows of *databases*, in order."""

    def __init__(self, data: DataFile, *databases: bytes) -> None:
        self._data = data
        self._rows: dict[bytes, dict[bytes, bytes]] = {database: {} for database in databases}
        self._count = 0
        self.written = 0
        """Answers."""

    def put(self, db_key: bytes, *parts: tuple[bytes, bytes | None]) -> None:
        """Write an answer: of each database the value, b'' for none, and the base's value."""
        for number, (rows, (value, base)) in enumerate(zip(self._rows.values(), parts, strict=True)):
            if value or base or number == 0:
                rows[db_key] = value
        self.written += 1
        self._count += 1
        if self._count >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Append what was collected."""
        for database, rows in self._rows.items():
            self._data.append_rows(database, list(rows.items()))
            rows.clear()
        self._count = 0
