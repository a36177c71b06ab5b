"""Storing a value: the operation that each way of storing is, and what its outcome is called."""

from collections.abc import Sequence

from n2k_fcgi.errors import ConditionFailed, N2KError, NoSuchEntry
from n2k_fcgi.model.choices import Choice
from n2k_fcgi.model.keyvalue.entry import ValueType, type_of
from n2k_fcgi.model.keyvalue.operations import ALWAYS, Append, Condition, Delete, Operation, Put
from n2k_fcgi.servers.memcached.numbers import Life
from n2k_fcgi.servers.memcached.steps import Outcome, Store

_EXISTS = {Store.ADD: Condition(exists=False), Store.REPLACE: Condition(exists=True)}


class Stored(Choice):
    """What became of a value; the text is the classic answer."""

    STORED = "STORED"
    NOT_STORED = "NOT_STORED"
    EXISTS = "EXISTS"
    NOT_FOUND = "NOT_FOUND"


def storing(way: Store, key: bytes, value: bytes, *, flags: int, life: Life, cas: int | None = None) -> Operation:
    """Return the operation. The value is text if it is UTF-8, bytes otherwise: scripts in-world read text only.

    A value whose life is over removes the entry, under the same condition.
    """
    condition = _EXISTS.get(way, ALWAYS)
    if cas is not None and way is not Store.ADD:  # to add goes by existence alone
        condition = Condition.at(cas)
    if way in (Store.APPEND, Store.PREPEND):
        return Append(key, value, before=way is Store.PREPEND, condition=condition)
    if life.is_over:
        return Delete(key, condition)
    return Put(key, value, type_of(value, ValueType.TEXT), life.ttl, flags, condition)


def what_became(way: Store, outcome: Outcome, *, cas: bool) -> Stored:
    """Return what *outcome* means for the command; *cas*: it named a version. Raises the error of another refusal."""
    if not isinstance(outcome, N2KError):
        return Stored.STORED
    if isinstance(outcome, ConditionFailed):
        if not cas or way is Store.ADD or (not outcome.version and way in (Store.APPEND, Store.PREPEND)):
            return Stored.NOT_STORED
        return Stored.EXISTS if outcome.version else Stored.NOT_FOUND
    if isinstance(outcome, NoSuchEntry):  # nothing to append to; or a value whose life is over in the place of nothing
        return Stored.NOT_STORED if way in (Store.APPEND, Store.PREPEND) else Stored.STORED
    raise outcome


def first(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a single operation."""
    (outcome,) = outcomes
    return outcome
