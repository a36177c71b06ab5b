"""Python's floor for FastCGI: a loop with epoll that accepts, receives, sends a constant and closes. It decodes nothing.

``floor.py``: the listening socket is descriptor 0. A request is what one ``recv`` returns, which holds for clients that write
all of it at once.
"""

import select
import socket

BODY = b"3d6181b0-6a4b-97ef-18d8-722652995cf1"
HEAD = b"Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 36\r\n\r\n"


def record(kind: int, content: bytes) -> bytes:
    """One FastCGI record of request 1."""
    return bytes((1, kind, 0, 1, 0, len(content), 0, 0)) + content


ANSWER = record(6, HEAD + BODY) + record(6, b"") + record(3, bytes(8))
"""FCGI_STDOUT, its end, FCGI_END_REQUEST."""


def main() -> None:
    """Serve until killed."""
    listener = socket.socket(fileno=0)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    while True:
        for _ in epoll.poll():
            client, _ = listener.accept()
            client.recv(65536)
            client.send(ANSWER)
            client.close()


if __name__ == "__main__":
    main()
