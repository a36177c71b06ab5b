"""Operations that change one entry. Each decides from the present one what is stored; an engine calls it in its transaction.

``applied(present, now)``: *present* is the entry of its key, None if there is none or it has expired; *now* in milliseconds.
It returns the new entry (the engine sets its version), None to remove it, or *present* itself to leave it as it is, and raises
the error that refuses the operation. It may be called again for the same operation.
"""

import re
from typing import NamedTuple, Protocol

from n2k_fcgi.errors import ConditionFailed, NoSuchEntry, NotANumber, NumberTooLarge, ValueTooLarge
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType, type_of

_NUMBER = re.compile(rb"([+-]?[0-9]{1,30})[ \t\r\n]*")
LEAST, MOST = -(2**63), 2**63 - 1
_UNSIGNED = re.compile(rb"\+?([0-9]{1,30})[ \t\r\n]*")
MOST_UNSIGNED = 2**64 - 1

NEW_ID = -1
"""The ``Entry.id`` that asks the engine for the next id of the namespace."""


def _end(ttl: int | None, now: int) -> int:
    """Return ``Entry.expires`` of what lives *ttl* milliseconds; None: for ever."""
    return 0 if ttl is None else now + ttl


class Operation(Protocol):
    """See the module."""

    @property
    def key(self) -> bytes: ...

    def applied(self, present: Entry | None, now: int) -> Entry | None: ...


class Condition(NamedTuple):
    """What must hold of the present entry; all that is given."""

    exists: bool | None = None
    """False: create only. True: replace only."""
    versions: frozenset[int] | None = None
    """The present version is one of these."""
    value: bytes | None = None
    """The present value is this one."""

    @classmethod
    def at(cls, *versions: int) -> "Condition":
        """Return the condition that the present version is one of *versions*."""
        return cls(versions=frozenset(versions))

    def check(self, present: Entry | None) -> None:
        """Raise ConditionFailed unless it holds."""
        if (
            (self.exists is not None and self.exists != (present is not None))
            or (self.versions is not None and (present is None or present.version not in self.versions))
            or (self.value is not None and (present is None or present.value != self.value))
        ):
            raise ConditionFailed(version=present.version if present else 0)


ALWAYS = Condition()


class Get(NamedTuple):
    """Read an entry among writes: as those before it left it. Raises NoSuchEntry."""

    key: bytes
    condition: Condition = ALWAYS

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        self.condition.check(present)
        if present is None:
            raise NoSuchEntry
        return present


class Put(NamedTuple):
    """Store a value, whatever was there. It lives *ttl* milliseconds; None: for ever."""

    key: bytes
    value: bytes
    type: ValueType = ValueType.BYTES
    ttl: int | None = None
    flags: int = 0
    condition: Condition = ALWAYS

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        self.condition.check(present)
        return Entry(self.key, self.value, 0, _end(self.ttl, now), self.flags, self.type, present.id if present else 0)


class Delete(NamedTuple):
    """Remove an entry. Raises NoSuchEntry."""

    key: bytes
    condition: Condition = ALWAYS

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        self.condition.check(present)
        if present is None:
            raise NoSuchEntry
        return None


class Increment(NamedTuple):
    """Add to a decimal number of 64 bits with sign. A missing entry becomes *initial*; None: NoSuchEntry.

    The entry keeps its time, flags and type. Blanks behind the number are accepted: memcached leaves some when a number gets
    shorter. Raises NotANumber, NumberTooLarge.
    """

    key: bytes
    by: int = 1
    initial: int | None = None
    ttl: int | None = None
    """For a new entry, milliseconds."""
    condition: Condition = ALWAYS

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        self.condition.check(present)
        if present is None:
            if self.initial is None:
                raise NoSuchEntry
            return Entry(self.key, b"%d" % self.initial, 0, _end(self.ttl, now), 0, ValueType.TEXT)
        match = _NUMBER.fullmatch(present.value)
        if match is None:
            raise NotANumber
        number = int(match[1])
        if not LEAST <= number <= MOST or not LEAST <= number + self.by <= MOST:
            raise NumberTooLarge
        return present._replace(value=b"%d" % (number + self.by))


