"""Leases of numbers that nobody gets twice."""

import lmdb

from n2k_fcgi.errors import BadRequest, NumberTooLarge
from n2k_fcgi.model.keyvalue.operations import MOST
from n2k_fcgi.store.lmdb.keyvalue.rows import COUNTERS, NUMBER, SEQUENCE, number_of, pack_counters, unpack_counters

MOST_SEQUENCES = 1000
"""In one namespace: the quota does not count them, and nothing removes one."""


def leased(transaction: lmdb.Transaction, name: bytes, count: int) -> int:
    """Lease *count* numbers of a sequence; return the first. Raises BadRequest, NumberTooLarge."""
    row = transaction.get(SEQUENCE + name)
    if row is None:
        counters = unpack_counters(transaction.get(COUNTERS))
        if counters.sequences >= MOST_SEQUENCES:
            raise BadRequest(why=f"a namespace has {MOST_SEQUENCES} sequences at most")
        counters.sequences += 1
        transaction.put(COUNTERS, pack_counters(counters))
    first = 1 if row is None else number_of(row)
    if first + count > MOST:
        raise NumberTooLarge
    transaction.put(SEQUENCE + name, NUMBER.pack(first + count))
    return first
