"""What the methods of a namespace return, and which keys they are about."""

from typing import Any, NamedTuple

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.keyvalue.entry import MAX_KEY, Entry, ValueType
from n2k_fcgi.store.keyvalue import Kind, Range


class Item(NamedTuple):
    """What is stored below a key."""

    key: str
    value: bytes
    version: int
    """Grows with every write in the namespace."""
    ttl_ms: int | None
    """Milliseconds that it still lived when it was read; None: it does not expire."""
    flags: int
    """32 bits for the caller."""
    type: ValueType

    @property
    def text(self) -> str:
        """The value as text. Raises UnicodeDecodeError."""
        return self.value.decode()

    def json(self) -> Any:
        """Return the value parsed as JSON. Raises ValueError."""
        import json  # late: for JSON values

        return json.loads(self.value)


class Written(NamedTuple):
    """What a write did."""

    version: int
    """Of the write: of the new entry, or of the removal."""
    created: bool = False
    """Whether the key did not exist before."""
    number: int | None = None
    """The number after an increment."""
    id: int | None = None
    """The id after ``assign_id``."""


class Change(NamedTuple):
    """One record of the log of changes."""

    version: int
    kind: Kind
    key: str
    """'' for Kind.FLUSH."""


class Changes(NamedTuple):
    """A part of the log of changes."""

    changes: list[Change]
    """In the order of their versions."""
    last: int
    """Ask again with this as *since*."""
    more: bool
    """Whether there are more already."""


class Count(NamedTuple):
    """How much there is."""

    keys: int
    bytes: int
    """Of keys and values."""


class Span(NamedTuple):
    """Keys that begin with *prefix*, from *start* to before *end* ('': to the last)."""

    prefix: str = ""
    start: str = ""
    end: str = ""

    def in_bytes(self) -> Range:
        """Return the same range as bytes. Raises BadRequest if a text is not UTF-8, or longer than a key."""
        try:
            prefix, start, end = (text.encode() for text in self)
        except UnicodeEncodeError:
            raise BadRequest(why="prefix, start and end must be UTF-8") from None
        if max(map(len, (prefix, start, end))) > MAX_KEY:
            raise BadRequest(why=f"prefix, start and end have at most {MAX_KEY} bytes, as a key")
        return Range.of_prefix(prefix).within(Range(start, end or None))


def item_of(entry: Entry, now: int) -> Item:
    """Return *entry* as it is at *now*, in Unix milliseconds."""
    return Item(entry.key.decode(), entry.value, entry.version, entry.ttl(now), entry.flags, entry.type)
