"""The fast path: ``uuid,First Last`` in plain ASCII becomes batches by bulk operations, with no step per line.

Other separators and swapped columns are read too; any other form takes the slow path in ``lines``. Both return the same
rows, which tests verify.
"""

import re
import string
from binascii import unhexlify
from collections.abc import Iterator
from functools import lru_cache

from n2k_fcgi.model.batch import Batch, joined, separate
from n2k_fcgi.model.keys import NULL_KEY
from n2k_fcgi.model.names import PART_BYTES
from n2k_fcgi.model.placeholders import PLAIN_MARK, PLAIN_PLACEHOLDER
from n2k_fcgi.service.dumps.dialect import Dialect

_KEY = rb"(?!%b)[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}" % NULL_KEY.encode()
_WORD = rb"[A-Za-z0-9_]{1,%d}" % PART_BYTES
_KEY_DIGITS = rb"[0-9a-fA-F]{32}(?: [rR][eE][sS][iI][dD][eE][nN][tT])?"
_NO_NAME = rb"(?:%b|%b)" % (_KEY_DIGITS, PLAIN_PLACEHOLDER)
_NAME = rb"(?!%b(?![A-Za-z0-9_ ]))%b(?: %b)?" % (_NO_NAME, _WORD, _WORD)
_PLACEHOLDER_LINE = re.compile(rb"^%b$" % PLAIN_PLACEHOLDER, re.MULTILINE)
_KEY_AS_NAME = re.compile(rb"^%b$" % _KEY_DIGITS, re.MULTILINE)
_KEY_AS_NAME_LENGTHS = frozenset({32, 32 + len(" Resident")})
_DIGITS_TO_0 = bytes.maketrans(string.hexdigits.encode(), b"0" * len(string.hexdigits))
_WORD_BYTES = (string.ascii_letters + string.digits + "_").encode()


def read_plain(chunk: bytes, dialect: Dialect) -> Batch | None:
    """Return the rows of whole lines; None unless all are certainly plain: ``stretches`` then finds those that are.

    Some ten passes over the chunk in C take a third of the time of a regular expression (make bench-import).
    """
    keys, names = _columns(chunk, dialect)
    shape = _shape(dialect)
    spellings = joined(names)
    if keys.translate(_DIGITS_TO_0) != shape * len(names) or shape in keys or not _are_words(spellings):
        return None
    lengths = set(map(len, names))
    if max(lengths) > PART_BYTES or (lengths & _KEY_AS_NAME_LENGTHS and _KEY_AS_NAME.search(spellings)):
        return None
    lowered = spellings.lower()
    if PLAIN_MARK in lowered and _PLACEHOLDER_LINE.search(lowered):
        return None
    return _batch(keys, spellings, lowered)


def _are_words(spellings: bytes) -> bool:
    """Whether each line is one word or two with a blank between, by what is left without the letters."""
    separators = spellings.translate(None, _WORD_BYTES)
    if separators.translate(None, b" \n") or b"  " in separators:
        return False
    framed = b"\n" + spellings
    return not (b"\n\n" in framed or b" \n" in framed or b"\n " in framed)


def stretches(chunk: bytes, dialect: Dialect) -> Iterator[tuple[bytes, Batch | None]]:
    """Cut the chunk into whole lines that are plain, with their rows, and others, with None; in order."""
    at = 0
    for match in _plain_lines(dialect).finditer(chunk):
        if match.start() > at:
            yield chunk[at : match.start()], None
        keys, names = _columns(match.group(), dialect)
        spellings = joined(names)
        yield match.group(), _batch(keys, spellings, spellings.lower())
        at = match.end()
    if at < len(chunk):
        yield chunk[at:], None


@lru_cache
def _plain_lines(dialect: Dialect) -> re.Pattern[bytes]:
    columns = (_NAME, _KEY) if dialect.key_column else (_KEY, _NAME)
    return re.compile(rb"(?:^%b\n)+" % re.escape(dialect.separator.encode()).join(columns), re.MULTILINE)


def _columns(lines: bytes, dialect: Dialect) -> tuple[bytes, list[bytes]]:
    """Return keys, each with its separator, so that fields separated by a line end do not count as a row; and names."""
    separator = dialect.separator.encode()
    fields = separate(lines.replace(separator, b"\n" + separator if dialect.key_column else separator + b"\n"))
    return joined(fields[dialect.key_column :: 2]), fields[1 - dialect.key_column :: 2]


def _shape(dialect: Dialect) -> bytes:
    """A key as ``_columns`` returns it, with all digits 0."""
    key, separator = NULL_KEY.encode(), dialect.separator.encode()
    return (separator + key if dialect.key_column else key + separator) + b"\n"


def _batch(keys: bytes, spellings: bytes, lowered: bytes) -> Batch:
    # The same as model.names.canonical for names of this shape.
    canonicals = lowered.replace(b" resident\n", b"\n").replace(b" ", b".")
    return Batch(unhexlify(keys.translate(None, b"-\n,;\t|")), spellings, canonicals, b"")
