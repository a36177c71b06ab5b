"""A namespace beside a plain dict: a hypothesis state machine with a clock that jumps, for anything with our methods.

Make a subclass of ``NamespaceMachine`` whose ``opened`` returns a ``Subject``; its ``TestCase`` is the test.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from n2k_fcgi.errors import (
    BatchRefused,
    ConditionFailed,
    N2KError,
    NoSuchEntry,
    NotANumber,
    NumberTooLarge,
    QuotaReached,
    ValueTooLarge,
)
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.keyvalue.operations import ALWAYS, Append, AssignId, Condition, Delete, Increment, Operation, Put, Touch
from n2k_fcgi.store.keyvalue import Changes, Kind, Page, Range, Result, Terms

START = 1_764_000_000_000
"""Unix milliseconds."""
TERMS = Terms(quota=40, most_keys=3)
MAX_VALUE = 24


class Space(Protocol):
    """What is driven: the methods of ``service.keyvalue.space.KeyValueSpace`` that HTTP has, too."""

    def apply(self, operation: Operation, *, request: str) -> Any:
        """Return an object with the list ``results``, of one result."""
        ...

    def batch(self, operations: Sequence[Operation], *, request: str) -> Any:
        """Return an object with the list ``results``."""
        ...

    def get(self, key: str) -> Entry | None: ...
    def page(self, wanted: Range, *, after: bytes | None, limit: int, values: bool, reverse: bool) -> Page: ...
    def count(self, wanted: Range) -> tuple[int, int]: ...
    def changes(self, since: int, limit: int) -> Changes: ...
    def sequence(self, name: str, count: int) -> int: ...


@dataclass
class Subject:
    """A namespace with TERMS and values up to MAX_VALUE, whose log keeps everything."""

    space: Space
    set_clock: Callable[[int], None]
    """Set the time, in Unix milliseconds."""
    set_terms: Callable[[Terms], None]
    """As the owner does."""
    restart: Callable[[], None]
    """Close everything, and open it again at the next use."""


@dataclass(frozen=True)
class Kept:
    """A stored entry in the model; the version is the one that was answered, 0 before."""

    value: bytes
    type: ValueType
    flags: int
    expires: int
    id: int
    version: int


class Model:
    """The rules once more, on a dict."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Kept] = {}
        self.last_id = 0
        self.terms = TERMS

    def live(self, now: int) -> dict[bytes, Kept]:
        """What exists at *now*, in the order of keys."""
        return {key: kept for key, kept in sorted(self.entries.items()) if not kept.expires or now < kept.expires}

    def counted(self, entries: dict[bytes, Kept]) -> dict[bytes, Kept]:
        """Those for which the quota holds."""
        return entries

    def apply(self, operations: Sequence[Operation], now: int) -> list[type[N2KError] | None]:
        """Do *operations* all or none; return the error of each, None: it is done. QuotaReached is that of all."""
        entries, last_id = dict(self.entries), self.last_id
        before = self.live(now)
        errors = [self._apply(operation, now) for operation in operations]
        after = self.live(now)
        before, after = self.counted(before), self.counted(after)
        used, grown = _bytes(after), _bytes(after) - _bytes(before)
        if not any(errors) and (
            (used > self.terms.quota and grown > 0) or (len(after) > self.terms.most_keys and len(after) > len(before))
        ):
            errors = [QuotaReached for _ in errors]
        if any(errors):
            self.entries, self.last_id = entries, last_id
        return errors

    def _apply(self, operation: Operation, now: int) -> type[N2KError] | None:
        present = self.live(now).get(operation.key)
        condition: Condition = operation.condition  # type: ignore[attr-defined]
        if condition.exists is not None and condition.exists is not bool(present):
            return ConditionFailed
        if condition.versions is not None and (not present or present.version not in condition.versions):
            return ConditionFailed
        if condition.value is not None and (not present or present.value != condition.value):
            return ConditionFailed
        made = self._made(operation, present, now)
        if isinstance(made, type):
            return made
        if made is None:
            del self.entries[operation.key]
        else:
            self.entries[operation.key] = made if made is present else replace(made, version=0)
        return None

    def _made(self, operation: Operation, present: Kept | None, now: int) -> Kept | type[N2KError] | None:
        if isinstance(operation, Put):
            return self._put(operation, present, now)
        if isinstance(operation, AssignId) and operation.put is not None:
            present = self._put(operation.put, present, now)
        if isinstance(operation, Increment) and present is None and operation.initial is not None:
            expires = now + operation.ttl if operation.ttl else 0
            return Kept(str(operation.initial).encode(), ValueType.TEXT, 0, expires, 0, 0)
        if present is None:
            return NoSuchEntry
        if isinstance(operation, Delete):
            return None
        if isinstance(operation, Increment):
            try:
                number = int(present.value.decode()) if present.value.isascii() else None
            except ValueError:
                number = None
            if number is None:
                return NotANumber
            number += operation.by
            return replace(present, value=b"%d" % number) if -(2**63) <= number < 2**63 else NumberTooLarge
        if isinstance(operation, Append):
            value = operation.value + present.value if operation.before else present.value + operation.value
            return (
                replace(present, value=value, type=_type_of(value, present.type)) if len(value) <= MAX_VALUE else ValueTooLarge
            )
        if isinstance(operation, Touch):
            return replace(present, expires=now + operation.ttl if operation.ttl else 0)
        assert isinstance(operation, AssignId)
        if present.id:
            return present
        self.last_id += 1
        return replace(present, id=self.last_id)

    def _put(self, put: Put, present: Kept | None, now: int) -> Kept:
        return Kept(put.value, put.type, put.flags, now + put.ttl if put.ttl else 0, present.id if present else 0, 0)


