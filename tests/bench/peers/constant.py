"""Python's floor for a cache: a loop with epoll that stores nothing and gives every request the same answer.

``constant.py PORT ANSWER``: a request is what one ``recv`` returns, which holds for clients that wait for each answer.
"""

import select
import socket
import sys


def main(port: int, answer: bytes) -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    clients: dict[int, socket.socket] = {}
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            client = clients.get(fd)
            if client is None:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients[client.fileno()] = client
                epoll.register(client, select.EPOLLIN)
            elif client.recv(65536):
                client.send(answer)
            else:
                epoll.unregister(fd)
                clients.pop(fd).close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2].encode())
