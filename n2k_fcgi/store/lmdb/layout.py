"""Databases and db_keys of the LMDB files, and the versions of what is in them; the files are in ``store.datadir``."""

FORMAT = 3
"""Of a generation. Raised when bytes on disk change meaning; docs/storage.md describes each."""

FORMATS = range(1, FORMAT + 1)
"""The versions of a generation that can be read."""

WITH_DIFFERENCES = 3
"""The first format that differences can be built against: its records of names have a form."""

CAPTURE_FORMATS = range(1, 4)
"""The same for captures.mdb. Earlier versions than 3 would give reserved names to others."""

VOLATILE_FORMATS = range(3, 4)
"""The same for volatile.mdb and statistics.mdb: a file of an earlier version is emptied, since all of it may be lost."""

# Databases of a generation. A db_key of names and former is a canonical name in UTF-8, of keys and history an avatar key.
NAMES = b"names"
KEYS = b"keys"
FORMER = b"former"
HISTORY = b"history"
HELD = b"held"
"""For each name of several avatars of Second Life: its holder, the key that had it first. Not in format 1."""
META = b"meta"
GENERATION_DATABASES = (NAMES, KEYS, FORMER, HISTORY, HELD, META)

# First byte of a db_key in captures.mdb, which has one database. After it: a key, a canonical name, a token's id, a digest,
# a grid, a word.
CAPTURE_KEY = b"k"
CAPTURE_NAME = b"n"
TOKEN = b"t"
FORGOTTEN = b"f"
CREATED_GRID = b"g"
RESERVED = b"r"
CAPTURE_META = b"m"

# First byte of a db_key in volatile.mdb. After it: a key; grid, NUL, canonical name, NUL, key; what a limit counts; a digest.
PENDING_KEY = b"p"
CONFLICT = b"c"
METER = b"l"
SESSION = b"s"
CODE = b"o"

# First byte of a db_key in statistics.mdb. After it: Unix seconds, 8 bytes, the highest first; nothing; a process id.
OF_AN_HOUR = b"h"
OF_A_DAY = b"d"
OF_ALL_TIME = b"a"
OF_A_WORKER = b"w"

FORMAT_KEY = b"format"
ORIGINS_KEY = b"origins"
FORMER_ORIGINS_KEY = b"former-origins"
"""The origins of former names where their numbers mean another time than those of current names. Only in differences."""
SIZES_KEY = b"sizes"
"""JSON: the number of current names by each origin; the number of names and of keys. From format 3 on."""
ID_KEY = b"id"
"""16 random bytes in hexadecimal digits, which differences repeat. From format 3 on."""
BASE_KEY = b"base"
"""JSON: name and id of the generation that the file is the differences against. Missing in a whole one."""
PAST_KEY = b"past"
"""Names of the generations that a generation was built from, the latest last. Missing before this was written."""
SECRET_KEY = b"forgotten"
"""After CAPTURE_META: the key of the digests in tombstones."""
UNDONE_KEY = b"undone"
"""After CAPTURE_META: when an avatar was last shown again, in unix seconds."""
RESERVED_KEY = b"reserved"
"""After CAPTURE_META: the key of the digests in reserved names."""
EVICTED_KEY = b"evicted"
"""After CAPTURE_META: how many names were dropped because a key had too many, or a name too many keys."""
DOUBTED_KEY = b"doubted"
"""After CAPTURE_META: when nothing confirmed the clock by which captures were to be dropped, in unix seconds."""
PURGED_KEY = b"purged"
"""After CAPTURE_META: when a purge last began, in unix seconds."""
