"""Closed choices that settings, files and answers share. The value of each is the word that is written there."""

from enum import Enum


class Choice(str, Enum):
    """A word out of a closed list; it equals its text and is formatted as its text."""

    def __str__(self) -> str:
        return str(self.value)


class Permission(Choice):
    """Who may do something: anyone, holders of a token, or no caller at all."""

    OPEN = "open"
    TOKEN = "token"
    OFF = "off"


class OnConflict(Choice):
    """Which key has a name outside Second Life that is registered for two keys: the first or the newest."""

    REFUSE = "refuse"
    NEWEST = "newest"


class Phase(Choice):
    """What an import is doing, in this order."""

    READING = "reading"
    KEYS = "keys"
    NAMES = "names"


class Provenance(Choice):
    """Whether a name comes from an imported dump or from a capture."""

    DUMP = "dump"
    CAPTURE = "capture"


class Scope(Choice):
    """What a token permits. A stored token may have other words, of an older version: they permit nothing."""

    REGISTER = "register"
    FORGET = "forget"
    CSV = "csv"
    READ = "read"
    """Lists of names: the search, and the csv too, since whoever may search for every prefix has all of it."""
    METRICS = "metrics"
    """The counts of the service, for a program that watches it."""
    KEYVALUE = "keyvalue"
    """One namespace of the key-value service, the token's."""
    ADMIN = "admin"
    """Everything."""


class Sync(Choice):
    """When an acknowledged write of the key-value service is on disk."""

    ALWAYS = "always"
    """Before the answer."""
    META = "meta"
    """A power cut may lose the last moments, never the file."""
    OFF = "off"
    """A power cut may cost the file: for caches."""

    @property
    def promise(self) -> str:
        """What holds of an acknowledged write, in words."""
        return {
            Sync.ALWAYS: "a write is on the disk before it is acknowledged",
            Sync.META: "a power cut may lose the last moments, never the file",
            Sync.OFF: "a power cut may cost the whole file",
        }[self]


class Later(Choice):
    """What a swap does with the later writes: those that were made since a dataset was live, which belong to it."""

    KEPT = "kept"
    """They stay with it, and those of the dataset that becomes live are there again."""
    CARRY = "carry"
    """Those of the present dataset become those of the next, whose own are removed."""
    FRESH = "fresh"
    """Those of the dataset that becomes live are removed."""


class Kind(Choice):
    """What a request asked for, as it is counted."""

    LOOKUP = "lookup"
    """A key or a name, or up to a thousand."""
    SEARCH = "search"
    LIST = "list"
    """The csv."""
    REGISTER = "register"
    FORGET = "forget"
    PENDING = "pending"
    VALUES = "values"
    """The key-value service."""
    PAGE = "page"
    OWNER = "owner"
    """What the owner reads and switches: counts, generations, conflicts."""
    HEALTH = "health"
    OTHER = "other"


class Front(Choice):
    """What kind of process counted."""

    FASTCGI = "fastcgi"
    CGI = "cgi"
    HOSTED = "hosted"
    """In a server's own process: Passenger, mod_wsgi."""
    STANDALONE = "standalone"
    """A worker of ``n2k serve``."""
    MEMCACHED = "memcached"
    COMMAND = "command"


class LogLevel(Choice):
    """From which level on lines are logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
