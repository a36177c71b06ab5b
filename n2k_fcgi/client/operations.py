"""Operations as requests: of one key, with its conditions in the query, or as an item of a batch."""

from base64 import b64encode
from typing import NamedTuple

from n2k_fcgi.client.answers import Fields
from n2k_fcgi.model.keyvalue.entry import ValueType
from n2k_fcgi.model.keyvalue.operations import Append, AssignId, Condition, Delete, Increment, Operation, Put, Touch

_METHODS = {"put": "PUT", "delete": "DELETE"}
"""Of requests that do without ``op=``; all others are POST."""


class Ask(NamedTuple):
    """A request that does one operation."""

    method: str
    query: Fields
    content: bytes | None = None
    type: ValueType = ValueType.BYTES


def request_of(operation: Operation) -> Ask | None:
    """Return the request that does *operation*; None: only a batch can express it."""
    parts = _parts(operation)
    condition = parts.condition
    has_many = condition.versions is not None and len(condition.versions) != 1
    if condition.value is not None or has_many or (parts.op == "id" and parts.value == b""):  # there an empty body is none
        return None
    query = {"key": operation.key.decode(), **parts.numbers, **_fields_of(condition)}
    if parts.op not in _METHODS:
        query["op"] = parts.op
    return Ask(_METHODS.get(parts.op, "POST"), query, parts.value, parts.type)


def item_of(operation: Operation) -> Fields:
    """Return *operation* as an item of a batch."""
    parts = _parts(operation)
    fields = {"op": parts.op, "key": operation.key.decode(), **parts.numbers, **_fields_of(parts.condition)}
    if parts.value is not None:
        fields["base64"] = b64encode(parts.value).decode()
        if parts.type is not ValueType.BYTES:
            fields["type"] = str(parts.type)
    return fields


class _Parts(NamedTuple):
    op: str
    condition: Condition
    numbers: dict[str, int]
    value: bytes | None = None
    type: ValueType = ValueType.BYTES


def _parts(operation: Operation) -> _Parts:
    if isinstance(operation, Put):
        how = _given(ttl_ms=operation.ttl, flags=operation.flags or None)
        return _Parts("put", operation.condition, how, operation.value, operation.type)
    if isinstance(operation, AssignId):
        if operation.put is None:
            return _Parts("id", operation.condition, {})
        return _parts(operation.put)._replace(op="id", condition=operation.condition)
    if isinstance(operation, Increment):
        how = _given(by=operation.by, initial=operation.initial, ttl_ms=operation.ttl)
        return _Parts("incr", operation.condition, how)
    if isinstance(operation, Append):
        return _Parts("prepend" if operation.before else "append", operation.condition, {}, operation.value)
    if isinstance(operation, Touch):
        return _Parts("touch", operation.condition, _given(ttl_ms=operation.ttl))
    assert isinstance(operation, Delete)
    return _Parts("delete", operation.condition, {})


def _given(**numbers: int | None) -> dict[str, int]:
    return {name: number for name, number in numbers.items() if number is not None}


def _fields_of(condition: Condition) -> Fields:
    fields: Fields = {}
    if condition.exists is not None:
        fields["if"] = "exists" if condition.exists else "absent"
    if condition.versions is not None:
        versions = sorted(condition.versions)
        fields["if_version"] = versions[0] if len(versions) == 1 else versions
    if condition.value is not None:
        fields["if_value_base64"] = b64encode(condition.value).decode()
    return fields
