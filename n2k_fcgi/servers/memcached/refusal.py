"""The answer to a connection for which there is no place."""

from n2k_fcgi.servers.connection import Connection

TOO_MANY = b"ERROR Too many open connections\r\n"


class Refusal:
    """Says that there are too many connections, and ends. See ``servers.protocol.Protocol``."""

    idle = True
    has_more = False
    wants_input = True
    patience = None

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.write([TOO_MANY])
        connection.finish()

    def received(self, data: bytes) -> None:
        """Nothing that is asked is answered."""

    def ended(self) -> None:
        """The line may still be read."""

    def advance(self) -> None:
        """There is no more."""

    def cut_off(self) -> None:
        """Nothing is lost."""
        self._connection.close()

    def closed(self) -> None:
        """Nothing is held."""
