"""The headers X-Forwarded-For, X-Forwarded-Proto and Forwarded (RFC 7239).

They list the hops of a request, and each proxy appends one. Entries before that of a trusted proxy may be forged.
"""

from __future__ import annotations

import re

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from n2k_fcgi.web.decoding import Environ

_PAIR = re.compile(r'(?:[^",;]|"(?:[^"\\]|\\.)*")*')
"""One pair of a Forwarded header, up to the next separator outside quotes."""

_NODE = re.compile(r"(?:\[([^][]*)\]|([^:]*))(?::[A-Za-z0-9._-]+)?")
"""An address, in brackets if it has colons, and perhaps a port: by RFC 7239 in Forwarded, by some proxies in the other."""


def ways(environ: Environ) -> list[list[str]]:
    """Return the hops of each header that is there, the nearest first, without ports.

    A hop without an address is returned as it is: ``unknown``, ``_hidden``, '' if it cannot be read.
    """
    told = []
    if listed := environ.get("HTTP_X_FORWARDED_FOR", ""):
        told.append([hop.strip() for hop in listed.split(",") if hop.strip()])
    if forwarded := environ.get("HTTP_FORWARDED", ""):
        told.append(_elements(forwarded, "for"))
    return [[_address(hop) for hop in reversed(hops)] for hops in told]


def protocols(environ: Environ) -> list[str]:
    """Return the protocol of each hop, in small letters, that a header tells; '' where Forwarded cannot be read.

    A Forwarded that tells none, of no hop, is as if it were not there.
    """
    told = [hop.strip().lower() for hop in environ.get("HTTP_X_FORWARDED_PROTO", "").split(",") if hop.strip()]
    if forwarded := environ.get("HTTP_FORWARDED", ""):
        found = [hop.strip('"').lower() for hop in _elements(forwarded, "proto")]
        told += found if any(found) else []
    return told


def _elements(header: str, parameter: str) -> list[str]:
    """Return the *parameter* of each element of Forwarded; '' if there is none, or two."""
    found: list[str] = []
    ours: list[str] = []
    position = 0
    while True:
        match = _PAIR.match(header, position)
        assert match is not None  # it matches the empty text, too
        name, _, value = match[0].partition("=")
        if name.strip().lower() == parameter:
            ours.append(value.strip())
        end = header[match.end() : match.end() + 1]
        if end == '"':  # an open quote: it may hide what a proxy appended
            return [""]
        if end != ";":
            found.append(ours[0] if len(ours) == 1 else "")
            ours = []
        if not end:
            return found
        position = match.end() + 1


def _address(hop: str) -> str:
    """Return a hop without quotes, brackets and port."""
    text = hop[1:-1] if len(hop) > 1 and hop[0] == hop[-1] == '"' else hop
    match = _NODE.fullmatch(text)
    if match is None:
        return text  # an IPv6 address without brackets has no port
    return match[2] if match[1] is None else match[1]
