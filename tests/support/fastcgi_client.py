"""A tiny FastCGI client that accepts nothing but what the specification allows, and sends whatever it is told."""

import socket
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, VALUES_RESULT, UNKNOWN = range(1, 12)
RESPONDER, AUTHORIZER = 1, 2
KEEP = 1
SECONDS = 60.0
"""How long to wait for bytes before a test fails: a hang is a failure, and no test comes near."""

Address = str | tuple[str, int]


class Answer(NamedTuple):
    """What came back for one request."""

    status: str
    headers: dict[str, str]
    body: bytes
    stderr: bytes
    app_status: int
    protocol_status: int


def record(kind: int, request_id: int, content: bytes = b"", padding: int = 0, version: int = 1) -> bytes:
    """One record."""
    header = struct.pack("!BBHHBx", version, kind, request_id, len(content), padding)
    return header + content + b"\xff" * padding


def begin(request_id: int = 1, role: int = RESPONDER, flags: int = 0) -> bytes:
    """BEGIN_REQUEST."""
    return record(BEGIN, request_id, struct.pack("!HB5x", role, flags))


def pairs(values: Mapping[str, str]) -> bytes:
    """Name-value pairs, latin-1."""
    out = b""
    for name, value in values.items():
        parts = name.encode("latin-1"), value.encode("latin-1")
        out += b"".join(struct.pack("!B" if len(p) < 128 else "!L", len(p) | (0x80000000 * (len(p) > 127))) for p in parts)
        out += b"".join(parts)
    return out


def variables(uri: str, method: str = "GET", body: bytes = b"", **more: str) -> dict[str, str]:
    """What a web server says about a request."""
    path, _, query = uri.partition("?")
    said = {"REQUEST_METHOD": method, "REQUEST_URI": uri, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query}
    said |= {"SERVER_NAME": "host", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1"}
    if body:
        said["CONTENT_LENGTH"] = str(len(body))
    return said | more


def stream(kind: int, request_id: int, content: bytes, size: int = 60000, padding: int = 0) -> bytes:
    """A whole stream, in records of *size* bytes and its end."""
    cuts = range(0, len(content), size)
    return b"".join(record(kind, request_id, content[i : i + size], padding) for i in cuts) + record(kind, request_id)


def request(uri: str, method: str = "GET", body: bytes = b"", *, request_id: int = 1, flags: int = 0, **more: str) -> bytes:
    """All the bytes of a request."""
    params = pairs(variables(uri, method, body, **more))
    return begin(request_id, flags=flags) + stream(PARAMS, request_id, params) + stream(STDIN, request_id, body)


class Client:
    """One connection. Use as a context manager."""

    def __init__(self, address: Address, *, receive_buffer: int = 0) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(SECONDS)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> "Client":
        """Send any bytes."""
        self.socket.sendall(data)
        return self

    def record(self) -> tuple[int, int, bytes]:
        """The next record: type, request id, content. Raises EOFError at the end of the connection."""
        version, kind, request_id, length, padding = struct.unpack("!BBHHBx", self._exactly(8))
        assert version == 1
        content = self._exactly(length)
        self._exactly(padding)
        return kind, request_id, content

    def answer(self, request_id: int = 1) -> Answer:
        """The answer to the one open request."""
        return self.answers([request_id])[request_id]

    def answers(self, ids: list[int]) -> dict[int, Answer]:
        """The answers to several requests, whatever the order of their records."""
        streams = {(kind, i): bytearray() for kind in (STDOUT, STDERR) for i in ids}
        ended: set[tuple[int, int]] = set()
        done: dict[int, Answer] = {}
        while len(done) < len(ids):
            kind, i, content = self.record()
            assert i in ids and i not in done, "a record for a request that is not open"
            if kind == END:
                assert len(content) == 8 and content[5:] == b"\0\0\0"
                assert not streams[STDERR, i] or (STDERR, i) in ended, "FCGI_STDERR was not ended"
                assert content[4] or (STDOUT, i) in ended, "FCGI_STDOUT was not ended"
                done[i] = _answer(bytes(streams[STDOUT, i]), bytes(streams[STDERR, i]), *struct.unpack("!LB3x", content))
                continue
            assert (kind, i) not in ended, "a record after the end of its stream"
            streams[kind, i] += content
            if not content:
                ended.add((kind, i))
        return done

    def at_end(self) -> bool:
        """Whether the server closed and sent nothing more; waits for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _exactly(self, length: int) -> bytes:
        return b"".join(self._pieces(length))

    def _pieces(self, length: int) -> Iterator[bytes]:
        while length:
            piece = self.socket.recv(min(length, 1 << 16))
            if not piece:
                raise EOFError
            length -= len(piece)
            yield piece


def _answer(stdout: bytes, stderr: bytes, app_status: int, protocol_status: int) -> Answer:
    head, _, body = stdout.partition(b"\r\n\r\n")
    fields = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if line]
    headers = {name: value for name, value in fields}
    return Answer(headers.pop("Status", ""), headers, body, stderr, app_status, protocol_status)


def get(address: Address, uri: str, method: str = "GET", body: bytes = b"", **more: str) -> Answer:
    """One request over a connection of its own, as mod_fcgid sends it; the server must close it."""
    with Client(address) as client:
        answer = client.send(request(uri, method, body, **more)).answer()
        assert client.at_end()
        return answer
