"""The address that rate limits count: the caller's, also behind trusted proxies."""

from __future__ import annotations

from functools import lru_cache

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from n2k_fcgi.web.decoding import Environ

UNKNOWN = "unknown"
"""A web server on a unix socket may pass no address; such callers share one count."""

IPV6_SITE = 64
"""Bits of an IPv6 address that a provider assigns to one customer, who chooses the rest."""


def client_address(environ: Environ, trusted: tuple[str, ...]) -> str:
    """Return the caller's address in one spelling; for IPv6 its network of 64 bits.

    *trusted*: networks of proxies. X-Forwarded-For and Forwarded are read from the right, up to the first address that is
    not in them. Headers from other peers are ignored: any caller can send them. If both headers are there and disagree,
    one of them came from the caller, and both are ignored.
    """
    peer: str = environ.get("REMOTE_ADDR", "")
    if not trusted:
        return _site(peer)
    from n2k_fcgi.web.forwarded import ways  # late: most services have no proxy

    told = {_nearest([peer, *hops], trusted) for hops in ways(environ)}
    return told.pop() if len(told) == 1 else _site(peer)


def is_trusted(peer: str, trusted: tuple[str, ...]) -> bool:
    """Whether *peer*, the other end of the connection, is one of the networks *trusted*."""
    return bool(trusted) and _is_trusted(peer, trusted)


def is_loopback(text: str) -> bool:
    """Whether *text* is an address of this machine itself."""
    address = _parse(text)
    return address is not None and address.is_loopback


def _nearest(hops: list[str], trusted: tuple[str, ...]) -> str:
    """Return the nearest address that is not trusted; the last readable one if a proxy hides the next."""
    nearest = hops[0]
    for hop in hops:
        if _parse(hop) is None:
            break
        nearest = hop
        if not _is_trusted(hop, trusted):
            break
    return _site(nearest)


@lru_cache(maxsize=256)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import IPv6Address, ip_address  # late: lookups need no address

    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=256)
def _is_trusted(text: str, trusted: tuple[str, ...]) -> bool:
    from ipaddress import ip_network  # late: only registrations need it

    address = _parse(text)
    return address is not None and any(address in ip_network(network) for network in trusted)


def _site(text: str) -> str:
    address = _parse(text)
    if address is None:
        return UNKNOWN
    if address.version == 4:
        return str(address)
    from ipaddress import ip_network  # late: only registrations need it

    return str(ip_network((int(address), IPV6_SITE), strict=False))
