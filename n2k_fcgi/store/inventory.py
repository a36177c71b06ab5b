"""The one table of all files of a data directory: names, modes, who writes them, and what each command does with them.

``docs/storage.md`` shows it (``tests.support.file_table``). A file that is not in it does not belong to n2k.
"""

import os
from collections.abc import Iterator
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.files import NEW_SUFFIX, PRIVATE, Modes
from n2k_fcgi.store.datadir import (
    BUILDING,
    CAPTURES,
    COPY_SUFFIX,
    COUNTED,
    CURRENT,
    DATA_FILE,
    DATASET_SUFFIX,
    DATASETS,
    DECODED,
    DOWNLOADED,
    DROPPED,
    FRESH_SUFFIX,
    GENERATIONS,
    IMPORT_LOCK,
    KEYVALUE,
    LIST_LOCK,
    LOCK_SUFFIX,
    LOG_FOLDER,
    MANIFEST,
    MERGING,
    OPENING,
    PART_SUFFIX,
    SETTINGS_FILE,
    STATISTICS,
    TOKEN_FILE,
    TYPED_LINES,
    UPDATE_LOCK,
    UPDATE_STATE,
    VOLATILE,
    WRITER_SUFFIX,
)


class Access(Enum):
    """The mode of a file; in parentheses with ``share_with_group``."""

    SHARED = "0600 (0660)"
    OWNER = "0600"
    OWNERS_CHOICE = "0600 (0660), or as the owner set it"
    ANY = "any"

    def mode(self, modes: Modes) -> int | None:
        """As a number; None: any."""
        return {Access.SHARED: modes.file, Access.OWNER: PRIVATE.file}.get(self)


class Purging(Enum):
    """What ``n2k purge`` does with a file."""

    KEPT = "kept"
    OWNERS = "kept: the owner's"
    REWRITTEN = "rewritten without forgotten avatars"
    EMPTIED = "begins empty"
    CUT = "rewritten if it names them"
    REMOVED_IF_NAMING = "removed if it names them"
    REMOVED = "removed"


class Backup(Enum):
    """What a backup does with a file."""

    COPIED = "copied"
    LEFT_OUT = "left out"
    RECREATED = "recreated"


class Check(Enum):
    """What ``n2k check`` looks at."""

    CONTENT = "content, mode"
    NEEDED = "presence, content, mode"
    NEEDED_WHEN_IMPORTED = "presence after an import, content, mode"
    MODE = "mode"
    NOTHING = "nothing"


class Reading(Enum):
    """How ``n2k about`` finds an avatar in a file."""

    ROWS = "by its rows"
    LINES = "by its lines"


class File(NamedTuple):
    """A kind of file."""

    pattern: str
    """Its path below the data directory; ``*`` is any text within a name."""
    meaning: str
    writer: str
    """The commands that write it."""
    access: Access = Access.SHARED
    names_avatars: bool = False
    """Whether it may hold a name or key of an avatar."""
    purging: Purging = Purging.KEPT
    backup: Backup = Backup.LEFT_OUT
    check: Check = Check.MODE
    is_exported: bool = False
    """Whether ``n2k export`` reads it."""
    reading: Reading = Reading.LINES


OF_A_GENERATION = f"{GENERATIONS}/*"
"""The folder of one."""
_OF_A_NAMESPACE = f"{KEYVALUE}/*"


def _queue_of(file: str) -> str:
    return file.removesuffix(".mdb") + WRITER_SUFFIX


def _lock(pattern: str, meaning: str, writer: str) -> File:
    return File(pattern, meaning, writer, backup=Backup.RECREATED)


def _temporary(pattern: str, meaning: str, writer: str, access: Access = Access.OWNER) -> File:
    check = Check.MODE if access.mode(PRIVATE) else Check.NOTHING
    return File(pattern, meaning, writer, access, names_avatars=True, purging=Purging.REMOVED, check=check)


def _fresh(file: str, writer: str) -> File:
    return _temporary(file.removesuffix(".mdb") + FRESH_SUFFIX + "*", "the same, before its rename", writer, Access.SHARED)


