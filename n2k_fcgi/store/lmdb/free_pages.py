"""Which pages of an LMDB file are free, read from the file itself: LMDB reports it to no program.

A transaction may take pages at the end of the file and free them again before it commits. They are never written, so the file
is shorter than its number of pages says, and whole. (Tried: one in twenty batches of 1,000 entries leaves such a file.) A file
of which only free pages are missing was not cut. The structures are ``MDB_meta``, ``MDB_db``, ``MDB_page`` and ``MDB_node`` in
``mdb.c`` of LMDB 0.9.
"""

import os
import struct
from collections.abc import Iterator

_META = struct.Struct("=16x 24x 48x 48x QQ")
"""After a page's header: magic, version, address, map size; the two databases; last page, transaction."""
_FREE_ROOT = 16 + 24 + 40
"""Where the number of the first page of the database of free pages is, which is the first of the two databases."""
_HEADER = struct.Struct("=Q2xHH2x")
"""Of a page: its number, flags, the end of its table of nodes."""
_NODE = struct.Struct("=HHHH")
"""Low and high part of a size or, in a branch, of a page number; flags, or the rest of the number; bytes of the key."""
_BRANCH = 0x01
_BIG = 0x01
"""Flag of a node whose data is in pages of their own."""
_NUMBER = struct.Struct("=Q")
_NO_PAGE = 2**64 - 1


def only_free_pages_missing(path: "str | os.PathLike[str]", page: int) -> bool:
    """Whether all pages that are not in *path*, because it is too short, are free. *page*: bytes of one.

    Call it inside a read transaction, or while no process writes: else pages that it reads may be used again.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        metas = [os.pread(fd, 256, number * page) for number in range(2)]
        if any(len(meta) < 256 for meta in metas):
            return False
        newest = max(metas, key=lambda meta: _META.unpack_from(meta)[1])
        (root,) = _NUMBER.unpack_from(newest, _FREE_ROOT)
        size = os.fstat(fd).st_size  # after the meta pages: what they need was written before them
        missing = set(range(size // page, _META.unpack_from(newest)[0] + 1))
        for number in _free_pages(fd, page, root):
            missing.discard(number)
        return not missing
    except (struct.error, RecursionError):  # its pages are missing, too
        return False
    finally:
        os.close(fd)


def _free_pages(fd: int, size: int, number: int) -> Iterator[int]:
    """Yield the numbers of free pages below the page *number* of their database."""
    if number == _NO_PAGE:
        return
    page = os.pread(fd, size, number * size)
    _, flags, end = _HEADER.unpack_from(page)
    for at in range(16, end, 2):
        (node,) = struct.unpack_from("=H", page, at)
        low, high, more, key = _NODE.unpack_from(page, node)
        if flags & _BRANCH:
            yield from _free_pages(fd, size, low | high << 16 | more << 32)
            continue
        data = page[node + _NODE.size + key :][: low | high << 16]
        if more & _BIG:
            (first,) = _NUMBER.unpack_from(page, node + _NODE.size + key)
            data = os.pread(fd, low | high << 16, first * size + 16)
        (count,) = _NUMBER.unpack_from(data)
        yield from struct.unpack_from(f"={count}Q", data, _NUMBER.size)
