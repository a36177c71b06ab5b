"""Leases of numbers that nobody gets twice."""

import lmdb

from n2k_fcgi.errors import BadRequest, NumberTooLarge
from n2k_fcgi.model.keyvalue.operations import MOST
from n2k_fcgi.store.lmdb.keyvalue.rows import COUNTERS, NUMBER, SEQUENCE, pack_counters
from n2k_fcgi.store.lmdb.keyvalue.state import State

MOST_SEQUENCES = 1000
"""In one namespace: the quota does not count them, and nothing removes one."""


def leased(transaction: lmdb.Transaction, name: bytes, count: int) -> int:
    """Lease *count* numbers of a sequence; return the first. Raises BadRequest, NumberTooLarge."""
    state = State(transaction)
    first = state.next_number(name)
    if first == 1:  # a new one: each lease makes it more
        counters = state.counters()
        if counters.sequences >= MOST_SEQUENCES:
            raise BadRequest(why=f"a namespace has {MOST_SEQUENCES} sequences at most")
        counters.sequences += 1
        transaction.put(COUNTERS, pack_counters(counters))
    if first + count > MOST:
        raise NumberTooLarge
    transaction.put(SEQUENCE + name, NUMBER.pack(first + count))
    return first
