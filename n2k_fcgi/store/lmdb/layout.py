"""Databases and db_keys of the LMDB files, and the versions of what is in them; the files are in ``store.datadir``."""

FORMAT = 2
"""Raised when bytes on disk change meaning; docs/storage.md describes each."""

FORMATS = range(1, FORMAT + 1)
"""Those that are read."""

VOLATILE_FORMATS = range(3, 4)
"""The same of volatile.mdb: a file of an earlier one begins anew, since all in it may be lost."""

# Databases of a generation. A db_key of names and former is a canonical name in UTF-8, of keys and history an avatar key.
NAMES = b"names"
KEYS = b"keys"
FORMER = b"former"
HISTORY = b"history"
HELD = b"held"
"""Of each name that several avatars of Second Life claim: the key that had it first and keeps it. Not in format 1."""
META = b"meta"
GENERATION_DATABASES = (NAMES, KEYS, FORMER, HISTORY, HELD, META)

# First byte of a db_key in captures.mdb, which has one database: then a key, a canonical name, a token's id, a digest, a
# grid, a word.
CAPTURE_KEY = b"k"
CAPTURE_NAME = b"n"
TOKEN = b"t"
FORGOTTEN = b"f"
CREATED_GRID = b"g"
CAPTURE_META = b"m"

# First byte of a db_key in volatile.mdb: then a key; grid, NUL, canonical name, NUL, key; what a limit counts.
PENDING_KEY = b"p"
CONFLICT = b"c"
METER = b"l"

FORMAT_KEY = b"format"
ORIGINS_KEY = b"origins"
SECRET_KEY = b"forgotten"
"""Behind CAPTURE_META: what the digests of the forgotten are keyed with."""
UNDONE_KEY = b"undone"
"""Behind CAPTURE_META: when somebody was last shown again, in unix seconds."""
EVICTED_KEY = b"evicted"
"""Behind CAPTURE_META: how many names went because a key had too many, or a name too many keys."""
PURGED_KEY = b"purged"
"""Behind CAPTURE_META: when a purge last began, in unix seconds."""
