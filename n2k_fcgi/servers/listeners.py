"""Listening sockets: made, inherited, closed."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import CannotListen
from n2k_fcgi.files import locked
from n2k_fcgi.servers.inheriting import is_listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKLOG = 1024
"""Connections that may wait to be accepted; the kernel lowers it to net.core.somaxconn."""

LONGEST_PATH = 107
"""Bytes that a unix socket's path may have on Linux."""


def bind_unix(path: Path, mode: int = 0o600) -> socket.socket:
    """Listen on a socket file with *mode*; a stale file is replaced. Raises CannotListen.

    ``worker.serve`` removes the file at its end when it owns the listener.
    """
    try:
        path = path.absolute()
    except FileNotFoundError:
        raise CannotListen(address=path, why="the current folder no longer exists") from None
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise CannotListen(address=path, why=f"the path is longer than {LONGEST_PATH} bytes")
    if not os.path.isdir(path.parent):
        raise CannotListen(address=path, why=f"there is no folder {path.parent}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _alone_in(path.parent):
            _remove_stale(path)
            umask = os.umask(0o777 & ~mode)  # not chmod: others could connect before it
            try:
                listener.bind(str(path))
            finally:
                os.umask(umask)
            listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        raise CannotListen(address=path, why=problem.strerror or problem) from None
    except CannotListen:
        listener.close()
        raise
    return listener


def bind_tcp(host: str, port: int) -> socket.socket:
    """Listen on an address (IPv6 when *host* has a colon; port 0: any free one). Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not 0 <= port <= 65535:
        raise CannotListen(address=f"{host}:{port}", why="a port is a number from 0 to 65535")
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        raise CannotListen(address=f"{host}:{port}", why=why_not(problem, "--listen")) from None


def why_not(problem: OSError, option: str) -> str:
    """Why an address cannot be bound; *option*: what to name another one by, which is said where it helps."""
    number = problem.errno or 0
    reason = os.strerror(number) if number > 0 else str(problem.strerror or problem)  # errors of resolvers are negative
    return f"{reason}: choose another with {option}" if number in (errno.EADDRINUSE, errno.EACCES) else reason


def inherited(fd: int = 0) -> socket.socket | None:
    """The listening socket on *fd* (0 in the FastCGI specification); None if *fd* is something else."""
    return socket.socket(fileno=fd) if is_listening(fd) else None


@contextlib.contextmanager
def owned(listener: socket.socket) -> Iterator[None]:
    """Close *listener* at the end, and remove its socket file unless another server has replaced it."""
    path = listener.getsockname() if listener.family == socket.AF_UNIX else ""
    mine = os.stat(path) if isinstance(path, str) and path else None
    try:
        yield
    finally:
        listener.close()
        if mine is not None:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(path), mine):
                    os.unlink(path)


def _alone_in(folder: Path) -> contextlib.AbstractContextManager[None]:
    """A lock, so that two servers that start together do not remove each other's socket file."""
    return locked(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def _remove_stale(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise CannotListen(address=path, why="a file that is not a socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener with a full backlog would block
        outcome = probe.connect_ex(str(path))
    if outcome != errno.ECONNREFUSED:
        raise CannotListen(address=path, why="another process listens there")
    path.unlink()
