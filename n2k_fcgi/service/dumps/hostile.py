"""Lines as no dump should have them but some do, mixed into good ones: each kind that ``dumps.lines`` refuses or mends.

No more than one line in a hundred is refused, so that an import with the usual ``max_bad`` takes the rest.
"""

from collections.abc import Iterable, Iterator
from itertools import cycle, islice

_KEY = b"%08x-1111-4111-8111-111111111111"
"""A key that no sample has: its digits are not random."""

_TOO_LONG = b"y" * 64
_HEADER = b"uuid,name\n"

# The first _SURE of each table come at least once in 1,000 rows. %b is a key of the right shape.
_SURE = 9
_CSV = (
    b"%b,Extra,Field\n",
    b"%b-no-uuid,Bad Uuid\n",
    b"00000000-0000-0000-0000-000000000000,Null Key\n",
    b"%b, \n",
    b"%b," + _TOO_LONG + b" Resident\n",
    b"%b,3d6181b0-6a4b-97ef-18d8-722652995cf1\n",
    b"%b,Caf\xe9 Resident\n",
    b'%b,"Broken Quotes\n',
    b"\n",
    b"%b,Bell\x07 Resident\n",
)
_JSON = (
    b'{"key": "%b", "name": "Broken Json"\n',
    b'{"key": "%b", "nom": "No Name"}\n',
    b'{"key": "%b-no-uuid", "name": "Bad Uuid"}\n',
    b'{"key": "00000000-0000-0000-0000-000000000000", "name": "Null Key"}\n',
    b'{"key": "%b", "name": " "}\n',
    b'{"key": "%b", "name": "' + _TOO_LONG + b'"}\n',
    b'{"key": "%b", "name": "3d6181b0-6a4b-97ef-18d8-722652995cf1"}\n',
    b'{"key": "%b", "name": "Caf\xe9 Resident"}\n',
    b'{"key": "%b", "name": "Bad Time", "seen": "yesterday"}\n',
    b'{"key": "%b", "name": "Bad Grid", "grid": ""}\n',
    b'{"key": "%b", "name": "Bad Former", "former": "Once Called"}\n',
    b'{"key": "%b", "name": "Bell\\u0007 Resident"}\n',
)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_USUAL_DISTANCE = 200
"""Good lines between two bad ones: half a per cent."""
_ROWS_FOR_END = 2000
"""Rows above which the endless last line comes too: below, it would be one refusal too many."""
_ENDLESS = b"x" * (65 * 1024)
"""Without a line end, as when something else was appended: beyond ``dumps.lines.LINE_BYTES``."""


def with_bad_csv(lines: Iterable[bytes], rows: int) -> Iterator[bytes]:
    """*rows* good csv lines, some with quotes or CR LF, between a header line and many a bad line."""
    return _mixed(map(_odd_but_good, lines, cycle(range(_distance(rows)))), _CSV, rows, _BYTE_ORDER_MARK + _HEADER)


def with_bad_json(lines: Iterable[bytes], rows: int) -> Iterator[bytes]:
    """*rows* good JSON lines, and bad ones between them."""
    return _mixed(iter(lines), _JSON, rows, _BYTE_ORDER_MARK)


def _mixed(lines: Iterator[bytes], templates: tuple[bytes, ...], rows: int, start: bytes) -> Iterator[bytes]:
    distance = _distance(rows)
    yield start
    for number, template in enumerate(cycle(templates)):
        good = list(islice(lines, distance))
        yield b"".join(good)
        if len(good) < distance:
            break
        yield template.replace(b"%b", _KEY % number)
    if rows >= _ROWS_FOR_END:
        yield _ENDLESS


def _distance(rows: int) -> int:
    return min(_USUAL_DISTANCE, (rows - 1) // _SURE) if rows >= 1000 else _USUAL_DISTANCE


def _odd_but_good(line: bytes, place: int) -> bytes:
    """One line in a stretch ends with CR LF, one has its name in quotes."""
    if place == 33:
        return line[:-1] + b"\r\n"
    if place == 66:
        key, _, name = line[:-1].partition(b",")
        return b'%b,"%b"\n' % (key, name)
    return line
