"""The seam between the loop and the protocols."""

import typing


class Notes(typing.Protocol):
    """What writes down counts: in memory they would be lost with the process."""

    @property
    def has_counted(self) -> bool:
        """Whether something was counted that is not written down."""
        ...

    def note_counts(self) -> None:
        """Write it down. Waits for nothing, and raises nothing."""
        ...


class Protocol(typing.Protocol):
    """One connection's side of a protocol: bytes in, bytes out; no sockets, no waiting.

    A protocol is a folder beside this module. It brings a class of this shape; a function that makes one for a new
    ``Connection`` (its constructor will do), handed to ``worker.serve``; and a main that opens a listener. The loop needs
    no change. ``fastcgi/`` is the example; imports between two such folders are forbidden.

    All calls come from one thread, one after the other; only ``closed`` is called within ``Connection.close``. No call may
    block. What it writes (``Connection.write``) is sent when the call returns. After each call the loop reads the properties.

    *Bytes in*: ``received`` gets what arrived, cut anywhere: a protocol keeps the beginning of a request, within a limit.
    *Bytes out, back pressure*: while ``Connection.is_full`` a protocol begins nothing new. It keeps what it was sent,
    sets ``has_more``, and goes on in ``advance``, which is called when all of the output is written. A pipelined
    request, and the next block of a long answer, are thus made at the speed of the reader.
    *Fairness*: connections with more output are queued, and each turn of the loop advances one of them. A call that
    writes about ``Limits.high_water`` bytes and returns keeps the other connections waiting for no more than that.
    *At once*: what can be answered whole from the first bytes of a connection needs no object: ``at_once`` of ``worker.serve``.
    *Together*: what a protocol keeps to do in one step for all connections, as writes that share a transaction, is done by
    the ``settle`` that is given to ``worker.serve``, at the end of the turn. Until then its connections are not ``idle``.
    *Deadlines*: ``patience``, and the pace of the reader (``Limits.rate``), which is not the protocol's business.
    *Stop*: the server stops accepting, handles what has arrived, and closes each connection as soon as it is idle. One in
    the middle of a request gets ``Limits.grace`` seconds, one with output ``Limits.writing_grace``. The protocol is
    not asked; ``closed`` is called as usual.
    *Errors*: nothing may be raised but MemoryError, which costs this connection alone. For bytes that break the rules of
    the protocol, call ``Connection.close``, or write an error and ``Connection.finish``.
    """

    @property
    def idle(self) -> bool:
        """Whether nothing is half received and nothing under way: the connection may be closed without loss."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether ``advance`` would write or free something: call it when all output is written."""
        ...

    @property
    def wants_input(self) -> bool:
        """Whether to read from the socket. False leaves it to the kernel to slow the peer down."""
        ...

    @property
    def patience(self) -> float | None:
        """Seconds without a byte, in either direction, after which ``cut_off`` is called. None: as many as the peer likes."""
        ...

    def received(self, data: bytes) -> None:
        """Take bytes that arrived, at least one. Not called while ``wants_input`` is False, nor after ``ended``."""
        ...

    def ended(self) -> None:
        """The peer will send nothing more. What is under way may still be answered; the connection closes after that."""
        ...

    def advance(self) -> None:
        """Go on: write the next block, or handle the next request. Called in turn while ``has_more``."""
        ...

    def cut_off(self) -> None:
        """End in the middle, by ``Connection.close`` or ``Connection.hold``.

        The peer was silent for longer than ``patience``, reads too slowly, or too much output waits in all connections.
        """
        ...

    def closed(self) -> None:
        """The connection is closed, for whatever reason: free what is held for it. The last call."""
        ...
