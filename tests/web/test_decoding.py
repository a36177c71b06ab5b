"""From a server's variables to a request: fields, bodies, and the path below the mount."""

import gzip
import io
import zlib
from typing import Any

import pytest

from n2k_fcgi.errors import BadRequest, BodyTooLarge
from n2k_fcgi.web.decoding import MAX_FIELDS, parse_fields, parse_multipart, read_body, refuse_packed, target_of, unquote

CAP = 1000
"""The maximum size of a body in these tests."""


def body_of(data: bytes, **variables: Any) -> bytes:
    """Read a body that arrived as *data*."""
    return read_body({"wsgi.input": io.BytesIO(data), **variables}, CAP)


@pytest.mark.parametrize(
    ("data", "text"), [(b"a%20b", "a b"), (b"%C3%A9%c3%a9", "éé"), (b"%41B%43", "ABC"), (b"%2541", "%41"), (b"", "")]
)
def test_escapes(data: bytes, text: str) -> None:
    """In upper or lower case, and decoded only once."""
    assert unquote(data) == unquote(data, lenient=True) == text


@pytest.mark.parametrize(("data", "text"), [(b"%41%42%", "AB%"), (b"100%", "100%"), (b"%zz%41", "%zzA"), (b"%4", "%4")])
def test_a_percent_sign_that_escapes_nothing(data: bytes, text: str) -> None:
    """It is refused; from servers that decode paths it is kept."""
    assert unquote(data, lenient=True) == text
    with pytest.raises(BadRequest) as caught:
        unquote(data)
    assert str(caught.value) == str(BadRequest(why="a percent sign is not followed by two hexadecimal digits"))


def test_text_in_another_encoding() -> None:
    """It is refused, escaped or not."""
    for data in (b"J\xfcrg", b"J%fcrg"):
        with pytest.raises(BadRequest) as caught:
            unquote(data, lenient=True)
        assert str(caught.value) == str(BadRequest(why="it is not in UTF-8"))


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"name=Governor+Linden&key=x", {"name": "Governor Linden", "key": "x"}),
        (b"a+b=c", {"a b": "c"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a%20b=c%3Dd=e", {"a b": "c=d=e"}),
        (b"a", {"a": ""}),
        (b"=a", {"": "a"}),
        (b"a=%26%3d%2B", {"a": "&=+"}),
        (b"&&a=b&", {"a": "b"}),
        (b"a=b&amp;c=d&eamp;=f", {"a": "b", "c": "d", "eamp;": "f"}),
        (b"AMP;a=b", {"AMP;a": "b"}),
        (b"a=b&a=b", {"a": "b"}),
    ],
)
def test_fields(data: bytes, fields: dict[str, str]) -> None:
    """Of forms and queries: plus signs, escapes, no value, ampersands that a page had escaped, one field twice."""
    assert parse_fields(data) == fields


def test_a_field_with_two_values() -> None:
    """It is refused, because it is ambiguous."""
    with pytest.raises(BadRequest) as caught:
        parse_fields(b"name=A&name=B")
    assert str(caught.value) == str(BadRequest(why="the field 'name' comes twice with different values"))


def test_as_many_fields_as_allowed() -> None:
    """One more is refused; empty ones between ampersands count, too."""
    assert len(parse_fields(b"&".join(b"f%d=x" % n for n in range(MAX_FIELDS)))) == MAX_FIELDS
    for data in (b"&".join(b"f%d=x" % n for n in range(MAX_FIELDS + 1)), b"&" * MAX_FIELDS, b"a=b&" * (MAX_FIELDS + 1)):
        with pytest.raises(BadRequest, match="more than 200 fields"):
            parse_fields(data)


@pytest.mark.parametrize("length", [None, "", "5"])
def test_a_body_with_its_length_or_with_a_promised_end(length: str | None) -> None:
    """CONTENT_LENGTH says how much to read; without it the server must signal the end (a chunked body behind granian)."""
    variables = {} if length is None else {"CONTENT_LENGTH": length}
    assert body_of(b"12345", **variables) == (b"12345" if length else b"")
    assert body_of(b"12345", **variables, **{"wsgi.input_terminated": True}) == b"12345"


def test_what_is_behind_the_length_is_not_read() -> None:
    """On a persistent connection it is the next request."""
    stream = io.BytesIO(b"12345GET / HTTP/1.1")
    assert read_body({"wsgi.input": stream, "CONTENT_LENGTH": "5"}, CAP) == b"12345"
    assert stream.read() == b"GET / HTTP/1.1"


@pytest.mark.parametrize("length", ["-1", "+5", "5.0", "0x5", "five", "5 ", "٥", "²"])
def test_a_length_that_is_none(length: str) -> None:
    """An invalid Content-Length is refused: only ASCII digits are valid."""
    with pytest.raises(BadRequest) as caught:
        body_of(b"12345", CONTENT_LENGTH=length)
    assert str(caught.value) == str(BadRequest(why="Content-Length is not a number"))


