"""What a command comes to: text to say, keys to read, operations to write, or a block of data to wait for."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from n2k_fcgi.errors import (
    BadEntryKey,
    BadRequest,
    N2KError,
    NotANumber,
    QuotaReached,
    ReadOnly,
    StillSweeping,
    StoreFull,
    ValueTooLarge,
)
from n2k_fcgi.model.choices import Choice
from n2k_fcgi.model.keyvalue.entry import Entry, parse_entry_key
from n2k_fcgi.model.keyvalue.operations import Flush, Operation
from n2k_fcgi.store.keyvalue import Result

Outcome = Result | N2KError

LONGEST_KEY = 250
"""Bytes."""
_PLAIN_KEY = re.compile(rb"[!-~]{1,250}")

ERROR = b"ERROR\r\n"
BAD_FORMAT = b"CLIENT_ERROR bad command line format\r\n"
BAD_EXPTIME = b"CLIENT_ERROR invalid exptime argument\r\n"
TOO_LARGE = b"SERVER_ERROR object too large for cache\r\n"
NO_ROOM = b"SERVER_ERROR out of memory storing object\r\n"
NOT_NUMERIC = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
READ_ONLY = b"CLIENT_ERROR this may only be read\r\n"


class Say(NamedTuple):
    """An answer that needs nothing of the store."""

    text: bytes


class Read(NamedTuple):
    """Keys to read; none of it is written."""

    keys: Sequence[bytes]
    item: Callable[[bytes, Entry | None], bytes]
    """The answer to one key and its entry."""
    end: bytes = b""
    """What follows the last one."""


class Write(NamedTuple):
    """Operations on entries."""

    operations: Sequence[Operation | Flush]
    answer: Callable[[Sequence[Outcome]], bytes]
    """The answer to their outcomes; b'' if the caller wants none."""


class Quit(NamedTuple):
    """End the connection."""


Step = Say | Read | Write | Quit


class Block(NamedTuple):
    """A command whose block of data follows its line."""

    size: int
    """Bytes, without the line end."""
    then: Callable[[bytes], Step]
    is_quiet: bool
    """Whether errors are not answered either."""


class Skip(NamedTuple):
    """A refused command whose block of data is thrown away."""

    size: int
    text: bytes


class Store(Choice):
    """How a value is stored; the text is that of the classic command."""

    SET = "set"
    ADD = "add"
    REPLACE = "replace"
    APPEND = "append"
    PREPEND = "prepend"
    CAS = "cas"


def key_of(token: bytes) -> bytes | None:
    """Return a key as it is stored; None: it cannot be one here (longer than 250 bytes, not UTF-8, control characters)."""
    if _PLAIN_KEY.fullmatch(token):
        return token
    return stored_key(token) if len(token) <= LONGEST_KEY else None


def stored_key(key: bytes) -> bytes | None:
    """Return *key* if a namespace can have it, None otherwise."""
    try:
        return parse_entry_key(key.decode())
    except (BadEntryKey, UnicodeDecodeError):
        return None


def refusal(error: N2KError) -> bytes:
    """Return the line for an error that a command has no word of its own for."""
    if isinstance(error, (QuotaReached, StillSweeping, StoreFull)):
        return NO_ROOM
    if isinstance(error, ValueTooLarge):
        return TOO_LARGE
    if isinstance(error, NotANumber):
        return NOT_NUMERIC
    if isinstance(error, ReadOnly):
        return READ_ONLY
    side = b"CLIENT_ERROR" if isinstance(error, BadRequest) else b"SERVER_ERROR"
    return b"%b %b\r\n" % (side, " ".join(error.told.split()).encode())
