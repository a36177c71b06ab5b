"""The bytes of FastCGI, without a socket."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.servers.fastcgi.records import MAX_CONTENT, Malformed, decode_pairs, ending, output, refusal, whole_request
from tests.support.fastcgi_client import END, KEEP, PARAMS, STDERR, STDIN, STDOUT, begin, pairs, record, request, stream

LATIN = st.text(st.characters(max_codepoint=255), max_size=300)


def decoded(data: bytes) -> dict[str, str]:
    result: dict[str, str] = {}
    decode_pairs(data, result)
    return result


@given(st.dictionaries(LATIN, LATIN, max_size=10))
def test_pairs_come_back_as_they_were_sent(values: dict[str, str]) -> None:
    """Names and values of any length and any latin-1 text survive."""
    assert decoded(pairs(values)) == values


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 129, 255, 256, 65535, 65536, 200_000])
def test_a_length_of_one_byte_or_of_four(size: int) -> None:
    """Up to 127 in one byte, above in four, for names and for values."""
    for values in ({"N" * size: "value"}, {"NAME": "v" * size}, {"A": "1", "N" * size: "v" * size, "Z": "2"}):
        assert decoded(pairs(values)) == values


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_malformed(data: bytes) -> None:
    """No bytes raise anything but Malformed."""
    try:
        decoded(data)
    except Malformed:
        pass
    else:
        assert sum(map(len, decoded(data))) <= len(data)


@pytest.mark.parametrize("cut", [1, 2, 3, 10, 200])
def test_a_pair_that_is_cut_off_is_malformed(cut: int) -> None:
    """A cut is noticed wherever it is: in a length, a name or a value."""
    whole = pairs({"NAME": "x" * 300})
    with pytest.raises(Malformed):
        decoded(whole[:-cut])
    with pytest.raises(Malformed):
        decoded(whole[:cut])


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x80000000 + (1 << 24) + 1, 0x81000001, 0xC0000001, 0x80010001])
def test_a_length_beyond_the_data_is_malformed(length: int) -> None:
    """All four bytes count, and nothing of that size is allocated."""
    with pytest.raises(Malformed):
        decoded(struct.pack("!LB", length, 1) + b"xy")
    with pytest.raises(Malformed):
        decoded(struct.pack("!BL", 1, length) + b"xy")


def test_a_whole_request_is_recognised() -> None:
    """What mod_fcgid sends for a lookup is read into its id and PARAMS, with or without padding."""
    params = pairs({"REQUEST_METHOD": "GET"})
    padded = begin(7) + stream(PARAMS, 7, params, padding=5) + record(STDIN, 7)
    assert whole_request(padded) == (7, params)
    assert whole_request(begin(7) + stream(PARAMS, 7, params) + record(STDIN, 7)) == (7, params)


@pytest.mark.parametrize(
    "data",
    [
        request("/", flags=KEEP),
        request("/", "POST", b"body"),
        request("/") + b"\x01",
        request("/")[:-1],
        request("/", request_id=0),
        b"",
        begin() + record(PARAMS, 1) + record(STDIN, 1),
        begin(1, role=2) + request("/")[16:],
        begin(2) + request("/")[16:],
        begin(2) + record(PARAMS, 1, pairs({"A": "b"})) + record(PARAMS, 2) + record(STDIN, 2),
        b"\x02" + request("/")[1:],
    ],
)
def test_everything_else_is_left_to_the_general_road(data: bytes) -> None:
    """Kept connections, bodies, more or fewer bytes, other roles, ids and versions take the slow path."""
    assert whole_request(data) is None


def parsed(data: bytes) -> list[tuple[int, int, bytes]]:
    """Kind, request id and content of each record; nothing is left over, and none is padded, as ours are not."""
    found = []
    while data:
        version, kind, request_id, length, padding, reserved = struct.unpack_from("!BBHHBB", data)
        assert (version, padding, reserved) == (1, 0, 0) and len(data) >= 8 + length
        found.append((kind, request_id, data[8 : 8 + length]))
        data = data[8 + length :]
    return found


@pytest.mark.parametrize("size", [1, 65527, 65528, 65529, 65535, 65536, 200_000])
@pytest.mark.parametrize("last", [b"", ending(3, b"", 0)])
def test_output_is_framed_without_loss(size: int, last: bytes) -> None:
    """The contents of the records are the blocks; only what is longer than a record may be is cut, and the end comes last."""
    whole = bytes(index % 251 for index in range(size))
    blocks = [whole[: size // 3], whole[size // 3 :]]
    framed = b"".join(output(3, blocks, last))
    assert framed.endswith(last) and all(output(3, blocks, last))
    records = parsed(framed.removesuffix(last))
    assert {(kind, request_id) for kind, request_id, _ in records} == {(STDOUT, 3)}
    assert b"".join(content for _, _, content in records) == whole
    assert all(0 < len(content) <= MAX_CONTENT for _, _, content in records)
    assert (len(records) == 1) == (size <= MAX_CONTENT)


def test_no_output_is_no_record() -> None:
    """An empty FCGI_STDOUT record would be the end of the stream."""
    assert output(1, []) == output(1, [b"", b""]) == [] and output(1, [b""], b"end") == [b"end"]
    assert b"".join(output(1, [b"x" * 70_000, b""])) == b"".join(output(1, [b"x" * 70_000]))
    assert output(1, [b"ab"]) == [record(STDOUT, 1, b"ab")]


def test_the_end_of_an_answer() -> None:
    """The end of FCGI_STDOUT and END_REQUEST with the status; before them what was written to wsgi.errors, and its end."""
    end = [(STDOUT, 258, b""), (END, 258, struct.pack("!LB3x", 7, 0))]
    assert parsed(ending(258, b"", 7)) == end
    assert parsed(ending(258, b"said", 7)) == [(STDERR, 258, b"said"), (STDERR, 258, b""), *end]


def test_a_refusal() -> None:
    """One END_REQUEST: nothing was run, and why (section 5.5)."""
    assert parsed(refusal(258, 2)) == [(END, 258, struct.pack("!LB3x", 0, 2))]


@pytest.mark.parametrize("data", [b"\x05\x01name", b"\x01", b"\x01\x00", b"\x01\x01ab\x00"])
def test_what_is_said_of_a_cut_pair(data: bytes) -> None:
    """One line for the log."""
    with pytest.raises(Malformed) as caught:
        decoded(data)
    assert str(caught.value) == "a name-value pair is cut off"


@pytest.mark.parametrize("name", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"])
def test_what_two_say_of_the_way_is_not_believed(name: str) -> None:
    """``X_Forwarded_For`` of the caller beside that of the proxy, where a web server accepts underscores: both are dropped."""
    first, second = pairs({name: "203.0.113.1"}), pairs({name: "198.51.100.1"})
    assert decoded(first + pairs({"A": "1"}) + second) == {"A": "1"}
    assert decoded(pairs({"A": "1"}) + second + pairs({"A": "2", "B": f"{name} {name}"})) == {
        name: "198.51.100.1",
        "A": "2",
        "B": f"{name} {name}",
    }
