"""How much may be written, and how often a token may be wrong, a minute: per address and per token, over all workers.

A minute's worth is admitted at once, and refills evenly. Lookups are never counted. A token that is right is never refused for
the failures of others behind the same address: its secret has 256 bits, so the limit is against noise, not against guessing.
"""

import math
import time
from collections.abc import Callable

from n2k_fcgi import logs
from n2k_fcgi.errors import N2KError, TooManyRequests
from n2k_fcgi.model.charges import Charge
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.store.base import MeterStore

KEYS_A_MINUTE = 300
"""Keys that one address may put into the resolver's queue. A resolver finds some 100 names a minute (LSL's own limits)."""


class Limits:
    """Counts per minute: *writes* from one address, *per_token* with one token, *failures* from one address."""

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

        Those without a token are counted by themselves: they must not use up what token holders behind one address may.
        """
        if token is None:
            self._take([Charge(b"n" + address.encode(), self._writes, count)], "writes")
            return
        rate = token.rate or self._per_token
        self._take(
            [Charge(b"a" + address.encode(), self._writes, count), Charge(b"t" + token.id.encode(), rate, count)], "writes"
        )

    def keys(self, address: str, count: int) -> None:
        """Count *count* keys that are new to the resolver's queue. Raises TooManyRequests, with nothing counted."""
        self._take([Charge(b"k" + address.encode(), KEYS_A_MINUTE, count)], "keys that nobody knows")

    def failure(self, address: str, token_id: str) -> None:
        """Count a token that was none, *token_id* being what it said of itself ('': nothing). Raises TooManyRequests."""
        charges = [Charge(b"f" + address.encode(), self._failures)]
        if token_id:
            charges.append(Charge(b"F" + token_id.encode(), self._failures))
        self._take(charges, "wrong tokens")

    def _take(self, charges: list[Charge], what: str) -> None:
        try:
            wait = self._meters.take(charges, self._clock())
        except N2KError as problem:  # whoever may write is not refused because counting fails
            logs.warning(f"limits are not counted: {problem}")
            return
        if wait > 0:
            raise TooManyRequests(what=what, seconds=math.ceil(wait))
