"""llJsonGetValue and llJsonValueType. The compiler's library stumbles over objects in arrays, and over half a JSON text."""

import json
from typing import Any, NamedTuple

INVALID, OBJECT, ARRAY, NUMBER, STRING, NULL, TRUE, FALSE = map(chr, range(0xFDD0, 0xFDD8))
"""LSL's JSON_ constants."""


class Number(NamedTuple):
    """A number as it is written: LSL's have 32 bits."""

    text: str


def get_value(text: str, path: list[Any]) -> str:
    """A string without its quotes, a number, object or array as it is written, or the constant of another value."""
    found, kind = _at(text, path)
    if kind == STRING:
        return str(found)
    if kind == NUMBER:
        return str(found.text)
    return _written(found) if kind in (OBJECT, ARRAY) else kind


def value_type(text: str, path: list[Any]) -> str:
    """The constant of its type; INVALID without such a value."""
    return _at(text, path)[1]


def _at(text: str, path: list[Any]) -> tuple[Any, str]:
    try:
        value = json.loads(text, parse_int=Number, parse_float=Number)
        for step in path:
            value = value[step]
    except (ValueError, LookupError, TypeError):
        return None, INVALID
    constants: dict[object, str] = {None: NULL, True: TRUE, False: FALSE}
    if value is None or isinstance(value, bool):
        return value, constants[value]
    return value, {dict: OBJECT, list: ARRAY, Number: NUMBER, str: STRING}[type(value)]


def _written(value: Any) -> str:
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(name)}:{_written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