class Count(NamedTuple):
    """Add to a decimal number of 64 bits without sign, or subtract, by memcached's rules (``incr`` in its doc/protocol.txt).

    A sum starts again at 0 after 2**64 - 1; a difference ends at 0. The value never gets shorter: blanks fill it. A missing
    entry becomes *initial*; None: NoSuchEntry. The entry keeps its flags and type, and its time unless *ttl_after* is given.
    Raises NotANumber, also for a negative number and one of more than 64 bits.
    """

    key: bytes
    by: int = 1
    down: bool = False
    initial: int | None = None
    ttl: int | None = None
    """For a new entry, milliseconds; 0: it is over at once."""
    ttl_after: "Touch | None" = None
    """The time that a counted entry still lives from now on."""
    condition: Condition = ALWAYS

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        self.condition.check(present)
        if present is None:
            if self.initial is None:
                raise NoSuchEntry
            return Entry(self.key, b"%d" % self.initial, 0, _end(self.ttl, now), 0, ValueType.TEXT)
        match = _UNSIGNED.fullmatch(present.value)
        number = int(match[1]) if match else MOST_UNSIGNED + 1
        if number > MOST_UNSIGNED:
            raise NotANumber
        number = max(0, number - self.by) if self.down else (number + self.by) & MOST_UNSIGNED
        counted = present._replace(value=(b"%d" % number).ljust(len(present.value)))
        return self.ttl_after.applied(counted, now) if self.ttl_after else counted


class Append(NamedTuple):
    """Add bytes behind the value, or before it. Time, flags and, if it still fits, the type stay.

    Raises NoSuchEntry, and ValueTooLarge above *limit* bytes.
    """

    key: bytes
    value: bytes
    before: bool = False
    limit: int = MOST
    condition: Condition = ALWAYS

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        self.condition.check(present)
        if present is None:
            raise NoSuchEntry
        value = self.value + present.value if self.before else present.value + self.value
        if len(value) > self.limit:
            raise ValueTooLarge(size=len(value), limit=self.limit)
        return present._replace(value=value, type=type_of(value, present.type))


class Touch(NamedTuple):
    """Set the time that an entry still lives, in milliseconds; None: for ever. Raises NoSuchEntry."""

    key: bytes
    ttl: int | None
    condition: Condition = ALWAYS

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        self.condition.check(present)
        if present is None:
            raise NoSuchEntry
        return present._replace(expires=_end(self.ttl, now))


class Flush(NamedTuple):
    """Remove everything in *after* milliseconds, in the place of another flush that is to come. It stands among operations."""

    after: int = 0


class Restore(NamedTuple):
    """Store an entry as it was elsewhere, with its id and the time when it expires; only the version is new.

    An entry without an id gets that of the present one. *keep*: leave a present entry as it is.
    """

    entry: Entry
    keep: bool = False

    @property
    def key(self) -> bytes:
        """The key of the entry."""
        return self.entry.key

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        if present is None or self.entry.id:
            return present if present and self.keep else self.entry
        return present if self.keep else self.entry._replace(id=present.id)


class AssignId(NamedTuple):
    """Give an entry the next id of the namespace, unless it has one. *value*: stored as by ``put`` if it is given.

    Raises NoSuchEntry without an entry and a value.
    """

    key: bytes
    put: Put | None = None
    condition: Condition = ALWAYS

    def applied(self, present: Entry | None, now: int) -> Entry | None:
        self.condition.check(present)
        entry = present if self.put is None else self.put.applied(present, now)
        if entry is None:
            raise NoSuchEntry
        return entry if entry.id else entry._replace(id=NEW_ID)
