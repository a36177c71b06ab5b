"""Conditions of requests: If-Match and If-None-Match (RFC 9110, 13.1), and ``if=`` and ``if_version=`` for scripts."""

import re
from collections.abc import Iterator

from n2k_fcgi.errors import BadRequest, ConditionFailed
from n2k_fcgi.model.keyvalue.operations import ALWAYS, Condition
from n2k_fcgi.web.requests import Request

_TAG = re.compile(r'[ \t]*(?:W/)?"([^"]*)"[ \t]*(?:,|$)')
_VERSION = re.compile(r"([0-9]{1,20})(?:[-;].*)?")
"""A web server that compresses answers makes the tag weak (nginx) or appends to it (Apache ``-gzip``, Jetty ``--gzip``)."""

FIELDS = frozenset({"if", "if_version"})
"""The fields of the query that hold conditions."""


def condition_of(request: Request) -> Condition:
    """Return the condition of a write. Raises BadRequest if it cannot be read, or if its parts exclude each other."""
    wanted = list(_parts(request))
    if not wanted:
        return ALWAYS
    exists = {part for part in wanted if isinstance(part, bool)}
    versions = [part for part in wanted if not isinstance(part, bool)]
    common = frozenset.intersection(*versions) if versions else None
    if len(exists) > 1 or (versions and (False in exists or (len(versions) > 1 and not common))):
        raise BadRequest(why="the conditions exclude each other")
    return Condition(exists.pop() if exists else None, common)


def _parts(request: Request) -> Iterator[bool | frozenset[int]]:
    """Yield each condition: whether the entry exists, or the versions that it may have."""
    if none_match := request.header("IF_NONE_MATCH").strip():
        if none_match != "*":
            raise BadRequest(why="If-None-Match of a write can only be *")
        yield False
    if match := request.header("IF_MATCH").strip():
        yield True if match == "*" else _matched(match)
    word = request.query.get("if")
    if word is not None:
        if word not in ("absent", "exists"):
            raise BadRequest(why="if is absent or exists")
        yield word == "exists"
    version = request.query.get("if_version")
    if version is not None:
        if not (version.isascii() and version.isdecimal() and len(version) <= 20):
            raise BadRequest(why="if_version is a version: digits only")
        yield frozenset({int(version)})


def check_read(request: Request, version: int) -> bool:
    """Return whether the caller has this version already (304). Raises ConditionFailed if If-Match does not hold."""
    match = request.header("IF_MATCH").strip()
    if match not in ("", "*") and version not in _matched(match):
        raise ConditionFailed(version=version)
    none_match = request.header("IF_NONE_MATCH").strip()
    return bool(none_match) and (none_match == "*" or version in (_versions(none_match) or ()))


def _matched(header: str) -> frozenset[int]:
    versions = _versions(header)
    if versions is None:
        raise BadRequest(why='If-Match is * or a list of versions in quotes: "1764190000000000"')
    return versions


def _versions(header: str) -> frozenset[int] | None:
    """Return the versions in a list of entity tags; None if it is no such list. A tag that we never sent matches nothing."""
    versions, position = [], 0
    while position < len(header):
        tag = _TAG.match(header, position)
        if tag is None:
            return None
        if version := _VERSION.fullmatch(tag[1]):
            versions.append(int(version[1]))
        position = tag.end()
    return frozenset(versions)
