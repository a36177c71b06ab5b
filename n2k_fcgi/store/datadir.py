"""A data directory: the names of its files and folders. ``store.inventory`` says what each of them is."""

from __future__ import annotations

import os

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS_FILE = "n2k.ini"
TOKEN_FILE = "token"
CURRENT = "CURRENT"
GENERATIONS = "generations"
DATA_FILE = "data.mdb"
MANIFEST = "manifest.json"
BUILDING = ".building"
"""Suffix of a generation's folder that is not finished; the next import removes what a killed one left."""
KEYVALUE = "keyvalue"
"""The folder of the namespaces; each has a folder with a DATA_FILE."""
DROPPED = "dropped.mdb"
"""What is kept of a namespace that was dropped, in its folder."""
COPY_SUFFIX = ".copy"
"""Of a copy of a namespace, in its folder, that is being read."""
DATASETS = "datasets"
"""The folder of the datasets of the key-value service."""
DATASET_SUFFIX = ".mdb"
CAPTURES = "captures.mdb"
VOLATILE = "volatile.mdb"
STATISTICS = "statistics.mdb"
COUNTED = "statistics.lines"
"""Counts that are not merged into STATISTICS yet."""
MERGING = "statistics.merging"
"""The same, while they are merged."""
OPENING = "statistics.opening"
"""A byte for each process that ended while it read or merged STATISTICS."""
LOCK_SUFFIX = "-lock"
"""Of LMDB's own lock file."""
WRITER_SUFFIX = ".writer"
"""Of the lock for which the writers of an LMDB file queue; it replaces ``.mdb``."""
FRESH_SUFFIX = ".fresh"
"""Of an LMDB file that is about to replace another; it replaces ``.mdb``."""
IMPORT_LOCK = "import.lock"
UPDATE_LOCK = "update.lock"
UPDATE_STATE = "update.json"
LIST_LOCK = "csv.{}.lock"
DOWNLOADED = "download.part"
DECODED = "download.inner"
TYPED_LINES = "history"
LOG_FOLDER = "log"
PART_SUFFIX = ".part"
"""Of a dump or an export that is being written; such a name begins with a dot."""


def is_data_directory(path: Path) -> bool:
    """Whether ``n2k init`` was there; False also where we may not look."""
    return os.path.isdir(os.path.join(path, GENERATIONS))
