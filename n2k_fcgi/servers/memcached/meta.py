"""The meta commands ``mg``, ``ms``, ``md``, ``ma``, ``mn`` and ``me`` (memcached's doc/protocol.txt, "Meta Commands").

The flags for recaching (N and R of ``mg``, I) are left out: a read would have to write who won.
"""

from collections.abc import Sequence
from functools import partial

from n2k_fcgi.errors import ConditionFailed, N2KError, NoSuchEntry
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Count, Delete, Get, Touch
from n2k_fcgi.servers.memcached.flags import Asked, Refused, understood
from n2k_fcgi.servers.memcached.numbers import FOR_EVER, MOST_SIGNED_32, signed_32
from n2k_fcgi.servers.memcached.steps import (
    BAD_FORMAT,
    ERROR,
    LONGEST_KEY,
    READ_ONLY,
    TOO_LARGE,
    Block,
    Outcome,
    Read,
    Say,
    Skip,
    Step,
    Store,
    Write,
    refusal,
)
from n2k_fcgi.servers.memcached.storing import Stored, first, storing, what_became
from n2k_fcgi.servers.memcached.text import Terms, Words, touching

BAD_FLAGS = b"CLIENT_ERROR invalid or duplicate flag\r\n"

_WAYS = {b"E": Store.ADD, b"A": Store.APPEND, b"P": Store.PREPEND, b"R": Store.REPLACE, b"S": Store.SET}
_CODES = {Stored.STORED: b"HD", Stored.NOT_STORED: b"NS", Stored.EXISTS: b"EX", Stored.NOT_FOUND: b"NF"}
_DOWN = {b"I": False, b"+": False, b"D": True, b"-": True}


# --- mg -----------------------------------------------------------------------------------------------------------------


def get(terms: Terms, words: Words) -> Step:
    """``mg``: one key, and what the flags ask for; T writes, all else only reads."""
    asked = understood(terms, words, 2)
    life = asked.flags.life
    if life is None:
        return Read([asked.key], partial(_got, asked))
    if terms.read_only:
        return Say(READ_ONLY)

    def answer(outcomes: Sequence[Outcome]) -> bytes:
        found, touched = outcomes
        for outcome in outcomes:
            if isinstance(outcome, N2KError) and not isinstance(outcome, NoSuchEntry):
                return refusal(outcome)
        if isinstance(found, N2KError) or found.entry is None:
            return _got(asked, asked.key, None)
        newest = None if isinstance(touched, N2KError) else touched.entry
        return _got(asked, asked.key, found.entry, newest or found.entry)

    return Write([Get(asked.key), touching(asked.key, life)], answer)


def _got(asked: Asked, key: bytes, entry: Entry | None, touched: Entry | None = None) -> bytes:
    """The answer; *touched*: the entry from the flag T on."""
    flags = asked.flags
    if entry is None:
        return b"" if flags.quiet else b"EN%b\r\n" % flags.all_reflected(key)
    with_value = b"v" in flags.letters
    parts = [b"VA %d" % len(entry.value) if with_value else b"HD"]
    shown = entry
    for word in flags.words:
        letter = word[:1]
        if letter == b"T" and touched is not None:
            shown = touched
        parts.append(flags.reflected(letter, word, key) or _told(asked, letter, shown, entry))
    if b"u" not in flags.letters:
        asked.terms.marks.note(touched or entry, asked.terms.now)
    parts.append(b"\r\n%b\r\n" % entry.value if with_value else b"\r\n")
    return b"".join(parts)


def _told(asked: Asked, letter: bytes, entry: Entry, before: Entry) -> bytes:
    """What a flag tells of *entry*, and of its reads *before*."""
    terms = asked.terms
    if letter == b"s":
        return b" s%d" % len(entry.value)
    if letter == b"t":
        return b" t%d" % _seconds_left(entry, terms.clock())
    if letter == b"c":
        return b" c%d" % entry.version
    if letter == b"f":
        return b" f%d" % entry.flags
    if letter == b"l":
        return b" l%d" % terms.marks.idle_seconds(before, terms.now)
    if letter == b"h":
        return b" h%d" % terms.marks.was_read(before)
    return b""


