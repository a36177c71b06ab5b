"""The operations of a namespace, done at once or collected, and values as programs give them."""

from abc import ABC, abstractmethod
from enum import Enum
from typing import Final, Generic, TypeVar

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.keyvalue.values import Written
from n2k_fcgi.model.keyvalue.entry import ValueType, json_bytes, parse_entry_key
from n2k_fcgi.model.keyvalue.operations import ALWAYS, Append, Condition, Delete, Increment, Operation, Put, Touch

Done = TypeVar("Done", covariant=True)


class _Missing(Enum):
    MISSING = ""


MISSING: Final = _Missing.MISSING
"""No value was given: None is one in JSON."""


class Writing(ABC, Generic[Done]):
    """The operations that a ``KeyValue`` does at once and a ``Batch`` collects.

    *condition*: what must hold of the present entry, else ConditionFailed is raised and nothing is written.
    """

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
    ) -> Done:
        """Store *value*, or *json* as JSON, for *ttl_ms* milliseconds (None: for ever).

        *type*: otherwise a str is text, and bytes are bytes. Raises ConditionFailed, QuotaReached, ValueTooLarge, BadEntryKey,
        BadRequest.
        """
        return self._write(put_of(key, value, json, type=type, ttl_ms=ttl_ms, flags=flags, condition=condition))

    def delete(self, key: str, *, condition: Condition = ALWAYS) -> Done:
        """Remove an entry. Raises NoSuchEntry, ConditionFailed."""
        return self._write(Delete(parse_entry_key(key), condition))

    def append(self, key: str, value: bytes | str, *, before: bool = False, condition: Condition = ALWAYS) -> Done:
        """Add *value* behind the present value, or *before* it. Raises NoSuchEntry, ValueTooLarge, ConditionFailed."""
        return self._write(Append(parse_entry_key(key), encoded(value)[0], before, condition=condition))

    def touch(self, key: str, ttl_ms: int | None, *, condition: Condition = ALWAYS) -> Done:
        """Set the milliseconds that an entry still lives; None: for ever. Raises NoSuchEntry, ConditionFailed."""
        return self._write(Touch(parse_entry_key(key), ttl_ms, condition))

    @abstractmethod
    def _write(self, operation: Operation) -> Done: ...


class Batch(Writing[None]):
    """Operations that are done together: see ``KeyValue.batch``. Each method is ``KeyValue``'s of the same name."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.results: list[Written] = []
        """One for each operation, in order, once the block has ended."""

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
        self._write(Increment(parse_entry_key(key), by, initial, ttl_ms, condition))

    def _write(self, operation: Operation) -> None:
        self.operations.append(operation)


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
    try:
        return json_bytes(json), type or ValueType.JSON
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(why=f"not JSON: {error}") from None


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
