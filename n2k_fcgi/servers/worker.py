"""One process that serves a listening socket until it is told to stop."""

from __future__ import annotations

import contextlib

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.servers.limits import DEFAULT
from n2k_fcgi.servers.listeners import owned
from n2k_fcgi.servers.loop import Loop
from n2k_fcgi.servers.stopping import Presence, StopRequest

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from n2k_fcgi.servers.accepting import Admits
    from n2k_fcgi.servers.connection import Connection
    from n2k_fcgi.servers.limits import Counters, Limits
    from n2k_fcgi.servers.loop import AtOnce, Settle
    from n2k_fcgi.servers.protocol import Notes, Protocol


def everyone(address: Any) -> bool:
    """Admit every peer."""
    return True


def serve(
    listener: socket.socket,
    speak: Callable[[Connection], Protocol],
    *,
    owns_listener: bool,
    admits: Admits = everyone,
    keep_house: Callable[[], None] = lambda: None,
    notes: Notes | None = None,
    settle: Settle | None = None,
    at_once: AtOnce | None = None,
    limits: Limits = DEFAULT,
    counters: Counters,
) -> None:
    """Serve connections until a stop signal, then finish what is in flight or waits to be accepted. For the main thread.

    Ends likewise when the script that started this process, or the code, is gone.

    *speak*: makes the protocol of a connection. *keep_house*: called every ``limits.housekeeping`` seconds, between requests.
    *notes*: asked to note what was counted within ``limits.noting`` seconds. *settle*: called at the end of each turn of the
    loop, see there. With *owns_listener* no other process accepts from it: it is closed at the end, and a socket file removed.
    """
    presence = Presence.of_this_process()
    with owned(listener) if owns_listener else contextlib.nullcontext(), StopRequest() as stop:

        def housekeeping() -> None:
            if presence.is_over():
                logs.warning("this worker ends: its script or its code is gone")
                stop.asked = True
            else:
                keep_house()

        loop = Loop(
            listener,
            speak,
            owns_listener=owns_listener,
            admits=admits,
            stop=stop,
            limits=limits,
            counters=counters,
            housekeeping=housekeeping,
            notes=notes,
            settle=settle,
            at_once=at_once,
        )
        loop.run()
