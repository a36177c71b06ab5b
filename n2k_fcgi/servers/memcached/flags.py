"""The flags of a meta command: which there are, in what order, and what their tokens mean."""

import base64
import binascii
from typing import NamedTuple

from n2k_fcgi.model.keyvalue.operations import ALWAYS, Condition
from n2k_fcgi.servers.memcached.numbers import MOST_32, Life, life_of, unsigned
from n2k_fcgi.servers.memcached.steps import BAD_FORMAT, LONGEST_KEY, key_of, stored_key
from n2k_fcgi.servers.memcached.text import Terms, Words

MOST_WORDS = 19
LONGEST_OPAQUE = 32
"""Bytes, with the letter."""

BAD_FLAG = b"CLIENT_ERROR invalid flag\r\n"
BAD_TOKEN = b"CLIENT_ERROR bad token in command line format\r\n"
BAD_KEY = b"CLIENT_ERROR error decoding key\r\n"

_RECACHING = {b"mg": b"NR", b"ms": b"I", b"md": b"I"}
"""By command: flags that are left out."""


class Refused(Exception):
    """The command cannot be done; ``args[0]`` is the line that says why."""


class _OpaqueTooLong(Refused):
    """Reported as such by every command."""


class Flags:
    """The flags of a command, in order, and what their tokens mean. Raises Refused."""

    def __init__(self, terms: Terms, words: Words, start: int) -> None:
        self.words = words[start:]
        self.key = words[1]
        self.binary = self.quiet = False
        self.life: Life | None = None
        self.initial_life: Life | None = None
        self.client_flags = self.initial = 0
        self.cas: int | None = None
        self.mode = b""
        self.delta = 1
        seen = set()
        bad: Refused | None = None
        for word in self.words:
            letter = word[:1]
            if letter in seen or letter >= b"\x7f":
                raise Refused(b"CLIENT_ERROR duplicate flag\r\n")
            seen.add(letter)
            if letter not in b"bNTRlOPLkstcfvhuqFCMJDI" or letter in _RECACHING.get(words[0], b""):
                raise Refused(BAD_FLAG)
            try:
                self._take(terms, letter, word[1:])
            except Refused as refused:  # a flag that cannot be is reported first
                bad = refused
        if bad is not None:
            raise bad
        self.letters = frozenset(seen)

    def _take(self, terms: Terms, letter: bytes, token: bytes) -> None:  # noqa: C901 - one branch per flag
        if letter == b"b":
            self.binary = True
            try:
                self.key = base64.b64decode(self.key, validate=True)
            except binascii.Error:
                raise Refused(BAD_KEY) from None
        elif letter == b"T":
            self.life = _life(terms, token)
        elif letter == b"N":
            self.initial_life = _life(terms, token)
        elif letter == b"q":
            self.quiet = True
        elif letter == b"O" and len(token) >= LONGEST_OPAQUE:
            raise _OpaqueTooLong(b"CLIENT_ERROR opaque token too long\r\n")
        elif letter == b"F":
            self.client_flags = _number(token, BAD_FORMAT, MOST_32)
        elif letter == b"C":
            self.cas = _number(token, BAD_TOKEN)
        elif letter == b"M":
            if len(token) != 1:
                raise Refused(b"CLIENT_ERROR incorrect length for M token\r\n")
            self.mode = token
        elif letter == b"J":
            self.initial = _number(token, b"CLIENT_ERROR invalid numeric initial value\r\n")
        elif letter == b"D":
            self.delta = _number(token, b"CLIENT_ERROR invalid numeric delta value\r\n")

    @property
    def condition(self) -> Condition:
        """What C says."""
        return ALWAYS if self.cas is None else Condition.at(self.cas)

    def reflected(self, letter: bytes, word: bytes, key: bytes) -> bytes:
        """What a flag that is the same in all answers returns: the opaque token and the key; b'' for others."""
        if letter == b"O":
            return b" " + word
        if letter == b"k":
            return b" k%b b" % base64.b64encode(key) if self.binary else b" k" + key
        return b""

    def all_reflected(self, key: bytes) -> bytes:
        """What an answer without an entry returns."""
        return b"".join(self.reflected(word[:1], word, key) for word in self.words)


def _number(token: bytes, error: bytes, most: int | None = None) -> int:
    number = unsigned(token) if most is None else unsigned(token, most)
    if number is None:
        raise Refused(error)
    return number


def _life(terms: Terms, token: bytes) -> Life:
    life = life_of(token, terms.now)
    if life is None:
        raise Refused(BAD_TOKEN)
    return life


class Asked(NamedTuple):
    """A command that was understood."""

    terms: Terms
    flags: Flags
    key: bytes


def understood(terms: Terms, words: Words, start: int, error: bytes | None = None) -> Asked:
    """Read key and flags; *error*: how bad flags are answered. Raises Refused."""
    if len(words[1]) > LONGEST_KEY:
        raise Refused(BAD_FORMAT)
    if len(words) > MOST_WORDS:
        raise Refused(b"CLIENT_ERROR options flags %btoo long\r\n" % (b"are " if words[0] == b"mg" else b""))
    try:
        flags = Flags(terms, words, start)
    except Refused as refused:
        raise (refused if error is None or isinstance(refused, _OpaqueTooLong) else Refused(error)) from None
    key = stored_key(flags.key) if flags.binary else key_of(flags.key)
    if key is None:
        raise Refused(BAD_FORMAT)
    return Asked(terms, flags, key)
