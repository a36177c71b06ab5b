"""The classic commands of the text protocol (memcached's doc/protocol.txt); errors are worded as memcached 1.6 words them.

Each function takes the words of a line, the command's name first, and returns what it comes to.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from n2k_fcgi.errors import N2KError, NoSuchEntry
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Count, Delete, Flush, Get, Operation, Touch
from n2k_fcgi.servers.memcached.marks import Marks
from n2k_fcgi.servers.memcached.numbers import MOST_32, MOST_SIGNED_32, Life, life_of, signed_32, unsigned
from n2k_fcgi.servers.memcached.steps import (
    BAD_EXPTIME,
    BAD_FORMAT,
    ERROR,
    READ_ONLY,
    TOO_LARGE,
    Block,
    Outcome,
    Quit,
    Read,
    Say,
    Skip,
    Step,
    Store,
    Write,
    key_of,
    refusal,
)
from n2k_fcgi.servers.memcached.storing import first, storing, what_became

Words = list[bytes]

END = b"END\r\n"
BAD_DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"
BAD_DELETE = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
LEAST_MEMORY = 8
TOO_LITTLE_MEMORY = b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"
NO_SHUTDOWN = b"ERROR: shutdown not enabled\r\n"
TOO_MANY_KEYS = b"CLIENT_ERROR too many keys for one command that writes\r\n"
MOST_KEYS = 10_000
"""Keys of one command that reads: all are looked up before other clients have a turn, if none is found."""
TOO_MANY_READ = b"CLIENT_ERROR too many keys for one command\r\n"


class Terms(NamedTuple):
    """What commands depend on beside their words."""

    now: int
    """When the command was read, in Unix milliseconds."""
    clock: Callable[[], int]
    """The time when it is answered: writes have waited for the disk."""
    max_value: int
    """Bytes of a value."""
    most_written: int
    """Keys of one command that writes."""
    read_only: bool
    marks: Marks


def get(terms: Terms, words: Words) -> Step:
    """``get`` and ``gets``."""
    if len(words) < 2:
        return Say(ERROR)
    if len(words) > MOST_KEYS + 1:
        return Say(TOO_MANY_READ)
    keys = list(map(key_of, words[1:]))
    if None in keys:
        return Say(BAD_FORMAT)
    return Read(keys, partial(_shown, terms, words[0] == b"gets"), END)  # type: ignore[arg-type]


def get_and_touch(terms: Terms, words: Words) -> Step:
    """``gat`` and ``gats``: as ``get``, and the entries live on for the time that is named first."""
    if len(words) < 2:
        return Say(ERROR)
    life = life_of(words[1], terms.now)
    if life is None:
        return Say(BAD_EXPTIME)
    if len(words) - 2 > terms.most_written:
        return Say(TOO_MANY_KEYS)
    operations: list[Operation] = []
    for word in words[2:]:
        key = key_of(word)
        if key is None:
            return Say(BAD_FORMAT)
        operations += (Get(key), touching(key, life))
    if operations and terms.read_only:
        return Say(READ_ONLY)
    with_cas = words[0] == b"gats"

    def answer(outcomes: Sequence[Outcome]) -> bytes:
        shown = []
        for found, touched in zip(outcomes[::2], outcomes[1::2], strict=True):
            for outcome in (found, touched):
                if isinstance(outcome, N2KError) and not isinstance(outcome, NoSuchEntry):
                    return refusal(outcome)
            if not isinstance(found, N2KError) and found.entry is not None:
                newest = None if isinstance(touched, N2KError) else touched.entry
                shown.append(_shown(terms, with_cas, found.entry.key, newest or found.entry))
        return b"".join(shown) + END

    return Write(operations, answer)


def store(terms: Terms, words: Words) -> Step | Block | Skip:
    """``set``, ``add``, ``replace``, ``append``, ``prepend`` and ``cas``. The data of a refused command is skipped.

    (memcached 1.6.18 reads it as commands, which lets a stored text give orders.)
    """
    way = Store(words[0].decode())
    fields = 6 if way is Store.CAS else 5
    if len(words) not in (fields, fields + 1):
        return Say(ERROR)
    quiet = words[-1] == b"noreply"
    key, flags, life, size = key_of(words[1]), unsigned(words[2], MOST_32), life_of(words[3], terms.now), signed_32(words[4])
    cas = unsigned(words[5]) if way is Store.CAS else None
    if size is None or not 0 <= size <= MOST_SIGNED_32 - 2:
        return Say(b"" if quiet else BAD_FORMAT)
    if key is None or flags is None or life is None or (way is Store.CAS and cas is None):
        return Skip(size, b"" if quiet else BAD_FORMAT)
    if terms.read_only:
        return Skip(size, b"" if quiet else READ_ONLY)
    if size > terms.max_value:
        return Skip(size, b"" if quiet else TOO_LARGE)

    def then(value: bytes) -> Step:
        return Write([storing(way, key, value, flags=flags, life=life.still(terms.clock()), cas=cas)], answer)

    def answer(outcomes: Sequence[Outcome]) -> bytes:
        try:
            became = what_became(way, first(outcomes), cas=cas is not None)
        except N2KError as error:
            return refusal(error)
        return b"%b\r\n" % became.encode()

    return Block(size, _quietly(then) if quiet else then, quiet)


def count(terms: Terms, words: Words) -> Step:
    """``incr`` and ``decr``."""
    if len(words) not in (3, 4):
        return Say(ERROR)
    key, by = key_of(words[1]), unsigned(words[2])
    if key is None:
        return Say(BAD_FORMAT)
    if by is None:
        return Say(BAD_DELTA)

    def answer(outcomes: Sequence[Outcome]) -> bytes:
        outcome = first(outcomes)
        if isinstance(outcome, NoSuchEntry):
            return b"NOT_FOUND\r\n"
        if isinstance(outcome, N2KError):
            return refusal(outcome)
        assert outcome.entry is not None  # a count stores one
        return outcome.entry.value.rstrip() + b"\r\n"

    return Write([Count(key, by, down=words[0] == b"decr")], answer)


def delete(terms: Terms, words: Words) -> Step:
    """``delete``; a time of 0 behind the key is accepted, as old clients send it."""
    if not 2 <= len(words) <= 4:
        return Say(ERROR)
    if words[2:] not in ([], [b"0"], [b"noreply"], [b"0", b"noreply"]):
        return Say(BAD_DELETE)
    key = key_of(words[1])
    return Say(BAD_FORMAT) if key is None else Write([Delete(key)], partial(_found, b"DELETED\r\n"))


def touch(terms: Terms, words: Words) -> Step:
    """``touch``."""
    if len(words) not in (3, 4):
        return Say(ERROR)
    key, life = key_of(words[1]), life_of(words[2], terms.now)
    if key is None:
        return Say(BAD_FORMAT)
    return Say(BAD_EXPTIME) if life is None else Write([touching(key, life)], partial(_found, b"TOUCHED\r\n"))


def flush_all(terms: Terms, words: Words) -> Step:
    """``flush_all``, with a delay if one is given."""
    if len(words) > 3:
        return Say(ERROR)
    life = Life(0)
    if len(words) > (2 if words[-1] == b"noreply" else 1):
        named = life_of(words[1], terms.now)
        if named is None:
            return Say(BAD_EXPTIME)
        life = named
    return Write([Flush(life.ttl or 0)], _flushed)


def verbosity(terms: Terms, words: Words) -> Step:
    """``verbosity``: accepted, and without effect."""
    if len(words) not in (2, 3):
        return Say(ERROR)
    return Say(BAD_FORMAT if unsigned(words[1], MOST_32) is None else b"OK\r\n")


def limit_memory(terms: Terms, words: Words) -> Step:
    """``cache_memlimit``: checked, and without effect, since the quota is the owner's."""
    megabytes = unsigned(words[1], MOST_32) if len(words) in (2, 3) else None
    if megabytes is None:
        return Say(ERROR)
    return Say(b"OK\r\n" if megabytes >= LEAST_MEMORY else TOO_LITTLE_MEMORY)


