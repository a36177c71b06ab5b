"""Reading JSON that we wrote without importing ``json``, whose regular expressions take a tenth of a CGI process."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    make_scanner: Callable[[object], Callable[[str, int], tuple[Any, int]]] | None
else:
    try:
        from _json import make_scanner  # what ``json`` itself calls, in CPython
    except ImportError:
        make_scanner = None


class _AsJson:
    """How ``json.loads`` scans."""

    strict = True
    object_hook = object_pairs_hook = parse_constant = None
    parse_float, parse_int = float, int


_scan = make_scanner(_AsJson) if make_scanner is not None else None


def parsed(text: str) -> Any:
    """Return what ``json.loads`` does, and raise what it raises: it reads all that is not plainly one value."""
    if _scan is not None:
        whole = text.strip(" \t\r\n")
        try:
            value, end = _scan(whole, 0)
        except (StopIteration, TypeError, ValueError):  # it ends too early; a constant, as NaN; not JSON
            pass
        else:
            if end == len(whole):
                return value
    import json

    return json.loads(text)