TABLE = (
    File(
        SETTINGS_FILE,
        "settings",
        "init, the owner",
        Access.OWNERS_CHOICE,
        names_avatars=True,
        purging=Purging.OWNERS,
        backup=Backup.COPIED,
        check=Check.NOTHING,
    ),
    File(TOKEN_FILE, "the first token", "init", Access.OWNER),
    File(TOKEN_FILE + NEW_SUFFIX, "the same, before its rename", "init", Access.OWNER),
    File(
        CURRENT,
        "the name of the live generation",
        "import, update, purge, generations",
        backup=Backup.COPIED,
        check=Check.NEEDED_WHEN_IMPORTED,
    ),
    File(CURRENT + NEW_SUFFIX, "the same, before its rename", "as CURRENT"),
    _temporary(f"{OF_A_GENERATION}{BUILDING}/*", "a generation that is being built", "import, update, purge", Access.ANY),
    File(
        f"{OF_A_GENERATION}/{DATA_FILE}",
        "the avatars of a generation",
        "import, update, purge",
        names_avatars=True,
        purging=Purging.REWRITTEN,
        backup=Backup.COPIED,
        check=Check.CONTENT,
        is_exported=True,
        reading=Reading.ROWS,
    ),
    File(
        f"{OF_A_GENERATION}/{MANIFEST}",
        "where a generation came from, and its counts",
        "import, update, purge",
        names_avatars=True,
        purging=Purging.CUT,
        backup=Backup.COPIED,
        check=Check.CONTENT,
    ),
    _temporary(MANIFEST + NEW_SUFFIX, "the same, before its rename", "purge", Access.SHARED),
    File(
        CAPTURES,
        "captures, tokens, the forgotten",
        "all that write",
        names_avatars=True,
        purging=Purging.REWRITTEN,
        backup=Backup.COPIED,
        check=Check.NEEDED,
        is_exported=True,
        reading=Reading.ROWS,
    ),
    _fresh(CAPTURES, "init, purge"),
    _lock(CAPTURES + LOCK_SUFFIX, "LMDB's table of its readers", "all"),
    _lock(_queue_of(CAPTURES), "the queue of its writers", "all that write"),
    File(
        VOLATILE,
        "pending keys, conflicts, rate limits, sessions",
        "all that write",
        names_avatars=True,
        purging=Purging.EMPTIED,
        backup=Backup.RECREATED,
        reading=Reading.ROWS,
    ),
    _fresh(VOLATILE, "all that write"),
    _lock(VOLATILE + LOCK_SUFFIX, "LMDB's table of its readers", "all that write"),
    _lock(_queue_of(VOLATILE), "the queue of its writers", "all that write"),
    File(STATISTICS, "what was counted, by hour and day", "workers, stats", backup=Backup.RECREATED),
    _fresh(STATISTICS, "workers, stats"),
    _lock(STATISTICS + LOCK_SUFFIX, "LMDB's table of its readers", "workers, stats"),
    _lock(_queue_of(STATISTICS), "the queue of its writers", "workers, stats"),
    File(COUNTED, "counts that are not merged yet", "all that write, workers"),
    File(MERGING, "the same, while they are merged", "workers, stats"),
    File(OPENING, "a byte for each process that ended while it read or merged statistics", "workers, stats"),
    File(
        f"{_OF_A_NAMESPACE}/{DATA_FILE}",
        "a namespace of the key-value service",
        "kv, token, workers",
        names_avatars=True,
        purging=Purging.OWNERS,
        backup=Backup.COPIED,
        check=Check.CONTENT,
        reading=Reading.ROWS,
    ),
    _lock(f"{_OF_A_NAMESPACE}/{DATA_FILE}{LOCK_SUFFIX}", "LMDB's table of its readers", "kv, token, workers"),
    _lock(f"{_OF_A_NAMESPACE}/{_queue_of(DATA_FILE)}", "the queue of its writers", "kv, token, workers"),
    _temporary(
        f"{_OF_A_NAMESPACE}/{DATA_FILE.removesuffix('.mdb')}{FRESH_SUFFIX}*",
        "a namespace, before its rename",
        "kv compact, kv drop, token",
        Access.SHARED,
    ),
    File(
        f"{_OF_A_NAMESPACE}/{DROPPED}",
        "version, ids, sequences and quota of a namespace that was dropped",
        "kv drop",
        names_avatars=True,
        purging=Purging.OWNERS,
        backup=Backup.COPIED,
    ),
    _temporary(f"{_OF_A_NAMESPACE}/*{COPY_SUFFIX}", "a copy that is being exported", "kv export"),
    File(
        f"{DATASETS}/*{DATASET_SUFFIX}",
        "a dataset of the key-value service",
        "kv build, the owner",
        names_avatars=True,
        purging=Purging.OWNERS,
        backup=Backup.COPIED,
        check=Check.CONTENT,
        reading=Reading.ROWS,
    ),
    _fresh(f"{DATASETS}/*{DATASET_SUFFIX}", "kv build"),
    _lock(IMPORT_LOCK, "held by imports, purges and switches of generation", "import, update, purge, generations"),
    _lock(UPDATE_LOCK, "held by updates", "update, purge"),
    _lock(LIST_LOCK.format("*"), "held while a csv is sent", "workers"),
    File(
        UPDATE_STATE,
        "what the last download was",
        "update",
        Access.OWNER,
        names_avatars=True,
        purging=Purging.REMOVED_IF_NAMING,
    ),
    _temporary(UPDATE_STATE + NEW_SUFFIX, "the same, before its rename", "update"),
    _temporary(DOWNLOADED, "a download", "update"),
    _temporary(DECODED, "a download without its encoding", "update"),
    _temporary(TYPED_LINES, "lines typed into n2k shell", "shell"),
    _temporary(TYPED_LINES + "-*", "the same, before its rename", "shell", Access.ANY),
    _lock(LOG_FOLDER + "/*.lock", "held while a log is rotated", "all"),
    _temporary(LOG_FOLDER + "/*", "the log and its rotated files", "all", Access.OWNERS_CHOICE),
    _temporary(f".*{PART_SUFFIX}", "an export, a sample or an answer, before its rename", "export, sample, about", Access.ANY),
)
"""The first pattern that fits says what a file is."""

FOLDERS = (".", GENERATIONS, OF_A_GENERATION, KEYVALUE, _OF_A_NAMESPACE, DATASETS)
"""Each has the mode of folders (``Modes.directory``); the log's does, too, unless the owner set another."""


def row_of(name: str) -> File | None:
    """The row of a path below the data directory; None: it is not ours."""
    return next((row for row in TABLE if fits(name, row.pattern)), None)


def files(data_dir: Path) -> Iterator[tuple[Path, File | None]]:
    """Every file in *data_dir*, links too, with its row of the table; None: it is not ours."""
    found = (Path(folder, name) for folder, folders, names in os.walk(data_dir) for name in (*folders, *names))
    for path in sorted(found):
        if path.is_symlink() or path.is_file():
            yield path, row_of(path.relative_to(data_dir).as_posix())


def fits(name: str, pattern: str) -> bool:
    """Whether a path below the data directory is one of *pattern*."""
    return name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)
