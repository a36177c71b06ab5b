"""The application inside a server's own process: Passenger, mod_wsgi, lswsgi. ``passenger_wsgi.py`` calls it ``application``.

Such a server loads the module when it likes, may fork afterwards, and may call the application in threads. So nothing is
opened before the first request, and each process opens for itself: LMDB's files must not be used across a fork.
"""

from __future__ import annotations

import atexit
import io
import os
from _thread import allocate_lock

from n2k_fcgi import TYPE_CHECKING, descriptors, logs
from n2k_fcgi.errors import ForkedTooLate
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.wiring import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from n2k_fcgi.servers.wsgi import Environ, StartResponse


class HostedApplication:
    """A WSGI application that is made at the first request of each process, and keeps house at the end of an answer.

    *flags*: as for ``servers.fastcgi.main``. One thread at a time runs it; a body is received and a block is sent without
    the lock (see ``LiveApplication``).
    """

    def __init__(self, **flags: str) -> None:
        self._flags = flags
        self._processes: dict[int, _Process] = {}
        atexit.register(self._note_counts)
        os.register_at_fork(before=self._release, after_in_parent=self._resume, after_in_child=self._forget)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        try:
            live = self.here()
        except ForkedTooLate as problem:
            return unavailable(problem)(environ, start_response)
        receive(environ, live.max_body)
        return _Answer(live(environ, start_response), live)

    def here(self) -> LiveApplication:
        """The application of this process. Raises ForkedTooLate.

        A server in C forks without telling Python, so the process id is looked at. No lock of the parent is taken, which a
        thread of it may have held when it forked; ``setdefault`` is one step.
        """
        pid = os.getpid()
        process = self._processes.get(pid)
        if process is None:
            if any(other.is_open for other in list(self._processes.values())):
                raise ForkedTooLate
            process = self._processes.setdefault(pid, _Process())
        return process.application(self._flags)

    def _note_counts(self) -> None:
        """At the end of a process that ends by itself."""
        if os.getpid() in self._processes:
            self._processes[os.getpid()].note_counts()

    def _release(self) -> None:
        """Before Python forks: nothing is open while it does but what the parent is streaming, which goes on there.

        The parent opens its other files again afterwards.
        """
        if os.getpid() in self._processes:
            self._processes[os.getpid()].release()

    def _resume(self) -> None:
        if os.getpid() in self._processes:
            self._processes[os.getpid()].resume()

    def _forget(self) -> None:
        """In the child that Python forked: close what the parent is streaming, so that this process can open it for itself."""
        for pid, process in list(self._processes.items()):
            if not process.is_open:  # else C forked before, and nothing of that parent may be closed here
                process.forget()
                del self._processes[pid]


class _Process:
    """The application of one process."""

    def __init__(self) -> None:
        self.is_open = False
        """Whether files may be open that a child must not close: LMDB opens one once per process, and what a child closes takes
        the parent's place among the readers (tried)."""
        self._lock = allocate_lock()
        self._application: LiveApplication | None = None

    def application(self, flags: Mapping[str, str]) -> LiveApplication:
        """Make it at the first call."""
        with self._lock:
            if self._application is None:
                self.is_open = True
                descriptors.occupy()  # the server in C, or a library of it, may write to them
                self._application = LiveApplication(flags, buffered_logs=True)
            return self._application

    def note_counts(self) -> None:
        """Write down what was counted."""
        if self._application is not None:
            self._application.note_at_exit()

    def release(self) -> None:
        """Close the files but those of streams, and let no thread open them before ``resume``."""
        self._lock.acquire()
        if self._application is not None:
            self._application.hold()
        self.is_open = False

    def resume(self) -> None:
        """End ``release``; the next request opens the files."""
        if self._application is not None:
            self.is_open = True
            self._application.let_go()
        self._lock.release()

    def forget(self) -> None:
        """In the child, instead of ``resume``: close the files of streams. They have no readers' table, so the parent loses
        no place in one.
        """
        if self._application is not None:
            self._application.abandon()


class _Answer:
    """The blocks of an answer; its end is where a server without a loop of ours has a moment for what can wait."""

    def __init__(self, blocks: Iterable[bytes], live: LiveApplication) -> None:
        self._blocks = blocks
        self._rest = iter(blocks)
        self._live = live

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._rest)

    def close(self) -> None:
        """PEP 3333's: called after the last block is sent."""
        getattr(self._blocks, "close", lambda: None)()
        self._live.rest()


def receive(environ: Environ, max_body: int) -> None:
    """Receive the body that CONTENT_LENGTH announces, so that no other caller waits for its sender.

    One that is too large, or has no length, is left to the application, which refuses it or takes it as empty.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdecimal()) or len(length) > 12 or not 0 < int(length) <= max_body:
        return
    received = io.BytesIO()
    try:
        while (missing := int(length) - received.tell()) and (piece := environ["wsgi.input"].read(missing)):
            received.write(piece)
    except Exception as problem:  # noqa: BLE001 - each server has its own; what came is shorter than announced, which is refused
        logs.debug(f"a body was not received whole: {problem!r}")
    received.seek(0)
    environ["wsgi.input"] = received
