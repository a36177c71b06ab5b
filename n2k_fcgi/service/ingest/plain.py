"""The bulk road: ``uuid,First Last`` in plain ASCII becomes batches without looking at single lines.

What is not of that shape is for ``lines``. Both roads give the same rows; tests hold them together.
"""

import re
import string
from binascii import unhexlify
from collections.abc import Iterator

from n2k_fcgi.model.keys import NULL_KEY
from n2k_fcgi.model.names import PART_BYTES
from n2k_fcgi.model.placeholders import PLAIN_MARK, PLAIN_PLACEHOLDER
from n2k_fcgi.service.ingest.batch import Batch, joined, separate

_KEY = rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_WORD = rb"[A-Za-z0-9_]{1,%d}" % PART_BYTES
_PLAIN_LINES = re.compile(
    rb"(?:^(?!%b)%b,(?![0-9a-fA-F]{32}\n|%b\n)%b(?: %b)?\n)+" % (NULL_KEY.encode(), _KEY, PLAIN_PLACEHOLDER, _WORD, _WORD),
    re.MULTILINE,
)
_PLACEHOLDER_LINE = re.compile(rb"^%b$" % PLAIN_PLACEHOLDER, re.MULTILINE)
_KEY_AS_NAME = re.compile(rb"^[0-9a-fA-F]{32}$", re.MULTILINE)
_KEY_DIGITS = 32
_KEY_SHAPE = NULL_KEY.encode() + b"\n"
_DIGITS_TO_0 = bytes.maketrans(string.hexdigits.encode(), b"0" * len(string.hexdigits))
_WORD_BYTES = (string.ascii_letters + string.digits + "_").encode()


def read_plain(chunk: bytes) -> Batch | None:
    """The rows of whole lines; None unless every one is surely plain: ``stretches`` then tells which are.

    Some ten passes over the chunk in C take a third of the time of a regular expression (make bench-import).
    """
    keys, names = _columns(chunk)
    spellings = joined(names)
    if keys.translate(_DIGITS_TO_0) != _KEY_SHAPE * len(names) or _KEY_SHAPE in keys or not _are_words(spellings):
        return None
    lengths = set(map(len, names))
    if max(lengths) > PART_BYTES or (_KEY_DIGITS in lengths and _KEY_AS_NAME.search(spellings)):
        return None
    lowered = spellings.lower()
    if PLAIN_MARK in lowered and _PLACEHOLDER_LINE.search(lowered):
        return None
    return _batch(keys, spellings, lowered)


def _are_words(spellings: bytes) -> bool:
    """Each line is a word, or two with a blank between: what is left without the letters tells."""
    separators = spellings.translate(None, _WORD_BYTES)
    if separators.translate(None, b" \n") or b"  " in separators:
        return False
    framed = b"\n" + spellings
    return not (b"\n\n" in framed or b" \n" in framed or b"\n " in framed)


def stretches(chunk: bytes) -> Iterator[tuple[bytes, Batch | None]]:
    """The chunk cut into whole lines that are plain, with their rows, and others, with None; in order."""
    at = 0
    for match in _PLAIN_LINES.finditer(chunk):
        if match.start() > at:
            yield chunk[at : match.start()], None
        keys, names = _columns(match.group())
        spellings = joined(names)
        yield match.group(), _batch(keys, spellings, spellings.lower())
        at = match.end()
    if at < len(chunk):
        yield chunk[at:], None


def _columns(lines: bytes) -> tuple[bytes, list[bytes]]:
    fields = separate(lines.replace(b",", b"\n"))
    return joined(fields[0::2]), fields[1::2]


def _batch(keys: bytes, spellings: bytes, lowered: bytes) -> Batch:
    # The same as model.names.canonical for names of this shape.
    canonicals = lowered.replace(b" resident\n", b"\n").replace(b" ", b".")
    return Batch(unhexlify(keys.translate(None, b"-\n")), spellings, canonicals, b"")
