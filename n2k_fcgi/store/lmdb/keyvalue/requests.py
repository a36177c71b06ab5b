"""Requests that were applied, with their results: a repeat gets the first answer."""

from collections.abc import Sequence
from hashlib import blake2b

from n2k_fcgi.model.keyvalue.operations import Increment, Operation
from n2k_fcgi.store.keyvalue import Result
from n2k_fcgi.store.lmdb.keyvalue.rows import NUMBER, REQUEST, REQUEST_AGE, applied_at, pack_request, unpack_request
from n2k_fcgi.store.lmdb.keyvalue.writing import Writing

KEPT_FOR = 600_000
"""Milliseconds."""
MOST_REQUESTS = 10_000
MOST_FORGOTTEN = 20
"""Requests that one write removes."""


def digest_of(request: str, operations: Sequence[Operation]) -> bytes:
    """Identify a request: the same id with other operations is another one."""
    digest = blake2b(request.encode("utf-8", "surrogatepass"), digest_size=16)
    for operation in operations:
        digest.update(b"\n")  # not in a representation
        digest.update(repr(operation).encode("utf-8", "surrogatepass"))
    return digest.digest()


def earlier_results(writing: Writing, digest: bytes, operations: Sequence[Operation]) -> list[Result] | None:
    """Return the results of a request that was applied; None: it was not, or too long ago."""
    row = writing.transaction.get(REQUEST + digest)
    if row is None:
        return None
    _, applied, results = unpack_request(row, [operation.key for operation in operations])
    return results if writing.now < applied + KEPT_FOR else None


def remember(writing: Writing, digest: bytes, operations: Sequence[Operation], results: Sequence[Result]) -> None:
    """Store the results of a request, and remove old ones."""
    transaction, counters = writing.transaction, writing.counters
    before = transaction.get(REQUEST + digest)
    if before is not None:
        transaction.delete(REQUEST_AGE + before[: NUMBER.size] + digest)
        counters.requests -= 1
    numbers = frozenset(index for index, operation in enumerate(operations) if isinstance(operation, Increment))
    transaction.put(REQUEST + digest, pack_request(counters.version, writing.now, results, numbers))
    transaction.put(REQUEST_AGE + NUMBER.pack(counters.version) + digest, b"")
    counters.requests += 1
    forget_old(writing)


def forget_old(writing: Writing) -> None:
    """Remove up to MOST_FORGOTTEN requests that are too many or too old, by the order of their versions."""
    transaction = writing.transaction
    for _ in range(MOST_FORGOTTEN):
        cursor = transaction.cursor()
        if not cursor.set_range(REQUEST_AGE) or cursor.key()[:1] != REQUEST_AGE:
            return
        db_key = bytes(cursor.key())
        digest = db_key[1 + NUMBER.size :]
        applied = applied_at(transaction.get(REQUEST + digest, b""))
        if writing.counters.requests <= MOST_REQUESTS and writing.now < applied + KEPT_FOR:
            return
        transaction.delete(db_key)
        transaction.delete(REQUEST + digest)
        writing.counters.requests -= 1
