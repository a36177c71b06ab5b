"""Names of files and databases in a data directory, and the version of what is in them.

DATA/CURRENT                              the live generation's name; replaced by rename
DATA/generations/<stamp>/data.mdb         read-only once published
DATA/generations/<stamp>/manifest.json
DATA/captures.mdb                         captures and tokens
DATA/import.lock, DATA/captures.writer    flock'ed, never stale
"""

from typing import NamedTuple

FORMAT = 1
"""Raised when bytes on disk change meaning; docs/storage.md describes each."""

CURRENT = "CURRENT"
GENERATIONS = "generations"
DATA_FILE = "data.mdb"
MANIFEST = "manifest.json"
BUILDING = ".building"
"""Suffix of a generation that is not finished; the next import sweeps what a killed one left."""
CAPTURES = "captures.mdb"
WRITER_LOCK = "captures.writer"
IMPORT_LOCK = "import.lock"

# Databases of a generation. A db_key of names and former is a canonical name in UTF-8, of keys and history an avatar key.
NAMES = b"names"
KEYS = b"keys"
FORMER = b"former"
HISTORY = b"history"
META = b"meta"
GENERATION_DATABASES = (NAMES, KEYS, FORMER, HISTORY, META)

# First byte of a db_key in captures.mdb, which has one database: then a key, a canonical name, a token's id, a word.
CAPTURE_KEY = b"k"
CAPTURE_NAME = b"n"
TOKEN = b"t"
CAPTURE_META = b"m"

FORMAT_KEY = b"format"
ORIGINS_KEY = b"origins"


class Modes(NamedTuple):
    """File modes of a data directory."""

    file: int
    directory: int


PRIVATE = Modes(0o600, 0o700)
SHARED = Modes(0o660, 0o2770)
"""For hosts where cron and the web server are different users of one group."""
