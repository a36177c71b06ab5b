"""Rate limits of writes and failed authentications: per minute, per address and per token, shared by all workers.

A full minute's worth is accepted at once, and refills evenly. Lookups are not counted. A valid token is never rejected for
failures of others behind the same address: its secret has 256 bits, so the limit is against noise, not against guessing.
"""

from __future__ import annotations

import math
import time

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import N2KError, TooManyRequests
from n2k_fcgi.model.charges import Charge

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2k_fcgi.model.tokens import Token
    from n2k_fcgi.store.base import MeterStore

KEYS_A_MINUTE = 300
"""Pending keys that one address may add per minute. A resolver finds some 100 names per minute (LSL's own limits)."""


class Limits:
    """Limits per minute: *writes* from one address, *per_token* with one token, *failures* from one address."""

    def __init__(
        self, meters: MeterStore, *, writes: int, per_token: int, failures: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._meters = meters
        self._writes = writes
        self._per_token = per_token
        self._failures = failures
        self._clock = clock

    def write(self, address: str, token: Token | None, count: int = 1) -> None:
        """Count *count* writes from *address* with *token*. Raises TooManyRequests, with nothing counted.

        Writes without a token have a count of their own: they must not use up that of token holders behind the same address.
        """
        if token is None:
            self._take([Charge(b"n" + address.encode(), self._writes, count)], "writes")
            return
        rate = token.rate or self._per_token
        self._take(
            [Charge(b"a" + address.encode(), self._writes, count), Charge(b"t" + token.id.encode(), rate, count)], "writes"
        )

    def keys(self, address: str, count: int) -> None:
        """Count *count* new pending keys. Raises TooManyRequests, with nothing counted."""
        self._take([Charge(b"k" + address.encode(), KEYS_A_MINUTE, count)], "unknown keys")

    def failure(self, address: str, token_id: str) -> None:
        """Count a failed authentication; *token_id*: the id in the token, '' without one. Raises TooManyRequests."""
        charges = [Charge(b"f" + address.encode(), self._failures)]
        if token_id:
            charges.append(Charge(b"F" + token_id.encode(), self._failures))
        self._take(charges, "failed authentications")

    def _take(self, charges: list[Charge], what: str) -> None:
        try:
            wait = self._meters.take(charges, self._clock())
        except N2KError as problem:  # a write is not rejected because counting fails
            logs.warning(f"rate limits are not counted: {problem}")
            return
        if wait > 0:
            raise TooManyRequests(what=what, seconds=math.ceil(wait))
