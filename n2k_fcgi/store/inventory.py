"""The one table of all files of a data directory: names, modes, who writes them, and what each command does with them.

``docs/storage.md`` shows it (``tests.support.file_table``). A file that is not in it does not belong to n2k.
"""

import os
import stat
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
    PART_SUFFIX,
    SETTINGS_FILE,
    TOKEN_FILE,
    TYPED_LINES,
    UPDATE_LOCK,
    UPDATE_STATE,
    VOLATILE,
    WRITER_SUFFIX,
    is_data_directory,
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


_OF_A_GENERATION = f"{GENERATIONS}/*"
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
    _temporary(f"{_OF_A_GENERATION}{BUILDING}/*", "a generation that is being built", "import, update, purge", Access.ANY),
    File(
        f"{_OF_A_GENERATION}/{DATA_FILE}",
        "the avatars of a generation",
        "import, update, purge",
        names_avatars=True,
        purging=Purging.REWRITTEN,
        backup=Backup.COPIED,
        check=Check.CONTENT,
        is_exported=True,
    ),
    File(
        f"{_OF_A_GENERATION}/{MANIFEST}",
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
    ),
    _fresh(CAPTURES, "init, purge"),
    _lock(CAPTURES + LOCK_SUFFIX, "LMDB's table of its readers", "all"),
    _lock(_queue_of(CAPTURES), "the queue of its writers", "all that write"),
    File(
        VOLATILE,
        "pending keys, conflicts, rate limits",
        "all that write",
        names_avatars=True,
        purging=Purging.EMPTIED,
        backup=Backup.RECREATED,
    ),
    _fresh(VOLATILE, "all that write"),
    _lock(VOLATILE + LOCK_SUFFIX, "LMDB's table of its readers", "all that write"),
    _lock(_queue_of(VOLATILE), "the queue of its writers", "all that write"),
    File(
        f"{_OF_A_NAMESPACE}/{DATA_FILE}",
        "a namespace of the key-value service",
        "kv, token, workers",
        names_avatars=True,
        purging=Purging.OWNERS,
        backup=Backup.COPIED,
        check=Check.CONTENT,
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
    _temporary(f".*{PART_SUFFIX}", "an export or a sample, before its rename", "export, sample", Access.ANY),
)
"""The first pattern that fits says what a file is."""

FOLDERS = (".", GENERATIONS, _OF_A_GENERATION, KEYVALUE, _OF_A_NAMESPACE, DATASETS)
"""Each has the mode of folders (``Modes.directory``); the log's does, too, unless the owner set another."""


class Fault(Enum):
    """What is wrong with a file, in the words of ``n2k check``."""

    UNKNOWN = "does not belong to n2k"
    MISSING = "is missing"
    MODE = "has the wrong mode"


class Found(NamedTuple):
    """Something wrong with a file or folder."""

    path: str
    """Below the data directory."""
    fault: Fault
    advice: str = ""
    """'' for a file that does not belong to n2k: it is only reported."""


def row_of(name: str) -> File | None:
    """The row of a path below the data directory; None: it is not ours."""
    return next((row for row in TABLE if _fits(name, row.pattern)), None)


def files(data_dir: Path) -> Iterator[tuple[Path, File | None]]:
    """Every file in *data_dir*, links too, with its row of the table; None: it is not ours."""
    found = (Path(folder, name) for folder, folders, names in os.walk(data_dir) for name in (*folders, *names))
    for path in sorted(found):
        if path.is_symlink() or path.is_file():
            yield path, row_of(path.relative_to(data_dir).as_posix())


def is_of_log(path: Path, log: str | None) -> bool:
    """Whether *path* is *log*, the setting ``log_file`` as a path, or one of its rotated files."""
    return log is not None and str(path).startswith(log)


def examined(data_dir: Path, modes: Modes, log: str | None) -> Iterator[Found]:
    """Compare the directory with the table: unknown and missing files, and wrong modes. Read no file.

    Report nothing if it is not a data directory; opening it raises the error.
    """
    if not is_data_directory(data_dir):
        return
    present = set()
    for path, row in files(data_dir):
        name = path.relative_to(data_dir).as_posix()
        if row is not None:
            present.add(row.pattern)
            yield from _wrong_mode(path, name, row.access.mode(modes))
        elif not is_of_log(path, log):
            yield Found(name, Fault.UNKNOWN)
    for folder, _, _ in os.walk(data_dir):
        name = Path(folder).relative_to(data_dir).as_posix()
        if any(_fits(name, pattern) for pattern in FOLDERS):
            yield from _wrong_mode(Path(folder), name, modes.directory)
    is_imported = f"{_OF_A_GENERATION}/{DATA_FILE}" in present
    for row in TABLE:
        is_needed = row.check is Check.NEEDED or (is_imported and row.check is Check.NEEDED_WHEN_IMPORTED)
        if is_needed and row.pattern not in present:
            how = "run 'n2k generations use'" if row.pattern == CURRENT else "put a backup in its place, or run 'n2k init'"
            yield Found(row.pattern, Fault.MISSING, how)


def _wrong_mode(path: Path, name: str, wanted: int | None) -> Iterator[Found]:
    try:
        status = path.lstat()
    except FileNotFoundError:  # a running command removed it
        return
    if wanted is None or stat.S_ISLNK(status.st_mode):
        return
    mode = stat.S_IMODE(status.st_mode)
    if not mode & stat.S_IWUSR:  # its owner made it read-only
        wanted &= ~0o222
    if not wanted & stat.S_ISGID:  # inherited from the folder around it: harmless
        mode &= ~stat.S_ISGID
    if mode != wanted:
        yield Found(name, Fault.MODE, f"chmod {wanted:o}, it is {mode:o}")


def _fits(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)