@pytest.mark.parametrize("length", ["1001", "9" * 12, "9" * 13, "9" * 5000])
def test_a_length_above_the_cap(length: str) -> None:
    """It is refused before a byte is read, however many digits it has; the limit is named."""
    with pytest.raises(BodyTooLarge) as caught:
        body_of(b"", CONTENT_LENGTH=length)
    assert str(caught.value) == str(BodyTooLarge(limit=CAP))
    assert body_of(b"x" * CAP, CONTENT_LENGTH=str(CAP)) == b"x" * CAP


@pytest.mark.parametrize("length", [CAP + 1, CAP * 100])
def test_a_chunked_body_above_the_cap(length: int) -> None:
    """Its length is known after reading; at most one byte above the limit is read."""
    stream = io.BytesIO(b"x" * length)
    with pytest.raises(BodyTooLarge) as caught:
        read_body({"wsgi.input": stream, "wsgi.input_terminated": True}, CAP)
    assert stream.tell() == CAP + 1 and str(caught.value) == str(BodyTooLarge(limit=CAP))


def test_a_chunked_body_as_long_as_the_cap() -> None:
    """It is read completely."""
    assert body_of(b"x" * CAP, **{"wsgi.input_terminated": True}) == b"x" * CAP


class Pieces(io.BytesIO):
    """A body that comes three bytes at a time, as from a socket, and the sizes that were requested."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[int | None] = []

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, fewer than asked for."""
        self.asked.append(size)
        return super().read(min(3, size or 0))


def test_a_body_that_comes_in_pieces() -> None:
    """It is reassembled, and no more than the rest is requested: a server may block otherwise."""
    stream = Pieces(b"12345678 and more")
    assert read_body({"wsgi.input": stream, "CONTENT_LENGTH": "8"}, CAP) == b"12345678"
    assert stream.asked == [8, 5, 2]


