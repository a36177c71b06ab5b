"""OpenSimulator's filter of the addresses that scripts may ask, as ``OpenSim.ini`` configures it.

Of ``OutboundDisallowForUserScripts`` and ``OutboundDisallowForUserScriptsExcept`` in ``[Network]``: entries with ``|`` between
them, a network (``192.168.0.0/16``) or a host with its port (``192.168.1.20:3000``), 80 where none is said.
"""

import ipaddress
import socket
from urllib.parse import urlsplit


def is_allowed(url: str, blocked: str, excepted: str) -> bool:
    """Tell whether a request to *url* may leave. What is no address, or has no IPv4 address, may not."""
    try:
        where = urlsplit(url)
        port = where.port or {"http": 80, "https": 443}[where.scheme]
        addresses = _addresses(where.hostname or "")
    except (ValueError, KeyError, OSError):
        return False
    return bool(addresses) and all(
        not _listed(address, port, blocked) or _listed(address, port, excepted) for address in addresses
    )


def _addresses(host: str) -> list[ipaddress.IPv4Address]:
    found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM) if host else []
    return [ipaddress.IPv4Address(where[0]) for *_, where in found]


def _listed(address: ipaddress.IPv4Address, port: int, entries: str) -> bool:
    for entry in filter(None, map(str.strip, entries.split("|"))):
        if "/" in entry:
            if address in ipaddress.IPv4Network(entry):
                return True
        else:
            host, _, its_port = entry.partition(":")
            if address in _addresses(host) and port == int(its_port or 80):
                return True
    return False
