"""Group commit: the writes of all connections that arrived in one turn of the loop are one transaction, with one sync.

Their answers leave when it is on the disk. A read behind a write of its connection is one of the operations: it sees the write.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from n2k_fcgi.errors import N2KError, NoMemory
from n2k_fcgi.model.keyvalue.operations import Count, Delete, Flush, Operation, Put
from n2k_fcgi.servers.connection import Connection
from n2k_fcgi.servers.memcached.steps import Outcome
from n2k_fcgi.service.keyvalue.space import KeyValueSpace

MOST_OPERATIONS = 2000
"""Operations after which a turn ends, so that other clients wait for 0.1 seconds at most."""
MOST_HELD = 8 * 1024 * 1024
"""Bytes of values that a batch brings, or may read or change: they are in memory at once. A fuller one is written at once."""
LEAST_WEIGHT = 100
"""Bytes that every operation counts."""


class Waiting(Protocol):
    """A conversation that waits for outcomes."""

    @property
    def connection(self) -> Connection: ...

    def answered(self, text: bytes) -> None:
        """Take the next answer that was waited for."""
        ...


class _Job(NamedTuple):
    waiting: Waiting
    operations: Sequence[Operation | Flush]
    answer: Callable[[Sequence[Outcome]], bytes]


class Batch:
    """The operations that wait for the end of the turn."""

    def __init__(self, space: KeyValueSpace, counted: Callable[[str], None]) -> None:
        """*counted*: adds one to a counter, for each operation that a limit refuses."""
        self._space = space
        self._counted = counted
        self._jobs: list[_Job] = []
        self._count = self._held = 0
        self._written: dict[Connection, None] = {}

    @property
    def is_full(self) -> bool:
        """Whether the turn should end."""
        return self._count >= MOST_OPERATIONS or self._held >= MOST_HELD

    def add(
        self, waiting: Waiting, operations: Sequence[Operation | Flush], answer: Callable[[Sequence[Outcome]], bytes]
    ) -> None:
        """Do *operations* with the others; *waiting* then gets the answer."""
        held = sum(map(self._weight, operations))
        if self._held + held > MOST_HELD and self._jobs:
            self.commit()
        self._held += held
        self._count += len(operations)
        self._jobs.append(_Job(waiting, operations, answer))

    def commit(self) -> None:
        """Do all operations in one write, and give the answers, in order."""
        jobs, self._jobs = self._jobs, []
        self._count = self._held = 0
        operations = [operation for job in jobs for operation in job.operations]
        outcomes = self._outcomes(operations)
        for outcome in outcomes:
            if isinstance(outcome, N2KError) and outcome.limit:
                self._counted(f"limits.{outcome.limit}")
        start = 0
        for job in jobs:
            end = start + len(job.operations)
            job.waiting.answered(job.answer(outcomes[start:end]))
            self._written[job.waiting.connection] = None
            start = end

    def settle(self) -> Sequence[Connection]:
        """End the turn: commit; return the connections that got answers."""
        if self._jobs:
            self.commit()
        if not self._written:
            return ()
        written, self._written = list(self._written), {}
        return written

    def _outcomes(self, operations: list[Operation | Flush]) -> Sequence[Outcome]:
        if not operations:
            return ()
        try:
            return self._space.apply_each(operations)
        except N2KError as error:
            return [error] * len(operations)
        except MemoryError:
            return [NoMemory()] * len(operations)

    def _weight(self, operation: Operation | Flush) -> int:
        """Bytes that an operation holds: its value, or the present one, whose size is not known yet."""
        if isinstance(operation, Put):
            return LEAST_WEIGHT + len(operation.value)
        holds_no_value = isinstance(operation, (Count, Delete, Flush))  # the value is a number, or dropped
        return LEAST_WEIGHT if holds_no_value else self._space.max_value
