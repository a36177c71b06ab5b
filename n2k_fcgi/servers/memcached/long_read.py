"""A read of many keys: answered in parts, at the speed of the client, all from one state."""

import time
from collections.abc import Generator

from n2k_fcgi.errors import N2KError
from n2k_fcgi.servers.memcached.server import Server
from n2k_fcgi.servers.memcached.steps import Read, refusal

PART = 64 * 1024
"""Bytes after which a part of the answer ends."""


class TooSlow(Exception):
    """The client did not read the answer in time. It has half of it, so that the connection must end."""


def parts(server: Server, step: Read, patience: float) -> Generator[bytes, None, None]:
    """Yield the answer, bit by bit. Raises TooSlow if it is not taken within *patience* seconds.

    The snapshot keeps LMDB from using free pages again, and a dataset open. Close the generator to give it back. Each takes one
    of LMDB's 512 places for readers: there are 64 at most, since such answers wait for readers, and the loop bounds what waits.
    """
    end = time.monotonic() + patience
    try:
        with server.space.snapshot() as state:
            part, size = [], 0
            for key in step.keys:
                item = step.item(key, *server.entries([key], state))
                part.append(item)
                size += len(item)
                if size >= PART:
                    yield b"".join(part)
                    part, size = [], 0
                    if time.monotonic() > end:
                        raise TooSlow
        yield b"".join([*part, step.end])
    except N2KError as error:
        yield refusal(error)