def leave(terms: Terms, words: Words) -> Step:
    """``quit``."""
    return Quit()


def shutdown(terms: Terms, words: Words) -> Step:
    """``shutdown``: who may connect may not end the server."""
    return Say(NO_SHUTDOWN)


COMMANDS: dict[bytes, Callable[[Terms, Words], Step | Block | Skip]] = {
    b"get": get,
    b"gets": get,
    b"gat": get_and_touch,
    b"gats": get_and_touch,
    **{way.encode(): store for way in Store},
    b"incr": count,
    b"decr": count,
    b"delete": delete,
    b"touch": touch,
    b"flush_all": flush_all,
    b"verbosity": verbosity,
    b"cache_memlimit": limit_memory,
    b"quit": leave,
    b"shutdown": shutdown,
}
"""By name. Those that stand for themselves in the server (``version``, ``stats``) are not among them."""

MAY_BE_QUIET = frozenset({b"incr", b"decr", b"delete", b"touch", b"flush_all", b"verbosity", b"cache_memlimit"})
"""Commands without data whose last word ``noreply`` silences every answer, errors included."""


def step_of(terms: Terms, words: Words) -> Step | Block | Skip:
    """Return what a line comes to; ERROR for an unknown command."""
    command = COMMANDS.get(words[0]) if words else None
    if command is None:
        return Say(ERROR)
    step = command(terms, words)
    if isinstance(step, Write) and terms.read_only:
        step = Say(READ_ONLY)
    if words[-1] == b"noreply" and words[0] in MAY_BE_QUIET and step != Say(ERROR):
        return quiet(step)  # type: ignore[arg-type]
    return step


def quiet(step: Step) -> Step:
    """Return *step* without its answer."""
    return Write(step.operations, _nothing) if isinstance(step, Write) else Say(b"")


def touching(key: bytes, life: Life) -> Operation:
    """Return the operation that lets an entry live on; one whose life is over removes it."""
    return Delete(key) if life.is_over else Touch(key, life.ttl)


def _quietly(then: Callable[[bytes], Step]) -> Callable[[bytes], Step]:
    return lambda value: quiet(then(value))


def _nothing(outcomes: Sequence[Outcome]) -> bytes:
    return b""


def _flushed(outcomes: Sequence[Outcome]) -> bytes:
    outcome = first(outcomes)
    return refusal(outcome) if isinstance(outcome, N2KError) else b"OK\r\n"


def _found(word: bytes, outcomes: Sequence[Outcome]) -> bytes:
    outcome = first(outcomes)
    if isinstance(outcome, NoSuchEntry):
        return b"NOT_FOUND\r\n"
    return refusal(outcome) if isinstance(outcome, N2KError) else word


def _shown(terms: Terms, with_cas: bool, key: bytes, entry: Entry | None) -> bytes:
    """The answer to one key."""
    if entry is None:
        return b""
    terms.marks.note(entry, terms.now)
    if with_cas:
        return b"VALUE %b %d %d %d\r\n%b\r\n" % (key, entry.flags, len(entry.value), entry.version, entry.value)
    return b"VALUE %b %d %d\r\n%b\r\n" % (key, entry.flags, len(entry.value), entry.value)
