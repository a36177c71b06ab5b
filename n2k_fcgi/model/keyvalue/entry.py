"""What is stored below a key: an entry, its type, and the forms of keys and namespaces."""

import re
from typing import NamedTuple

from n2k_fcgi.errors import BadDatasetName, BadEntryKey, BadNamespace
from n2k_fcgi.model.choices import Choice

MAX_KEY = 500
"""Bytes of UTF-8. LMDB holds 511 bytes with the prefix and, in the index of expiry, a time."""

_NAMESPACE = re.compile(r"[a-z0-9_-]{1,40}")
_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

NO_DATASET = "none"
"""The word that is said instead of a dataset's name."""


class ValueType(Choice):
    """The content types that are stored and answered; other text types are stored as TEXT."""

    BYTES = "application/octet-stream"
    JSON = "application/json"
    TEXT = "text/plain"


class Entry(NamedTuple):
    """A value with its metadata."""

    key: bytes
    value: bytes
    version: int = 0
    """Grows with every write in the namespace; 0 before the engine has stored it."""
    expires: int = 0
    """Unix time in milliseconds from which it is gone; 0: never."""
    flags: int = 0
    """32 bits for the caller."""
    type: ValueType = ValueType.BYTES
    id: int = 0
    """The number that ``AssignId`` gave its key; an overwrite keeps it. 0: none."""

    def is_live(self, now: int) -> bool:
        """Whether it exists at *now*, in milliseconds."""
        return not self.expires or now < self.expires

    def ttl(self, now: int) -> int | None:
        """Return the milliseconds that it still lives; None: it never expires."""
        return max(0, self.expires - now) if self.expires else None

    @property
    def text(self) -> str:
        """The value as text. Raises UnicodeDecodeError."""
        return self.value.decode()


def type_of(value: bytes, wanted: ValueType) -> ValueType:
    """Return *wanted* if *value* is of that type, else the next type that it is of: TEXT is UTF-8, BYTES is anything."""
    if wanted is ValueType.JSON and not is_json(value):
        wanted = ValueType.TEXT
    if wanted is ValueType.TEXT:
        try:
            value.decode()
        except UnicodeDecodeError:
            return ValueType.BYTES
    return wanted


def is_json(value: bytes) -> bool:
    """Whether *value* is one JSON value in UTF-8 (RFC 8259: no NaN, no byte order mark)."""
    import json  # late: a read needs none

    try:
        json.loads(value.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def json_bytes(value: object) -> bytes:
    """Return *value* as JSON in UTF-8, without blanks or a line feed; half of a surrogate pair is written as its escape.

    Raises TypeError, ValueError (a number that JSON cannot hold), RecursionError.
    """
    import json  # late: as above

    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def parse_entry_key(text: str) -> bytes:
    """Return a key as it is stored. Raises BadEntryKey unless it is 1 to 500 bytes of UTF-8 without control characters."""
    try:
        key = text.encode()
    except UnicodeEncodeError:
        raise BadEntryKey(why="it is not UTF-8") from None
    if not 1 <= len(key) <= MAX_KEY:
        raise BadEntryKey(why=f"it has {len(key)} bytes, 1 to {MAX_KEY} are allowed")
    if not text.isprintable() and any(map(is_control, text)):
        raise BadEntryKey(why="it has a control character")
    return key


def is_control(character: str) -> bool:
    """Whether it is a control character (Unicode category Cc)."""
    return character < " " or "\x7f" <= character <= "\x9f"


def is_namespace(text: str) -> bool:
    """Whether it can be the name of a namespace."""
    return _NAMESPACE.fullmatch(text) is not None


def parse_namespace(text: str) -> str:
    """Return the name of a namespace. Raises BadNamespace."""
    if not is_namespace(text):
        raise BadNamespace(namespace=text)
    return text


def is_dataset(text: str) -> bool:
    """Whether it can be the name of a dataset."""
    return _DATASET.fullmatch(text) is not None and text != NO_DATASET


def parse_dataset(text: str) -> str:
    """Return the name of a dataset. Raises BadDatasetName."""
    if not is_dataset(text):
        raise BadDatasetName(dataset=text)
    return text