def _bytes(entries: dict[bytes, Kept]) -> int:
    return sum(len(key) + len(kept.value) for key, kept in entries.items())


def _type_of(value: bytes, wanted: ValueType) -> ValueType:
    if wanted is ValueType.JSON:
        try:
            json.loads(value)
        except ValueError:
            wanted = ValueType.TEXT
    if wanted is ValueType.TEXT:
        try:
            value.decode()
        except UnicodeDecodeError:
            return ValueType.BYTES
    return wanted


keys = st.sampled_from(["a", "a/b", "ä", "..", "?&=%2F"])
values = st.sampled_from([b"", b"7", b"-3", b"text", b"\0\xff", "ä".encode(), b'{"a":1}', b"9223372036854775807", b"x" * 20])
ttls = st.none() | st.sampled_from([2, 30, 30, 10**9])
typed = values.flatmap(
    lambda value: st.tuples(
        st.just(value), st.sampled_from([kind for kind in ValueType if _type_of(value, kind) is kind])
    )
)  # fmt: skip

KINDS = ["put", "put", "delete", "incr", "append", "touch", "id"]


class NamespaceMachine(RuleBasedStateMachine):
    """Every answer is the model's; every write is in the log, in order; versions only grow."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.model = Model()
        self.now = START
        self.last = 0
        """The version up to which the log was read."""
        self.leased = 1
        self.requests = 0

    def opened(self) -> AbstractContextManager[Subject]:
        """An empty namespace whose clock is at START."""
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        """Begin."""
        self.subject = self.stack.enter_context(self.opened())
        self.space = self.subject.space
        self.subject.set_clock(self.now)

    def teardown(self) -> None:
        """End."""
        self.stack.close()

    # --- writes --------------------------------------------------------------------------------------------------------

    def condition(self, data: st.DataObject, key: str) -> Condition:
        """Draw a condition on *key*: most of them hold."""
        kept = self.model.entries.get(key.encode())
        version, value = (kept.version, kept.value) if kept else (1, b"other")
        choices = [
            *[ALWAYS] * 12, Condition(exists=True), Condition(exists=False), Condition(versions=frozenset([version, 5])),
            Condition(versions=frozenset([1, 2])), Condition(value=value), Condition(value=b"other"),
        ]  # fmt: skip
        return data.draw(st.sampled_from(choices))

    def operation(self, kind: str, data: st.DataObject) -> Operation:
        """Draw an operation."""
        text = data.draw(keys)
        key, condition = text.encode(), self.condition(data, text)
        if kind == "put":
            value, type = data.draw(typed)
            return Put(key, value, type, data.draw(ttls), data.draw(st.sampled_from([0, 2**32 - 1])), condition)
        if kind == "delete":
            return Delete(key, condition)
        if kind == "incr":
            by, initial = data.draw(st.sampled_from([(1, None), (-5, 10), (2**63 - 1, 0)]))
            return Increment(key, by, initial, data.draw(ttls) if initial is not None else None, condition)
        if kind == "append":
            return Append(key, data.draw(values), data.draw(st.booleans()), MAX_VALUE, condition)
        if kind == "touch":
            return Touch(key, data.draw(ttls), condition)
        put = Put(key, *data.draw(typed)) if data.draw(st.booleans()) else None
        return AssignId(key, put, condition)

    @rule(data=st.data(), again=st.booleans())
    def put(self, data: st.DataObject, again: bool) -> None:
        """Store a value."""
        self.write(self.operation("put", data), again)

    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        """Store another value."""
        self.write(self.operation("put", data), again=False)

    @rule(data=st.data(), again=st.booleans())
    def delete(self, data: st.DataObject, again: bool) -> None:
        """Remove an entry."""
        self.write(self.operation("delete", data), again)

    @rule(data=st.data(), again=st.booleans())
    def incr(self, data: st.DataObject, again: bool) -> None:
        """Add to a number."""
        self.write(self.operation("incr", data), again)

    @rule(data=st.data(), again=st.booleans())
    def append(self, data: st.DataObject, again: bool) -> None:
        """Add bytes to a value."""
        self.write(self.operation("append", data), again)

    @rule(data=st.data(), again=st.booleans())
    def touch(self, data: st.DataObject, again: bool) -> None:
        """Set the time of an entry."""
        self.write(self.operation("touch", data), again)

    @rule(data=st.data(), again=st.booleans())
    def assign_id(self, data: st.DataObject, again: bool) -> None:
        """Give an entry an id."""
        self.write(self.operation("id", data), again)

    def write(self, operation: Operation, again: bool) -> None:
        """Do one operation; *again*: and repeat the request as after a lost answer."""
        request = self.request() if again else ""
        outcomes: list[Result | N2KError] = []
        for _ in range(1 + again):
            try:
                outcomes.append(self.space.apply(operation, request=request).results[0])
            except N2KError as error:
                outcomes.append(error)
        self.settle(operation, outcomes)

    @rule(data=st.data(), kinds=st.lists(st.sampled_from(KINDS), min_size=2, max_size=4), named=st.booleans())
    def batch(self, data: st.DataObject, kinds: list[str], named: bool) -> None:
        """Several operations, all or none."""
        operations = [self.operation(kind, data) for kind in kinds]
        self.follow()
        before = dict(self.model.entries)
        wanted = self.model.apply(operations, self.now)
        try:
            results = self.space.batch(operations, request=self.request() if named else "").results
        except BatchRefused as refused:
            self.model.entries = before
            assert [(index, type(error)) for index, error in refused.failures] == [
                (index, error) for index, error in enumerate(wanted) if error
            ]
        except QuotaReached:
            assert set(wanted) == {QuotaReached}
        else:
            assert not any(wanted), wanted
            self.accept(operations, results)
        self.follow()

    def request(self) -> str:
        """A new request id."""
        self.requests += 1
        return f"request {self.requests}"

    def settle(self, operation: Operation, outcomes: Sequence[Result | N2KError]) -> None:
        """Compare the results of one operation with the model's."""
        (wanted,) = self.model.apply([operation], self.now)
        for outcome in outcomes:
            assert (type(outcome) if isinstance(outcome, N2KError) else None) is wanted, (outcome, wanted)
        done = [outcome for outcome in outcomes if isinstance(outcome, Result)]
        assert len({(result.version, result.created) for result in done}) <= 1, "a repeat was applied again"
        if done:
            self.accept([operation], done[:1])
        self.follow()

    def accept(self, operations: Sequence[Operation], results: Sequence[Result]) -> None:
        """Take over the versions of operations that were done, and compare what is stored."""
        for operation, result in zip(operations, results, strict=True):
            kept = self.model.entries.get(operation.key)
            if kept is not None and result.entry is not None:
                self.model.entries[operation.key] = replace(kept, version=result.version)
        for key in {operation.key for operation in operations}:
            kept, entry = self.model.entries.get(key), self.space.get(key.decode())
            assert entry == (kept and entry_of(key, kept)), (key, entry, kept)

    # --- the log -------------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Read the log to its end: each write once, and what was swept, which stays away whatever the clock does."""
        more = True
        while more:
            changes, last, more = self.space.changes(self.last, 3)
            for version, kind, key in changes:
                assert version > self.last
                self.last = version
                kept = self.model.entries.get(key)
                if kind is Kind.EXPIRE and kept is not None and kept.version < version:
                    assert kept.expires and kept.expires <= self.now, "it was swept before its time"
                    del self.model.entries[key]
            assert last == self.last

    # --- the clock, and the server -------------------------------------------------------------------------------------

    @rule(by=st.sampled_from([1, 30, 10**7, -1, -30, -(10**7)]))
    def jump(self, by: int) -> None:
        """The clock goes on, or is set back."""
        self.now += by
        self.subject.set_clock(self.now)

    @rule(data=st.data(), early=st.integers(0, 1))
    def jump_to_an_end(self, data: st.DataObject, early: int) -> None:
        """The clock is at the very millisecond at which an entry expires, or one before."""
        ends = sorted({kept.expires for kept in self.model.entries.values() if kept.expires})
        if ends:
            self.jump(data.draw(st.sampled_from(ends)) - early - self.now)

    @rule()
    def restart(self) -> None:
        """Everything is closed and opened again."""
        self.subject.restart()

    @rule(terms=st.sampled_from([TERMS, TERMS, Terms(1000, 100), Terms(10, 1)]))
    def other_terms(self, terms: Terms) -> None:
        """The owner sets another quota, below what is stored, too."""
        self.subject.set_terms(terms)
        self.model.terms = terms

    # --- reads ---------------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 5))
    def lease(self, count: int) -> None:
        """Numbers of a sequence never come twice."""
        assert self.space.sequence("numbers", count) == self.leased
        self.leased += count

    @rule(
        low=keys.map(str.encode) | st.just(b""),
        high=st.none() | keys.map(str.encode),
        limit=st.integers(1, 3),
        values=st.booleans(),
        reverse=st.booleans(),
    )
    def scan(self, low: bytes, high: bytes | None, limit: int, values: bool, reverse: bool) -> None:
        """A range in pages, both ways, and its count."""
        wanted = [
            entry_of(key, kept if values else replace(kept, value=b""))
            for key, kept in self.model.live(self.now).items()
            if low <= key and (high is None or key < high)
        ]
        found: list[Entry] = []
        after = None
        while True:
            page = self.space.page(Range(low, high), after=after, limit=limit, values=values, reverse=reverse)
            assert len(page.entries) <= limit
            found += page.entries
            after = page.more_after
            if after is None:
                break
        assert found == (wanted[::-1] if reverse else wanted)
        live = {key: kept for key, kept in self.model.live(self.now).items() if low <= key and (high is None or key < high)}
        assert self.space.count(Range(low, high)) == (len(live), _bytes(live))

    @invariant()
    def every_key_is_the_models(self) -> None:
        """Present or not, with its value and metadata."""
        live = self.model.live(self.now)
        found = self.space.page(Range(), after=None, limit=1000, values=True, reverse=False)
        assert found == Page([entry_of(key, kept) for key, kept in live.items()], None)
        assert self.space.count(Range()) == (len(live), _bytes(live))
        kept = live.get(b"a")
        assert self.space.get("a") == (entry_of(b"a", kept) if kept else None)


def entry_of(key: bytes, kept: Kept) -> Entry:
    """The entry that is answered."""
    return Entry(key, kept.value, kept.version, kept.expires, kept.flags, kept.type, kept.id)
