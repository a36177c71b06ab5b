"""A read of many keys: answered in parts, at the speed of the client, all from one state."""

import time
from collections.abc import Generator

from n2k_fcgi.errors import N2KError
from n2k_fcgi.servers.memcached.server import Server
from n2k_fcgi.servers.memcached.steps import Read, refusal

PART = 64 * 1024
"""Bytes after which a part of the answer ends."""
PART_KEYS = 500
"""Keys after which it does, found or not."""
MOST_LONG_READS = 64
"""At once: each takes one of the 512 places that LMDB has for the readers of all processes."""
BUSY = b"SERVER_ERROR too many clients read long answers, try again\r\n"


class TooSlow(Exception):
    """The client did not read the answer in time. It has half of it, so that the connection must end."""


def parts(server: Server, step: Read, patience: float) -> Generator[bytes, None, None]:
    """Yield the answer, bit by bit. Raises TooSlow if it is not taken within *patience* seconds.

    The snapshot keeps LMDB from using free pages again, and a dataset open. Close the generator to give it back.
    """
    if server.long_reads >= MOST_LONG_READS:
        yield BUSY
        return
    server.long_reads += 1
    end = time.monotonic() + patience
    try:
        with server.space.snapshot() as state:
            part, size = [], 0
            for number, key in enumerate(step.keys, 1):
                item = step.item(key, *server.entries([key], state))
                part.append(item)
                size += len(item)
                if size >= PART or number % PART_KEYS == 0:
                    yield b"".join(part)
                    part, size = [], 0
                    if time.monotonic() > end:
                        raise TooSlow
        yield b"".join([*part, step.end])
    except N2KError as error:
        yield refusal(error)
    finally:
        server.long_reads -= 1
