"""Answers of the service, read by the client: JSON objects, and errors as the classes that the server raised.

An error is a status and one line, which is made from the template of its class. What is no such line, because another program
or another version answers, is UnexpectedAnswer.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar

import httpx

from n2k_fcgi.errors import BatchRefused, ConditionFailed, N2KError, UnexpectedAnswer

T = TypeVar("T")
Fields = dict[str, Any]

_FIELD = re.compile(r"\{(\w+)\}")
_MODULES = ("requests", "store", "installation", "keyvalue")
"""Modules of ``errors`` with what a server of the key-value service raises."""
_TEMPORARY = frozenset({429, 502, 503, 504})
_NONE = "none"
"""ConditionFailed's version if there is no entry."""


def parsed(answer: httpx.Response, parse: Callable[[Fields], T]) -> T:
    """Return what *parse* makes of the JSON object of an answer. Raises UnexpectedAnswer."""
    body = _json_in(answer)
    try:
        if body is not None:
            return parse(body)
    except (KeyError, TypeError, ValueError):
        pass
    raise unexpected(answer)


def error_in(answer: httpx.Response) -> N2KError | None:
    """Return the error that this service reports by *answer*; None: the answer is of another program."""
    body = _json_in(answer) or {}
    line = body.get("error", _line_in(answer))
    failures = body.get("failures")
    error: N2KError | None
    if failures:
        error = BatchRefused(failures=[(each["index"], _failure(answer, each["status"], each["error"])) for each in failures])
    else:
        error = error_of(answer.status_code, line)
    if error is not None:
        error.retry_after = retry_after(answer)
    return error


def error_of(status: int, line: str) -> N2KError | None:
    """Return the error whose message is *line*, with the attributes that are in the line; None: no class has it."""
    for kind, pattern in _patterns():
        match = pattern.fullmatch(line)
        if match is None or kind.status != status:
            continue
        error = kind.__new__(kind, line)  # not by its constructor: a message for callers may lack fields that this one needs
        error.told = line
        for name, text in match.groupdict().items():
            setattr(error, name, int(text) if text.isdecimal() else text)
        if isinstance(error, ConditionFailed) and match["version"] == _NONE:
            error.version = 0
        return error
    return None


def unexpected(answer: httpx.Response) -> UnexpectedAnswer:
    """Return the error for an answer that this service does not give."""
    place = answer.headers.get("Location")
    line = f"it redirects to {place}" if place else _line_in(answer) or answer.reason_phrase
    return UnexpectedAnswer(status=answer.status_code, url=shown_address(answer.url), line=line)


def shown_address(url: httpx.URL) -> str:
    """Return an address for messages: without key, and without a password for the web server."""
    return str(url.copy_with(userinfo=b"", query=None))


def may_be_temporary(answer: httpx.Response) -> bool:
    """Whether a web server answered that could not reach the service. (The service says by Retry-After that it is busy.)

    mod_fcgid answers a page with 500 if a worker ended; a line with 500 is the service's own "internal error".
    """
    return answer.status_code in _TEMPORARY or (answer.status_code == 500 and not _line_in(answer) and _json_in(answer) is None)


def retry_after(answer: httpx.Response) -> int:
    """Return the seconds of Retry-After; 0 without it, or if it is a date."""
    text: str = answer.headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def _failure(answer: httpx.Response, status: int, line: str) -> N2KError:
    return error_of(status, line) or UnexpectedAnswer(status=status, url=shown_address(answer.url), line=line)


def _json_in(answer: httpx.Response) -> Fields | None:
    if not answer.headers.get("Content-Type", "").startswith("application/json"):
        return None
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _line_in(answer: httpx.Response) -> str:
    """Return the line of a text answer; '' for anything else."""
    if not answer.headers.get("Content-Type", "").startswith("text/plain"):
        return ""
    line: str = answer.content.decode("utf-8", "replace")
    return line.removesuffix("\n")


@lru_cache
def _patterns() -> list[tuple[type[N2KError], re.Pattern[str]]]:
    """Return the classes with a pattern of their messages, the longest first; those without words of their own left out."""
    found: dict[tuple[type[N2KError], str], int] = {}
    for module in _MODULES:
        for kind in vars(import_module(f"n2k_fcgi.errors.{module}")).values():
            if isinstance(kind, type) and issubclass(kind, N2KError):
                for template in filter(None, (kind.template, kind.public)):
                    words = _FIELD.split(template)[::2]
                    found[kind, template] = len("".join(words))
    worded = sorted(((length, kind, template) for (kind, template), length in found.items() if length), key=lambda row: -row[0])
    return [(kind, _pattern_of(template)) for _, kind, template in worded]


def _pattern_of(template: str) -> re.Pattern[str]:
    pattern, known = "", set[str]()
    for index, part in enumerate(_FIELD.split(template)):  # words and names of fields in turns
        if index % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in known else f"(?P<{part}>.*)"
            known.add(part)
    return re.compile(pattern)
