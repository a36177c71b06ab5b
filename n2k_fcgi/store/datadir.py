"""Every file of a data directory: where it lies, what it is for, and what a purge does with it.

What is not in this table was put there by somebody else.
"""

from collections.abc import Iterator
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.files import NEW_SUFFIX

SETTINGS_FILE = "n2k.ini"
TOKEN_FILE = "token"
TYPED_LINES = "history"
LOG_FOLDER = "log"
UPDATE_LOCK = "update.lock"
UPDATE_STATE = "update.json"
LIST_LOCK = "csv.{}.lock"
DOWNLOADED = "download.part"
DECODED = "download.inner"


class Purging(Enum):
    """What becomes of a file in a purge."""

    NAMES_NOBODY = "stays: it holds nothing of an avatar"
    OWNERS = "stays: the owner wrote it, --check says whether it names them"
    WRITTEN_ANEW = "is written anew without the forgotten, by the store"
    CUT = "is written anew when it names them: they are cut out"
    REMOVED_IF_NAMING = "is removed when it names them: all it saves is a download"
    REMOVED = "is removed: it is temporary, or may be lost"


class File(NamedTuple):
    """A kind of file."""

    pattern: str
    """Its path below the data directory; ``*`` is any text."""
    meaning: str
    purging: Purging


TABLE = (
    File(SETTINGS_FILE, "settings", Purging.OWNERS),
    File(TOKEN_FILE, "the first token", Purging.NAMES_NOBODY),
    File("CURRENT", "the name of the live generation", Purging.NAMES_NOBODY),
    File("CURRENT" + NEW_SUFFIX, "of a publication that was killed", Purging.NAMES_NOBODY),
    File("generations/*.building/*", "of an import or a purge that was killed", Purging.REMOVED),
    File("generations/*/data.mdb", "a generation", Purging.WRITTEN_ANEW),
    File("generations/*/manifest.json", "what a generation says of itself", Purging.CUT),
    File("manifest.json" + NEW_SUFFIX, "of a purge that was killed", Purging.REMOVED),
    File("captures.mdb", "captures, tokens, who asked to be forgotten", Purging.WRITTEN_ANEW),
    File("captures.fresh*", "of a purge that was killed", Purging.REMOVED),
    File("volatile.mdb", "pending keys, conflicts, limits", Purging.WRITTEN_ANEW),
    File("*.mdb-lock", "LMDB's table of readers", Purging.NAMES_NOBODY),
    File("*.writer", "the queue of those who write such a file", Purging.NAMES_NOBODY),
    File("import.lock", "held by an import", Purging.NAMES_NOBODY),
    File(UPDATE_LOCK, "held by an update", Purging.NAMES_NOBODY),
    File(LIST_LOCK.format("*"), "held while a csv is sent", Purging.NAMES_NOBODY),
    File(UPDATE_STATE, "what the last download was", Purging.REMOVED_IF_NAMING),
    File(UPDATE_STATE + NEW_SUFFIX, "of an update that was killed", Purging.REMOVED),
    File(DOWNLOADED, "a download under way, or of an update that was killed", Purging.REMOVED),
    File(DECODED, "the same without its encoding", Purging.REMOVED),
    File(TYPED_LINES, "what was typed into n2k shell", Purging.REMOVED),
    File(TYPED_LINES + "-*", "readline's, while it writes that", Purging.REMOVED),
    File(LOG_FOLDER + "/*.lock", "held while a log is set aside", Purging.NAMES_NOBODY),
    File(LOG_FOLDER + "/*", "the log, and what was set aside of it", Purging.REMOVED),
    File(".*.part", "of an export that was killed", Purging.REMOVED),
)
"""The first pattern that fits tells what a file is."""


def files(data_dir: Path) -> Iterator[tuple[Path, File | None]]:
    """Every file in *data_dir*, links too, with its row of the table; None: it is not ours."""
    for path in sorted(data_dir.rglob("*")):
        if path.is_symlink() or path.is_file():
            name = path.relative_to(data_dir).as_posix()
            yield path, next((row for row in TABLE if fnmatchcase(name, row.pattern)), None)
