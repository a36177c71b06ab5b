"""A whole generation from differences and their base: rows are copied, a range of both at a time, and nothing is sorted."""

from collections.abc import Callable

from n2k_fcgi.model.origins import Origin, OriginTable
from n2k_fcgi.store.lmdb.building.data_file import Contents, DataFile
from n2k_fcgi.store.lmdb.codec import pack_name, pack_spelling, unpack_records, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layers import Row
from n2k_fcgi.store.lmdb.layout import FORMER, HELD, HISTORY, KEYS, NAMES

ROWS = 8_192
"""Rows of one step."""

Numbering = Callable[[int], int]


def fold(layers: Generation, data: DataFile, dump: Origin, check: Callable[[], None]) -> Contents:
    """Write all rows of *layers* to *data*; return what it has. *check* is called before each step.

    Origins without names are left out: the new file has a table of its own, which begins with that of the *dump*.
    """
    own = layers.own.sizes["own"]
    counts = layers.own.sizes["origins"]
    table = OriginTable(dump)
    numbers = {number: table.number(origin) for number, origin in enumerate(layers.origins) if counts[number] or number == own}
    former: dict[int, int] = {}

    def number_of_former(number: int) -> int:
        if number not in former:
            former[number] = table.number(layers.former_origins[number])
        return former[number]

    is_same = all(old == new for old, new in numbers.items())
    for database, numbering, packed in (
        (KEYS, None if is_same else numbers.__getitem__, _keys),
        (NAMES, None if is_same else numbers.__getitem__, _names),
        (HISTORY, number_of_former, _keys),
        (FORMER, number_of_former, _names),
        (HELD, None, _keys),
    ):
        for rows in layers.chunks(database, ROWS):
            check()
            data.append_rows(database, rows if numbering is None else packed(rows, numbering))
    sizes = [0] * len(table.origins)
    for old, new in numbers.items():
        sizes[new] += counts[old]
    names, keys = layers.own.sizes["names"], layers.own.sizes["keys"]
    return Contents(table.origins, sizes, names, keys, layers.past)


def _keys(rows: list[Row], number: Numbering) -> list[Row]:
    packed = []
    for key, value in rows:
        if len(value) == value[1] + 2:
            packed.append((key, bytes((number(value[0]),)) + value[1:]))
        else:
            packed.append((key, b"".join(pack_spelling(number(old), spelling) for old, spelling in unpack_spellings(value))))
    return packed


def _names(rows: list[Row], number: Numbering) -> list[Row]:
    return [
        (name, b"".join(pack_name(number(old), key, form) for old, key, form in unpack_records(value))) for name, value in rows
    ]
