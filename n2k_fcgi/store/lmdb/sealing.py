"""The seal behind the pages of an LMDB file that nobody writes any more: a digest of everything before it.

LMDB does not read behind its last page, so a whole file is copied, renamed and checked as one. A file that was cut, or whose
copy is not complete, has no seal.
"""

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from n2k_fcgi.files import refuse_os_error, write_all
from n2k_fcgi.store.lmdb.environment import damaged

DIGEST_SIZE = 16
_MAGIC = b"n2k seal"
SEAL_SIZE = len(_MAGIC) + DIGEST_SIZE
_PIECE = 1 << 17
"""Bytes that are read at once."""


def seal(path: Path) -> None:
    """Write the seal behind all that is in the file *path*, and sync it. Raises OSError."""
    from n2k_fcgi.store.ration import Passing, drop  # late: readers seal nothing

    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        drop(fd)  # LMDB has read ahead at its beginning, and a kernel goes on where it finds such a page
        digest = _digest(fd, os.fstat(fd).st_size, Passing(fd).was_read)
        os.lseek(fd, 0, os.SEEK_END)
        write_all(fd, _MAGIC + digest)
        os.fsync(fd)
    finally:
        os.close(fd)


def seal_of(path: Path, fd: int, *, verify: bool = False) -> bytes | None:
    """Return the digest in the seal of the open file *path*; None: it has none. *verify*: read the file, and compare it.

    Raises the error of ``damaged``, StoreUnreadable.
    """
    try:
        length = os.fstat(fd).st_size - SEAL_SIZE
        found = os.pread(fd, SEAL_SIZE, length) if length > 0 else b""
        if not found.startswith(_MAGIC):
            return None
        digest = found[len(_MAGIC) :]
        if verify and _digest(fd, length) != digest:
            raise damaged(path, "its bytes are not those that were sealed")
    except OSError as error:
        refuse_os_error(path, error)
    return digest


def _digest(fd: int, length: int, passed: Callable[[int], None] = lambda _: None) -> bytes:
    digest = blake2b(digest_size=DIGEST_SIZE)
    at = 0
    while at < length:
        piece = os.pread(fd, min(_PIECE, length - at), at)
        if not piece:
            break
        digest.update(piece)
        passed(len(piece))
        at += len(piece)
    return digest.digest()
