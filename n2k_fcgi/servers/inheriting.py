"""What a web server left on a descriptor: a listening socket, for FastCGI, or anything else, for CGI."""

import os
import stat


def is_listening(fd: int) -> bool:
    """Whether *fd* is a listening socket."""
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return False
        # The part of ``socket`` in C: a CGI process under mod_cgid, whose standard input is a socket, imports no more of it.
        import _socket

        candidate = _socket.socket(fileno=fd)
    except OSError:
        return False
    try:
        return bool(candidate.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN))
    finally:
        candidate.detach()
