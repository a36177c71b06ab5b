"""The fast path: from the bytes of a request to those of its answer, on one page, in the order in which it happens.

It takes what mod_fcgid nearly always sends: a GET, all of it in one piece, on a connection of its own. All else is read by
``connection.FastCGI`` and answered through WSGI, by ``gateway.Reply``. Both ways give the same answers: the golden cases are
asked both ways. Each shortcut says how much more CPU time a hot lookup takes without it; one of less than 2 % has no place.
Three more are elsewhere: no object for a connection (``servers.loop``, 9 %), plain names (``model.names.parse_name``, 4 %), and
asking the captures for what is nearly never there (``store.lmdb.writable``, 4 %).
"""

from __future__ import annotations

import struct
from functools import lru_cache, partial

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.servers.fastcgi.records import Malformed, decode_pairs, ending, length_at, output_header, whole_request
from n2k_fcgi.servers.fastcgi.request import Request
from n2k_fcgi.servers.gateway import Reply, failure, head, new_environ
from n2k_fcgi.web.decoding import LOOKUP_VARIABLES
from n2k_fcgi.web.responses import REASONS, Answer, close, respond, wsgi_headers

if TYPE_CHECKING:
    from n2k_fcgi.servers.fastcgi.server import Server
    from n2k_fcgi.servers.wsgi import Direct, Environ
    from n2k_fcgi.web.responses import Headers

LARGEST = 32 * 1024
"""Bytes of a body that is sent as one record, with its head. A longer one is handed over in pieces, without copies."""

_ASKED = {name.encode("latin-1"): name for name in LOOKUP_VARIABLES}
_LENGTHS = frozenset(map(len, _ASKED))


class Express:
    """Asks *direct* for answers as values. Through WSGI its headers would be made, checked and joined for each: 24 %."""

    def __init__(self, direct: Direct, server: Server) -> None:
        self._direct = direct
        self._server = server

    def __call__(self, data: bytes) -> bytes | Request | None:
        """Return the whole answer to the request in *data*, after which its connection ends.

        A Request: its reply has to be written in pieces. None: *data* is not taken, and nothing was done.
        """
        whole = whole_request(data)
        if whole is None:
            return None
        request_id, params = whole
        try:
            answer = self._lookup(params) or self._any(params)
        except Malformed:  # as it is found to be again
            return None
        except (Exception, SystemExit) as problem:  # noqa: BLE001 - the last resort, as in gateway.Reply
            blocks = failure(problem, asked(params))
            return output_header(request_id, sum(map(len, blocks))) + b"".join(blocks) + ending(request_id, b"", 0)
        if answer is None:
            return None
        self._server.counters.requests += 1
        self._server.counters.express += 1
        status, body, content_type, headers, generation, stream, private, kept = answer
        if stream is not None or len(body) > LARGEST:
            return self._in_pieces(request_id, params, answer)
        before, after = _around(request_id, len(body), (status, content_type, headers, generation, private, kept))
        return b"".join((before, body, after))

    def _in_pieces(self, request_id: int, params: bytes, answer: Answer) -> Request:
        """The request, whose reply closes the stream of *answer*: a list that nobody reads would keep its slot."""
        try:
            reply = Reply(partial(respond, answer), _environ(params), begun=answer.stream)
            return Request.running(self._server, request_id, reply)
        except BaseException:
            close(answer.stream)
            raise

    def _lookup(self, params: bytes) -> Answer | None:
        """The answer to a lookup, which reads four of some forty variables; None: it is another request."""
        # No lookup, for certain: nothing is decoded twice (16 % of /health).
        if b"/api/" in params or (b"name" not in params and b"key" not in params):
            return None
        environ = asked(params)
        if environ.get("REQUEST_METHOD") != "GET" or not environ.get("REQUEST_URI"):
            return None
        return self._direct.lookup(environ)

    def _any(self, params: bytes) -> Answer | None:
        """The answer to any GET; None: it is another method. Raises Malformed."""
        environ = _environ(params)
        return self._direct.answer(environ) if environ["REQUEST_METHOD"] == "GET" else None


def _environ(params: bytes) -> Environ:
    environ = new_environ()
    decode_pairs(params, environ)
    return environ


def asked(params: bytes) -> Environ:
    """Decode the name-value pairs in *params* that a lookup reads; {} if they are malformed. With all of them: 11 %.

    The lengths are read as ``decode_pairs`` does: a name may be searched for only where one begins, since callers can write
    the bytes of any pair into a header.
    """
    environ: Environ = {}
    position, end = 0, len(params)
    try:
        while position < end:
            name_length = params[position]
            value_length = params[position + 1]
            if name_length < 128 and value_length < 128:
                position += 2
            else:
                name_length, position = length_at(params, position)
                value_length, position = length_at(params, position)
            value = position + name_length
            if name_length in _LENGTHS and (name := _ASKED.get(params[position:value])) is not None:
                environ[name] = params[value : value + value_length].decode("latin-1")
            position = value + value_length
    except (IndexError, struct.error):
        return {}
    return environ if position == end else {}


@lru_cache(maxsize=256)
def _around(request_id: int, size: int, all_but_body: tuple[int, str, Headers, str, bool, bool]) -> tuple[bytes, bytes]:
    """What is sent before and after a body of *size* bytes. Kept, since nearly all lookups share it: 14 %."""
    status, content_type, headers, generation, private, kept = all_but_body
    answer = Answer(status, bytes(size), content_type, headers, generation, None, private, kept)
    before = head(REASONS[status], wsgi_headers(answer))
    return output_header(request_id, len(before) + size) + before, ending(request_id, b"", 0)