@pytest.mark.parametrize("problem", [OSError("gone"), ValueError("bad chunk")])
def test_a_chunked_body_that_breaks_off(problem: Exception) -> None:
    """The server's exception becomes a bad request."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise problem

    with pytest.raises(BadRequest) as caught:
        read_body({"wsgi.input": Broken(), "wsgi.input_terminated": True}, CAP)
    assert str(caught.value) == str(BadRequest(why="the body cannot be read"))


@pytest.mark.parametrize("arrived", [b"", b"1234"])
def test_a_body_that_is_shorter_than_its_length(arrived: bytes) -> None:
    """It is refused: half a name is not registered."""
    with pytest.raises(BadRequest) as caught:
        body_of(arrived, CONTENT_LENGTH="5")
    assert str(caught.value) == str(BadRequest(why="the body is shorter than its Content-Length"))


def multipart(*fields: tuple[str, str]) -> dict[str, str]:
    """Parse these fields as ``curl -F`` sends them."""
    parts = [f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields]
    data = "".join([*parts, "--XX--\r\n"]).encode()
    return parse_multipart({"CONTENT_TYPE": "multipart/form-data; boundary=XX"}, data, 100_000)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "Deflate", "gzip, br", "\x7f" * 99])
def test_a_packed_body_is_called_that(encoding: str) -> None:
    """The message says that it is compressed, not that the form or the encoding is broken."""
    for data in (gzip.compress(b"name=A"), zlib.compress(b"name=A")):
        with pytest.raises(BadRequest, match=r"the body is compressed, send it uncompressed \(Content-Encoding: ") as caught:
            refuse_packed(data, encoding)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 200


@pytest.mark.parametrize("encoding", ["", "identity", " IDENTITY "])
def test_a_body_that_is_not_said_to_be_packed(encoding: str) -> None:
    """It is read as it is; a field that is not UTF-8 is refused as such, not as compressed."""
    refuse_packed(gzip.compress(b"name=A"), encoding)


def test_a_long_encoding_is_cut() -> None:
    """The message has twenty characters of it."""
    with pytest.raises(BadRequest) as caught:
        refuse_packed(b"\xff", "abcdefghijklmnopqrstuvwxyz")
    assert "'abcdefghijklmnopqrst'" in str(caught.value)


@pytest.mark.parametrize("encoding", ["gzip", "", "identity", " Identity "])
def test_a_body_that_is_not_packed_any_more(encoding: str) -> None:
    """A web server that decompressed it may have kept the header; text is accepted."""
    refuse_packed("name=Zoë".encode(), encoding)


def test_multipart_that_is_not() -> None:
    """Without a boundary, or of no type: a bad request in one plain line. A field may be as long as a body."""
    for kind in ({"CONTENT_TYPE": "multipart/form-data"}, {}):
        with pytest.raises(BadRequest) as caught:
            parse_multipart(kind, b"--XX\r\n", 100)
        assert str(caught.value) == str(BadRequest(why="a broken multipart body"))
    assert multipart(("name", "x" * 90_000)) == {"name": "x" * 90_000}
    with pytest.raises(BadRequest):
        multipart(("name", "x" * 100_001))


def test_a_field_of_multipart_that_comes_twice() -> None:
    """As in every other form: accepted with one value, refused with two; the number of fields is limited."""
    assert multipart(("name", "A B"), ("key", "x"), ("name", "A B")) == {"name": "A B", "key": "x"}
    with pytest.raises(BadRequest, match="'name' comes twice with different values"):
        multipart(("name", "A B"), ("name", "C D"))
    with pytest.raises(BadRequest, match="broken multipart"):
        multipart(*((f"f{n}", "x") for n in range(MAX_FIELDS + 1)))


@pytest.mark.parametrize(
    ("uri", "script", "path", "query"),
    [
        ("/?name=x", "", b"/", b"name=x"),
        ("", "", b"/", b""),
        ("http://example.com/name2key/a?b", "", b"/name2key/a", b"b"),
        ("https://example.com:443", "", b"/", b""),
        ("/name2key/a#b?c", "", b"/name2key/a", b""),
        ("/name2key?a=b#c", "", b"/name2key", b"a=b"),
        ("/n2k/dispatch.fcgi/name2key/a%20b", "/n2k/dispatch.fcgi", b"/name2key/a%20b", b""),
        ("/n2k/dispatch.fcgi", "/n2k/dispatch.fcgi", b"/", b""),
        ("/n2k/name2key/a", "/n2k/dispatch.fcgi", b"/name2key/a", b""),
        ("/n2k", "/n2k/dispatch.fcgi", b"/", b""),
        ("/n2kx/name2key", "/n2k/dispatch.fcgi", b"/n2kx/name2key", b""),
        ("/n2k.old/", "/n2k", b"/n2k.old/", b""),
        ("/dispatch.fcgi.bak", "/dispatch.fcgi", b"/dispatch.fcgi.bak", b""),
        ("/my%20names/name2key/a", "/my names/dispatch.fcgi", b"/name2key/a", b""),
        ("/my%20names", "/my names/dispatch.fcgi", b"/", b""),
        ("/my%20names/", "/my names/dispatch.fcgi", b"/", b""),
        ("/my%20names/dispatch.fcgi/a/b", "/my names/dispatch.fcgi", b"/a/b", b""),
        ("/caf%C3%A9/name2key", "/caf\u00c3\u00a9/dispatch.fcgi", b"/name2key", b""),
        ("/bad%zz/name2key", "/bad/dispatch.fcgi", b"/bad%zz/name2key", b""),
        ("//n2k/?a=//b", "/n2k/dispatch.fcgi", b"/", b"a=//b"),
        ("/n2k//name2key/a", "/n2k/dispatch.fcgi", b"//name2key/a", b""),
        ("//n2k//name2key/a", "/n2k/dispatch.fcgi", b"/name2key/a", b""),
        ("/my///n2k/name2key/a", "/my/n2k/dispatch.fcgi", b"/name2key/a", b""),
        ("//n2kx/name2key", "/n2k/dispatch.fcgi", b"/n2kx/name2key", b""),
        ("//n2k/name2key", "/dispatch.fcgi", b"//n2k/name2key", b""),
    ],
)
def test_the_path_below_the_mount(uri: str, script: str, path: bytes, query: bytes) -> None:
    """As it was sent, without the script or its folder, escaped or not; whole names only; in every form of a URI."""
    assert target_of({"REQUEST_URI": uri, "SCRIPT_NAME": script}) == (path, query)
    assert target_of({"RAW_URI": uri, "SCRIPT_NAME": script}) == (path, query)


@pytest.mark.parametrize(
    ("decoded", "path"),
    [
        ("/name2key/a b", b"/name2key/a b"),
        ("/name2key/100%", b"/name2key/100%25"),
        ("/a%41", b"/a%2541"),
        ("", b"/"),
        ("health", b"/health"),
        ("*", b"/*"),
    ],
)
def test_a_server_that_tells_the_decoded_path_only(decoded: str, path: bytes) -> None:
    """A percent sign in it is kept, and not decoded again."""
    assert target_of({"PATH_INFO": decoded, "QUERY_STRING": "a=%41"}) == (path, b"a=%41")


def test_variables_that_are_not_latin_1() -> None:
    """No server sends them (PEP 3333); a character that is not a byte becomes a question mark."""
    assert target_of({"PATH_INFO": "/\u0416", "QUERY_STRING": "a=\u0416"}) == (b"/?", b"a=?")
    assert target_of({"REQUEST_URI": "/\u0416/x", "SCRIPT_NAME": "/\u0416/dispatch.fcgi"}) == (b"/", b"/x")


def test_no_variables_at_all() -> None:
    """The root, from a server that sends no path."""
    assert target_of({}) == (b"/", b"")
    assert target_of({"REQUEST_URI": "/a?b"}) == (b"/a", b"b")
    assert target_of({"REQUEST_URI": "http://h/a?to=http://other/b"}) == (b"/a", b"to=http://other/b")
