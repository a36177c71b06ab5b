"""memcached's text protocol on a namespace of the key-value service. ``n2k memcached`` calls ``serve``."""

import socket
from collections.abc import Callable

from n2k_fcgi.servers import worker
from n2k_fcgi.servers.connection import Connection
from n2k_fcgi.servers.limits import Counters
from n2k_fcgi.servers.memcached.conversation import Conversation
from n2k_fcgi.servers.memcached.names import Names
from n2k_fcgi.servers.memcached.refusal import Refusal
from n2k_fcgi.servers.memcached.server import Options, Server
from n2k_fcgi.servers.protocol import Notes, Protocol
from n2k_fcgi.service.keyvalue.space import KeyValueSpace

__all__ = ["Names", "Options", "serve"]


def serve(
    space: KeyValueSpace, listener: socket.socket, options: Options, *, keep_house: Callable[[], None], notes: Notes
) -> None:
    """Answer the clients of *listener*, which is closed at the end, until a stop signal. For the main thread."""
    counters = Counters()
    server = Server(space, options, counters)

    def speak(connection: Connection) -> Protocol:
        if server.is_full:
            server.stats.rejected_connections += 1
            return Refusal(connection)
        return Conversation(connection, server)

    worker.serve(
        listener,
        speak,
        owns_listener=True,
        keep_house=keep_house,
        notes=notes,
        settle=server.batch.settle,
        counters=counters,
    )
