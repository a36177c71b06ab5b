"""What the web server that started this process says of the listening socket."""

from __future__ import annotations

import os
import socket

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import CannotListen

if TYPE_CHECKING:
    from typing import Any


def is_for_us_alone(listener: socket.socket) -> bool:
    """Whether mod_fcgid made this socket, for this one process: it names it ``<its process id>.<number>`` (its source).

    Then no other process accepts from it, and after a close new connections are sent to another process instead of into
    the void.
    """
    name = listener.getsockname()
    return isinstance(name, str) and os.path.basename(name).startswith(f"{os.getppid()}.") and os.path.exists(name)


class Peers:
    """Which addresses may connect: FCGI_WEB_SERVER_ADDRS, a list of IPv4 and IPv6 addresses, for TCP only."""

    def __init__(self, addresses: frozenset[Any] | None) -> None:
        self._addresses = addresses

    @classmethod
    def of(cls, listener: socket.socket) -> Peers:
        """Read the variable, if *listener* is one that it concerns. Raises CannotListen."""
        text = os.environ.get("FCGI_WEB_SERVER_ADDRS", "").strip()
        if not text or listener.family not in (socket.AF_INET, socket.AF_INET6):
            return cls(None)
        try:
            return cls(frozenset(_address(part.strip()) for part in text.split(",") if part.strip()))
        except ValueError as problem:
            raise CannotListen(address="FCGI_WEB_SERVER_ADDRS", why=problem) from None

    def admit(self, peer: Any) -> bool:
        """Whether *peer*, as ``accept`` returned it, may connect; a refusal is logged."""
        if self._addresses is None or _address(peer[0].partition("%")[0]) in self._addresses:
            return True
        logs.warning(f"refused a connection from {peer[0]}: not in FCGI_WEB_SERVER_ADDRS")
        return False


def _address(text: str) -> Any:
    """An address; the IPv4 form of one that IPv6 only wraps. Raises ValueError."""
    import ipaddress  # late: few servers use it

    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
