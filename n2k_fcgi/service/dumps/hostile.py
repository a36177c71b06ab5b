"""Bad and odd lines, mixed into good ones: each kind that ``dumps.lines`` rejects or repairs.

At most one line in a hundred is rejected, so that an import with the default ``max_bad`` accepts the rest.
"""

from collections.abc import Iterable, Iterator
from itertools import cycle, islice

_KEY = b"%08x-1111-4111-8111-111111111111"
"""Keys that no sample has."""

_TOO_LONG = b"y" * 64
_HEADER = b"uuid,name\n"

# The first _SURE of each table occur at least once in 1,000 rows. %b is a well-formed key.
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
"""Good lines between two bad ones: half a percent."""
_ROWS_FOR_END = 2000
"""Rows from which on the endless last line is added: with fewer it would be one rejection too many."""
_ENDLESS = b"x" * (65 * 1024)
"""Without a line end, longer than ``dumps.lines.LINE_BYTES``."""


def with_bad_csv(lines: Iterable[bytes], rows: int) -> Iterator[bytes]:
    """Yield *rows* good csv lines, some with quotes or CR LF, and bad ones between them, after a header."""
    return _mixed(map(_odd_but_good, lines, cycle(range(_distance(rows)))), _CSV, rows, _BYTE_ORDER_MARK + _HEADER)


def with_bad_json(lines: Iterable[bytes], rows: int) -> Iterator[bytes]:
    """Yield *rows* good JSON lines, and bad ones between them."""
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
    """Let one line of each distance end with CR LF, and quote the name of another."""
    if place == 33:
        return line[:-1] + b"\r\n"
    if place == 66:
        key, _, name = line[:-1].partition(b",")
        return b'%b,"%b"\n' % (key, name)
    return line
