"""What rate limits count."""

from __future__ import annotations

from n2k_fcgi.named import NamedTuple


class Charge(NamedTuple):
    """An amount to count against one subject, such as an address or a token."""

    subject: bytes
    a_minute: int
    """The limit per minute; after a quiet minute all of it is accepted at once."""
    weight: int = 1
    """The amount. More than *a_minute* is accepted after a quiet minute, and delays later charges accordingly."""
