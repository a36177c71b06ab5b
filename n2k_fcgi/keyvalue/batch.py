"""Operations that are done together, and values as programs give them."""

from enum import Enum
from typing import Final

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.keyvalue.values import Written
from n2k_fcgi.model.keyvalue.entry import ValueType, parse_entry_key
from n2k_fcgi.model.keyvalue.operations import ALWAYS, Append, Condition, Delete, Increment, Operation, Put, Touch


class _Missing(Enum):
    MISSING = ""


MISSING: Final = _Missing.MISSING
"""No value was given: None is one in JSON."""


class Batch:
    """Operations that are done together: see ``KeyValue.batch``. Each method is ``KeyValue``'s of the same name."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.results: list[Written] = []
        """One for each operation, in order, once the block has ended."""

    def put(
        self,
        key: str,
        value: bytes | str | None = None,
        *,
        json: object = MISSING,
        type: ValueType | None = None,
        ttl_ms: int | None = None,
        flags: int = 0,
        condition: Condition = ALWAYS,
    ) -> None:
        """Store a value."""
        self.operations.append(put_of(key, value, json, type=type, ttl_ms=ttl_ms, flags=flags, condition=condition))

    def delete(self, key: str, *, condition: Condition = ALWAYS) -> None:
        """Remove an entry."""
        self.operations.append(Delete(parse_entry_key(key), condition))

    def incr(
        self,
        key: str,
        by: int = 1,
        *,
        initial: int | None = None,
        ttl_ms: int | None = None,
        condition: Condition = ALWAYS,
    ) -> None:
        """Add to a number."""
        self.operations.append(Increment(parse_entry_key(key), by, initial, ttl_ms, condition))

    def append(self, key: str, value: bytes | str, *, before: bool = False, condition: Condition = ALWAYS) -> None:
        """Add bytes to a value."""
        self.operations.append(Append(parse_entry_key(key), encoded(value)[0], before, condition=condition))

    def touch(self, key: str, ttl_ms: int | None, *, condition: Condition = ALWAYS) -> None:
        """Set the time that an entry still lives."""
        self.operations.append(Touch(parse_entry_key(key), ttl_ms, condition))


def encoded(value: bytes | str | None, json: object = MISSING, type: ValueType | None = None) -> tuple[bytes, ValueType]:
    """Return the bytes and the type of a value, given as one of the two. Raises BadRequest."""
    if (value is None) == (json is MISSING):
        raise BadRequest(why="a value is needed, either as bytes or str, or by json=")
    if isinstance(value, str):
        try:
            return value.encode(), type or ValueType.TEXT
        except UnicodeEncodeError:
            raise BadRequest(why="the text cannot be written as UTF-8") from None
    if value is not None:
        return bytes(memoryview(value)), type or ValueType.BYTES
    from json import dumps  # late: for JSON values

    try:
        text = dumps(json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(why=f"not JSON: {error}") from None
    return text.encode("utf-8", "backslashreplace"), type or ValueType.JSON  # a lone surrogate as its escape


def put_of(
    key: str,
    value: bytes | str | None,
    json: object = MISSING,
    *,
    type: ValueType | None = None,
    ttl_ms: int | None,
    flags: int,
    condition: Condition = ALWAYS,
) -> Put:
    return Put(parse_entry_key(key), *encoded(value, json, type), ttl_ms, flags, condition)
