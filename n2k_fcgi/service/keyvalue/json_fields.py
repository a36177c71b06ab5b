"""Fields of the JSON objects that describe entries and operations: in lines of an import, and in batches over HTTP.

Whole numbers may be texts: LSL's integers have 32 bits; versions, times and counters have more.
"""

import re
from base64 import b64decode
from collections.abc import Collection

from n2k_fcgi.errors import BadItem
from n2k_fcgi.model.keyvalue.entry import ValueType, json_bytes
from n2k_fcgi.service.keyvalue.entry_json import Fields

FORMS = {"text": ValueType.TEXT, "json": ValueType.JSON, "base64": ValueType.BYTES}
"""The fields that hold a value, and the type that it has unless ``type`` says another."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")


def refuse_others(fields: Fields, allowed: Collection[str]) -> None:
    """Raise BadItem if there is another field: a misspelt condition must not be ignored."""
    for name in fields:
        if name not in allowed:
            raise BadItem(why=f"unknown field {name!r}")


def text_of(fields: Fields, name: str) -> str:
    """Return a text. Raises BadItem if it is missing or something else."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadItem(why=f"{name!r} must be a text")
    return value


def whole_of(fields: Fields, name: str, low: int, high: int) -> int | None:
    """Return a whole number, also one in a text; None if it is missing or null. Raises BadItem."""
    value = fields.get(name)
    return None if value is None else whole(value, name, low, high)


def whole(value: object, name: str, low: int, high: int) -> int:
    """Return *value*, a whole number or a text with one. Raises BadItem unless it is one from *low* to *high*."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadItem(why=f"{name!r} is a whole number from {low} to {high}")
    return value


def value_of(fields: Fields, forms: dict[str, ValueType] = FORMS) -> tuple[bytes, ValueType]:
    """Return the value in the only one of *forms* that is there, and its type. Raises BadItem."""
    given = [name for name in forms if name in fields]
    if len(given) != 1:
        raise BadItem(why=f"one of {', '.join(map(repr, forms))} is needed")
    (name,) = given
    if forms[name] is ValueType.JSON:
        return _json(fields[name]), ValueType.JSON
    text = text_of(fields, name)
    try:
        return (_from_base64(text) if forms[name] is ValueType.BYTES else text.encode()), forms[name]
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape
        raise BadItem(why=f"{name!r} cannot be written as UTF-8") from None
    except ValueError:
        raise BadItem(why=f"{name!r} is not base64") from None


def _from_base64(text: str) -> bytes:
    if text.startswith("="):  # Python 3.10 reads padding alone as no bytes, later ones refuse it
        raise ValueError
    return b64decode(text, validate=True)


def type_of_fields(fields: Fields, form: ValueType) -> ValueType:
    """Return ``type``; *form* if it is missing. Raises BadItem."""
    if fields.get("type") is None:
        return form
    try:
        return ValueType(text_of(fields, "type"))
    except ValueError:
        raise BadItem(why=f"'type' is one of {', '.join(ValueType)}") from None


def _json(value: object) -> bytes:
    try:
        return json_bytes(value)
    except ValueError:  # NaN, or 1e999 that was read as infinity
        raise BadItem(why="'json' has a number that JSON cannot hold") from None
    except RecursionError:
        raise BadItem(why="'json' is nested too deeply") from None