def _seconds_left(entry: Entry, now: int) -> int:
    """Seconds that an entry still lives, begun ones included; -1: for ever."""
    left = entry.ttl(now)
    return -1 if left is None else -(-left // 1000)


# --- ms -----------------------------------------------------------------------------------------------------------------


def store(terms: Terms, words: Words) -> Step | Block | Skip:
    """``ms``."""
    if len(words) < 3:
        return Say(BAD_FORMAT)
    size = signed_32(words[2])
    if size is None or not 0 <= size <= MOST_SIGNED_32 - 2:
        return Say(BAD_FORMAT)
    try:
        asked = understood(terms, words, 3)
        way = _WAYS.get(asked.flags.mode or b"S")
        if way is None:
            raise Refused(b"CLIENT_ERROR invalid mode for ms M token\r\n")
        if terms.read_only:
            raise Refused(READ_ONLY)
        if size > terms.max_value:
            raise Refused(TOO_LARGE)
    except Refused as refused:
        return Skip(size, refused.args[0])
    return Block(size, partial(_store, asked, way), False)


def _store(asked: Asked, way: Store, value: bytes) -> Step:
    flags = asked.flags
    life = (flags.life or FOR_EVER).still(asked.terms.clock())
    return Write(
        [storing(way, asked.key, value, flags=flags.client_flags, life=life, cas=flags.cas)], partial(_stored, asked, way)
    )


def _stored(asked: Asked, way: Store, outcomes: Sequence[Outcome]) -> bytes:
    flags, outcome = asked.flags, first(outcomes)
    try:
        became = what_became(way, outcome, cas=flags.cas is not None)
    except N2KError as error:
        return refusal(error)
    if became is Stored.STORED and flags.quiet:
        return b""
    version = 0 if isinstance(outcome, N2KError) else outcome.version
    parts = [_CODES[became]]
    for word in flags.words:
        letter = word[:1]
        parts.append(b" c%d" % version if letter == b"c" else flags.reflected(letter, word, asked.key))
    return b"".join(parts) + b"\r\n"


# --- md, ma -------------------------------------------------------------------------------------------------------------


def delete(terms: Terms, words: Words) -> Step:
    """``md``."""
    asked = understood(terms, words, 2, BAD_FLAGS)
    return Write([Delete(asked.key, asked.flags.condition)], partial(_deleted, asked))


def _deleted(asked: Asked, outcomes: Sequence[Outcome]) -> bytes:
    outcome = first(outcomes)
    if not isinstance(outcome, N2KError):
        code = b"HD"
    else:
        code = _missed(outcome)
        if not code:
            return refusal(outcome)
    return b"" if asked.flags.quiet and code == b"HD" else code + asked.flags.all_reflected(asked.key) + b"\r\n"


def _missed(error: N2KError) -> bytes:
    """NF if there was no entry, EX if it has another version, b'' for another error."""
    if isinstance(error, ConditionFailed):
        return b"EX" if error.version else b"NF"
    return b"NF" if isinstance(error, NoSuchEntry) else b""


def count(terms: Terms, words: Words) -> Step:
    """``ma``."""
    asked = understood(terms, words, 2, BAD_FLAGS)
    flags, key = asked.flags, asked.key
    down = _DOWN.get(flags.mode or b"I")
    if down is None:
        return Say(b"CLIENT_ERROR invalid mode for ma M token\r\n")
    initial = None if flags.initial_life is None else flags.initial
    first_life = flags.life or flags.initial_life or FOR_EVER
    operation = Count(
        key,
        flags.delta,
        down,
        initial,
        0 if first_life.is_over else first_life.ttl,
        None if flags.life is None else Touch(key, 0 if flags.life.is_over else flags.life.ttl),
        flags.condition,
    )
    return Write([operation], partial(_counted, asked))


def _counted(asked: Asked, outcomes: Sequence[Outcome]) -> bytes:
    flags, outcome = asked.flags, first(outcomes)
    if isinstance(outcome, N2KError):
        code = _missed(outcome)
        return code + flags.all_reflected(asked.key) + b"\r\n" if code else refusal(outcome)
    if flags.quiet and not outcome.created:  # as memcached: who asks for no answer is told of a new number
        return b""
    entry = outcome.entry
    assert entry is not None  # a count stores one
    number = entry.value.rstrip()
    parts = [b"VA %d" % len(number) if b"v" in flags.letters else b"HD"]
    for word in flags.words:
        letter = word[:1]
        told = _told(asked, letter, entry, entry) if letter in b"tc" else b""
        parts.append(flags.reflected(letter, word, asked.key) or told)
    parts.append(b"\r\n%b\r\n" % number if b"v" in flags.letters else b"\r\n")
    return b"".join(parts)


# --- mn, me -------------------------------------------------------------------------------------------------------------


def nothing(terms: Terms, words: Words) -> Step:
    """``mn``: shows that all before it is answered."""
    return Say(b"MN\r\n")


def describe(terms: Terms, words: Words) -> Step:
    """``me``: an entry's metadata, for people."""
    if len(words) < 2 or len(words[1]) > LONGEST_KEY:
        return Say(BAD_FORMAT)
    asked = understood(terms, [*words[:2], b"b"] if words[2:3] == [b"b"] else words[:2], 2, BAD_FORMAT)
    shown = words[1]

    def described(key: bytes, entry: Entry | None) -> bytes:
        if entry is None:
            return b"EN\r\n"
        left = _seconds_left(entry, terms.clock())
        told = terms.marks.idle_seconds(entry, terms.now), entry.version, b"yes" if terms.marks.was_read(entry) else b"no"
        size = len(key) + len(entry.value)
        return b"ME %b exp=%d la=%d cas=%d fetch=%b cls=1 size=%d\r\n" % (shown, -abs(left), *told, size)

    return Read([asked.key], described)


COMMANDS = {b"mg": get, b"ms": store, b"md": delete, b"ma": count, b"mn": nothing, b"me": describe}


def step_of(terms: Terms, words: Words) -> Step | Block | Skip:
    """Return what a line that begins with one of COMMANDS comes to."""
    if len(words) < 2 and words[0] not in (b"mn", b"me"):
        return Say(ERROR)
    try:
        step = COMMANDS[words[0]](terms, words)
    except Refused as refused:
        return Say(refused.args[0])
    return Say(READ_ONLY) if terms.read_only and isinstance(step, Write) else step
