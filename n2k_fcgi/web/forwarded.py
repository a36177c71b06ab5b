"""Who a proxy says that it asks for: the headers X-Forwarded-For and Forwarded (RFC 7239).

Both list the way of a request, and each proxy adds to the end. What stands before the entry of a trusted proxy may be
anybody's invention.
"""

import re

from n2k_fcgi.web.decoding import Environ

_PAIR = re.compile(r'(?:[^",;]|"(?:[^"\\]|\\.)*")*')
"""One pair of a Forwarded header, up to the separator behind it: those inside quotes are none."""

_NODE = re.compile(r"(?:\[([^][]*)\]|([^:]*))(?::[A-Za-z0-9._-]+)?")
"""An address, in brackets when it has colons, and perhaps a port: in Forwarded by RFC 7239, in the other by some proxies."""


def ways(environ: Environ) -> list[list[str]]:
    """The way as each header that is there tells it, the nearest hop first, without ports.

    A hop that names no address is given as it is: ``unknown``, ``_hidden``, '' for one that cannot be read.
    """
    told = []
    if listed := environ.get("HTTP_X_FORWARDED_FOR", ""):
        told.append([hop.strip() for hop in listed.split(",") if hop.strip()])
    if forwarded := environ.get("HTTP_FORWARDED", ""):
        told.append(_elements(forwarded))
    return [[_address(hop) for hop in reversed(hops)] for hops in told]


def _elements(header: str) -> list[str]:
    """What each element of Forwarded says that it is ``for``; '' where it says nothing, or two things."""
    found: list[str] = []
    ours: list[str] = []
    position = 0
    while True:
        match = _PAIR.match(header, position)
        assert match is not None  # it matches nothing, too
        name, _, value = match[0].partition("=")
        if name.strip().lower() == "for":
            ours.append(value.strip())
        end = header[match.end() : match.end() + 1]
        if end == '"':  # left open: it may have swallowed what a proxy added
            return [""]
        if end != ";":
            found.append(ours[0] if len(ours) == 1 else "")
            ours = []
        if not end:
            return found
        position = match.end() + 1


def _address(hop: str) -> str:
    """Without quotes, brackets and port."""
    text = hop[1:-1] if len(hop) > 1 and hop[0] == hop[-1] == '"' else hop
    match = _NODE.fullmatch(text)
    if match is None:
        return text  # an IPv6 address without brackets has no port
    return match[2] if match[1] is None else match[1]
