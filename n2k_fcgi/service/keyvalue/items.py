"""Operations as JSON objects: the items of a batch over HTTP, and the body of a compare-and-set.

An item is ``{"op", "key"}`` with the fields of its operation and its conditions: ``if`` (``absent`` or ``exists``),
``if_version`` (a version, or a list of them) and ``if_value`` or ``if_value_base64``. Those that are given must all hold.
"""

from collections.abc import Callable
from typing import NamedTuple

from n2k_fcgi.errors import BadItem
from n2k_fcgi.model.keyvalue.entry import ValueType, parse_entry_key
from n2k_fcgi.model.keyvalue.operations import (
    ALWAYS,
    LEAST,
    MOST,
    Append,
    AssignId,
    Condition,
    Delete,
    Get,
    Increment,
    Operation,
    Put,
    Touch,
)
from n2k_fcgi.service.keyvalue.entry_json import Fields
from n2k_fcgi.service.keyvalue.json_fields import (
    FORMS,
    refuse_others,
    text_of,
    type_of_fields,
    value_of,
    whole,
    whole_of,
)
from n2k_fcgi.service.keyvalue.space import MOST_FLAGS, MOST_TTL

MOST_VERSIONS = 100
"""In the condition of one item."""

_OLD = {"old": ValueType.TEXT, "old_base64": ValueType.BYTES}
_NEW = {"new": ValueType.TEXT, "new_base64": ValueType.BYTES}
_IF_VALUE = {"if_value": ValueType.TEXT, "if_value_base64": ValueType.BYTES}
_CONDITION = frozenset(("if", "if_version", *_IF_VALUE))
_HOW = frozenset(("type", "ttl_ms", "flags"))
_PUT = frozenset(FORMS) | _HOW


def operation_of(item: object) -> Operation:
    """Return the operation that *item* describes. Raises BadItem, BadEntryKey."""
    if not isinstance(item, dict):
        raise BadItem(why="it is not a JSON object")
    name = item.get("op")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadItem(why=f"'op' is one of {', '.join(_KINDS)}")
    refuse_others(item, kind.fields | _CONDITION | {"op", "key"})
    return kind.make(parse_entry_key(text_of(item, "key")), item, _condition(item))


def compare_and_set(fields: Fields) -> Put:
    """Return the operation of ``{"key", "old", "new"}``, texts, or ``old_base64`` and ``new_base64``.

    ``"old": null``: if there is no entry. Raises BadItem, BadEntryKey.
    """
    refuse_others(fields, {"key", *_OLD, *_NEW, *_HOW})
    if "old" in fields and fields["old"] is None and "old_base64" not in fields:
        condition = Condition(exists=False)
    else:
        condition = Condition(value=value_of(fields, _OLD)[0])
    return _stored(parse_entry_key(text_of(fields, "key")), fields, value_of(fields, _NEW), condition)


def _put(key: bytes, item: Fields, condition: Condition) -> Put:
    return _stored(key, item, value_of(item), condition)


def _stored(key: bytes, fields: Fields, given: tuple[bytes, ValueType], condition: Condition) -> Put:
    value, form = given
    flags = whole_of(fields, "flags", 0, MOST_FLAGS) or 0
    return Put(key, value, type_of_fields(fields, form), _ttl(fields), flags, condition)


def _get(key: bytes, item: Fields, condition: Condition) -> Get:
    return Get(key, condition)


def _delete(key: bytes, item: Fields, condition: Condition) -> Delete:
    return Delete(key, condition)


def _increment(key: bytes, item: Fields, condition: Condition) -> Increment:
    by = whole_of(item, "by", LEAST, MOST)
    return Increment(key, 1 if by is None else by, whole_of(item, "initial", LEAST, MOST), _ttl(item), condition)


def _append(key: bytes, item: Fields, condition: Condition) -> Append:
    return Append(key, value_of(item)[0], item["op"] == "prepend", condition=condition)


def _touch(key: bytes, item: Fields, condition: Condition) -> Touch:
    return Touch(key, _ttl(item), condition)


def _assign_id(key: bytes, item: Fields, condition: Condition) -> AssignId:
    return AssignId(key, None if item.keys().isdisjoint(_PUT) else _put(key, item, ALWAYS), condition)


class _Kind(NamedTuple):
    """What an ``op`` may have besides its key and conditions, and what makes its operation."""

    fields: frozenset[str]
    make: Callable[[bytes, Fields, Condition], Operation]


_KINDS = {
    "put": _Kind(_PUT, _put),
    "get": _Kind(frozenset(), _get),
    "delete": _Kind(frozenset(), _delete),
    "incr": _Kind(frozenset(("by", "initial", "ttl_ms")), _increment),
    "append": _Kind(frozenset(FORMS), _append),
    "prepend": _Kind(frozenset(FORMS), _append),
    "touch": _Kind(frozenset(("ttl_ms",)), _touch),
    "id": _Kind(_PUT, _assign_id),
}


def _condition(item: Fields) -> Condition:
    if item.keys().isdisjoint(_CONDITION):
        return ALWAYS
    wanted = item.get("if")
    if wanted not in (None, "absent", "exists"):
        raise BadItem(why="'if' is absent or exists")
    value = None if item.keys().isdisjoint(_IF_VALUE) else value_of(item, _IF_VALUE)[0]
    return Condition(None if wanted is None else wanted == "exists", _versions(item), value)


def _versions(item: Fields) -> frozenset[int] | None:
    given = item.get("if_version")
    if given is None:
        return None
    listed = given if isinstance(given, list) else [given]
    if len(listed) > MOST_VERSIONS:
        raise BadItem(why=f"'if_version' has {MOST_VERSIONS} versions at most")
    return frozenset(whole(each, "if_version", 0, MOST) for each in listed)


def _ttl(fields: Fields) -> int | None:
    return whole_of(fields, "ttl_ms", 1, MOST_TTL)
