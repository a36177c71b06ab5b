"""Requests of the client: sent again until there is an answer, within a limit of time.

Safe for reads, and for writes because each has an id (X-KV-Request-Id): the server stores it with the write, and answers a
repeat as it answered first.
"""

import os
import random
import time
from collections.abc import Mapping
from uuid import uuid4

import httpx

from n2k_fcgi import __version__
from n2k_fcgi.client.answers import error_in, may_be_temporary, retry_after, shown_address, unexpected
from n2k_fcgi.errors import BadRequest, HandleClosed, ServerUnreachable

MOST_PATIENCE = 540.0
"""Seconds: the server knows a write for ten minutes."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds before a repeat: doubled each time, and cut by a random part so that clients do not come all at once."""
Query = Mapping[str, str | int]


class Connection:
    """The service at *url*. Thread-safe; each process has sockets of its own.

    *timeout*: seconds for each attempt to connect, to send, and to receive. *patience*: seconds from the first attempt within
    which another one may begin.
    """

    def __init__(self, url: str, token: str, *, timeout: float, patience: float) -> None:
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise BadRequest(why=f"not the address of a service: {error}") from None
        if address.scheme not in ("http", "https") or not address.host or address.query or address.fragment:
            raise BadRequest(why="the address of a service is one like https://example.com/n2k/")
        if not (token.isascii() and token.isprintable()):
            raise BadRequest(why="a token is printable ASCII")
        self._address = address.copy_with(path=address.path.rstrip("/") + "/db")
        self._headers = {"User-Agent": f"n2k_fcgi/{__version__}"} | ({"X-N2K-Token": token} if token else {})
        self._timeout = timeout
        self._patience = min(patience, MOST_PATIENCE)
        self._is_closed = False
        self._clients: dict[int, httpx.Client] = {}
        """By process: after a fork, the child must neither use nor close the sockets of its parent."""

    def read(self, query: Query, *, method: str = "GET", content: bytes | None = None) -> httpx.Response:
        """Return the answer to a read. Raises the errors of the service, ServerUnreachable, UnexpectedAnswer."""
        return self._answered(method, query, {"Content-Type": "application/json"} if content else {}, content)

    def write(self, method: str, query: Query, *, content: bytes | None, type: str) -> httpx.Response:
        """Return the answer to a write, done once however often it was sent. Raises what ``read`` does."""
        headers = {"X-KV-Request-Id": uuid4().hex} | ({} if content is None else {"Content-Type": type})
        return self._answered(method, query, headers, content)

    def close(self) -> None:
        """Close the sockets of this process. Idempotent."""
        self._is_closed = True
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _answered(self, method: str, query: Query, headers: Mapping[str, str], content: bytes | None) -> httpx.Response:
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            error: Exception
            try:
                answer = self._client().request(method, self._address, params=query, headers=headers, content=content)
            except httpx.RequestError as failure:
                error = ServerUnreachable(url=shown_address(self._address), why=str(failure) or type(failure).__name__)
                is_temporary, wait = isinstance(failure, httpx.TransportError), 0
            else:
                if answer.is_success:
                    return answer
                wait = retry_after(answer)
                known = error_in(answer)
                error = known or unexpected(answer)
                is_temporary = wait > 0 or (known is None and may_be_temporary(answer))
            seconds = max(wait, pause * random.uniform(0.5, 1))
            if not is_temporary or time.monotonic() + seconds > deadline:
                raise error
            time.sleep(seconds)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _client(self) -> httpx.Client:
        if self._is_closed:
            raise HandleClosed(what="client")
        process = os.getpid()
        client = self._clients.get(process)
        if client is None:
            client = self._clients.setdefault(process, httpx.Client(headers=self._headers, timeout=self._timeout))
        return client
