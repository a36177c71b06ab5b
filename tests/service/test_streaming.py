"""A download that is read while it arrives, from a real web server that breaks off, lies, dawdles and changes its file."""

import bz2
import gzip
import hashlib
import lzma
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator

import pytest

from n2k_fcgi.errors import DownloadFailed, DownloadRefused, DownloadTooLarge, DownloadTooSlow, N2KError
from n2k_fcgi.service.dumps.location import parse_location
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.update.contents import Validators
from n2k_fcgi.service.update.download import BeganAnew, Download, Limits
from n2k_fcgi.service.update.streamed import Arriving
from tests.support.web_server import (
    MODIFIED_DATE,
    Answer,
    Handler,
    WebServer,
    cut,
    dripping,
    endless,
    file,
    in_turn,
    sent,
    stalled,
    web_server,
)

CONTENT = b"".join(b"%08x-0000-0000-0000-000000000001,Some%d One\n" % (number, number) for number in range(1, 20_000))
LENGTH = len(CONTENT)
LIMITS = Limits(stall=60, total=600, size=10_000_000, tries=3, pause=0)
EARLIER = "Wed, 27 May 2026 20:26:40 GMT"

PACKERS: dict[str, Callable[[bytes], bytes]] = {"csv": bytes, "bz2": bz2.compress, "gz": gzip.compress, "xz": lzma.compress}


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server without any file."""
    with web_server() as server:
        yield server


Read = Callable[..., tuple[bytes, int]]


@pytest.fixture
def read(web: WebServer) -> Read:
    """Read *answer* as a dump, as an update does; return its unpacked content, and how often it began anew."""

    def streamed(answer: Answer, *, known: Validators = Validators(), **limits: float) -> tuple[bytes, int]:  # noqa: B008
        web.paths["/dump"] = answer
        bounds = LIMITS._replace(**limits)  # type: ignore[arg-type]
        with Download(parse_location(web.url("/dump")), known, bounds) as download:
            assert download.begin()
            for number in range(bounds.tries):
                try:
                    with Dump(Arriving(download)) as dump:
                        return b"".join(dump.blocks()), number
                except BeganAnew:
                    continue
        raise AssertionError("it began anew more often than it was requested")

    return streamed


def rest(content: bytes, start: int, end: int | None = None, said: str = "", **headers: str) -> Answer:
    """A 206 with *content* from *start* to *end*; *said*: another Content-Range than the true one."""
    part = content[start:end]
    true = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
    return sent(part, 206, **{"Content_Range": said or true, "ETag": '"one"', **headers})


@pytest.mark.parametrize("place", [1, 7, 8, 9, 4095, 4096, 4097, -4096, -8, -2, -1])
@pytest.mark.parametrize("kind", PACKERS)
def test_it_is_resumed_wherever_it_breaks(read: Read, web: WebServer, kind: str, place: int) -> None:
    """At the magic, at the end of what is inspected, within the end mark: nothing is read twice."""
    content = PACKERS[kind](CONTENT)
    at = place % len(content)
    assert read(cut(content, file(content), at=at)) == (CONTENT, 0)
    assert [headers.get("Range") for _, headers in web.requests] == [None, f"bytes={at}-"]


@pytest.mark.parametrize("kind", PACKERS)
def test_it_may_break_many_times(read: Read, web: WebServer, kind: str) -> None:
    """After each few bytes: 20 connections, one file."""
    content = PACKERS[kind](CONTENT)
    step = len(content) // 19
    parts = [rest(content, at, at + step) for at in range(step, 18 * step, step)]
    assert read(cut(content, *parts, file(content), at=step), tries=20) == (CONTENT, 0)
    assert len(web.requests) == 19


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("place", [0, 1, 8, 4096, -1])
def test_without_ranges_it_begins_anew(read: Read, web: WebServer, kind: str, place: int) -> None:
    """The whole file is the response to the request for the rest, and is read: there is no third request."""
    content = PACKERS[kind](CONTENT)
    assert read(cut(content, file(content, ranges=False), at=place % len(content) if place else 0)) == (CONTENT, 1)
    assert len(web.requests) == 2


def test_a_changed_file_is_read_from_its_beginning(read: Read, web: WebServer) -> None:
    """If-Range is false: the server sends the new version, which has another form and size."""
    other = b"".join(CONTENT.splitlines(keepends=True)[:300])
    assert read(cut(CONTENT, file(bz2.compress(other), '"two"'))) == (other, 1)
    assert web.headers()["If-Range"] == '"one"'


LIES: dict[str, Answer] = {
    "another tag": rest(CONTENT[::-1], LENGTH // 2, ETag='"two"'),
    "another time": rest(CONTENT[::-1], LENGTH // 2, ETag="", Last_Modified=EARLIER),
    "another size": rest(CONTENT + CONTENT, LENGTH // 2),
    "another place": rest(CONTENT, LENGTH // 2 + 1),
    "the beginning": rest(CONTENT, 0),
    "no place": sent(CONTENT[LENGTH // 2 :], 206, ETag='"one"'),
    "no number": rest(CONTENT, LENGTH // 2, said=f"bytes {LENGTH // 2}-"),
    "another unit": rest(CONTENT, LENGTH // 2, said=f"lines {LENGTH // 2}-{LENGTH - 1}/{LENGTH}"),
    "more than the rest": sent(
        CONTENT[LENGTH // 2 :] + b"more", 206, Content_Range=f"bytes {LENGTH // 2}-{LENGTH - 1}/{LENGTH}", ETag='"one"'
    ),
    "416": sent(b"", 416),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_server_that_lies_is_not_believed(read: Read, web: WebServer, lie: Answer) -> None:
    """What it sends as the rest is of another version or place: the whole file is requested, and read from its beginning."""
    assert read(cut(CONTENT, lie, file(CONTENT))) == (CONTENT, 1)
    assert ["Range" in headers for _, headers in web.requests] == [False, True, False]


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_server_that_always_lies_is_given_up(read: Read, web: WebServer, lie: Answer) -> None:
    """After all connections; the end is never reported."""
    with pytest.raises(DownloadFailed):
        read(in_turn(cut(CONTENT, lie), lie, cut(CONTENT, lie)), tries=2)
    assert len(web.requests) == 2


def test_a_rest_that_is_no_rest_is_refused(read: Read) -> None:
    """A 206 that nobody asked for."""
    with pytest.raises(DownloadFailed, match="the server answers 206"):
        read(rest(CONTENT, 0))


def chunked(content: bytes, *, ends: bool) -> Answer:
    """A file of unknown length in one chunk, with the mark of its end or broken off before it."""

    def answer(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.head(200, None, Transfer_Encoding="chunked", ETag='"one"')
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(content), content) + (b"0\r\n\r\n" if ends else b""))

    return answer


@pytest.mark.parametrize("total", [str(LENGTH), "*"])
def test_a_length_is_learnt_from_the_rest(read: Read, web: WebServer, total: str) -> None:
    """The first response has no length, the second one has, and breaks: its part is not taken for the end of a csv."""
    half = LENGTH // 2
    broken = sent(
        CONTENT[half : half + 999], 206, LENGTH - half, Content_Range=f"bytes {half}-{LENGTH - 1}/{total}", ETag='"one"'
    )
    assert read(in_turn(chunked(CONTENT[:half], ends=False), broken, file(CONTENT))) == (CONTENT, 0)
    assert web.headers()["Range"] == f"bytes={half + 999}-"
    assert read(chunked(CONTENT, ends=True)) == (CONTENT, 0)


STATED = {name: b64encode(hashlib.sha256(CONTENT).digest()).decode() for name in ("Repr_Digest", "Digest")}


@pytest.mark.parametrize(
    "header", [{"Repr_Digest": f"md5=:aaaa:, sha-256=:{STATED['Digest']}:"}, {"Digest": f"SHA-256={STATED['Digest']}"}]
)
def test_a_stated_checksum_is_checked(read: Read, web: WebServer, header: dict[str, str]) -> None:
    """Over several connections, too. If other bytes came the file is requested again, and given up at last."""
    first = sent(CONTENT[:5000], length=LENGTH, ETag='"one"', **header)
    assert read(in_turn(first, file(CONTENT))) == (CONTENT, 0)
    wrong = CONTENT.replace(b"Some7 ", b"Some8 ")
    assert read(in_turn(sent(wrong, **header), file(CONTENT))) == (CONTENT, 1)
    with pytest.raises(DownloadFailed, match="its SHA-256 is not the one that the server states"):
        read(sent(wrong, **header))


@pytest.mark.parametrize("kind", PACKERS)
def test_the_end_is_not_reported_before_it_is_there(read: Read, kind: str) -> None:
    """A server that sends one byte less than it says, each time."""
    content = PACKERS[kind](CONTENT)
    with pytest.raises(DownloadFailed, match=f"breaks off after {len(content) - 1} of {len(content)} bytes"):
        read(sent(content[:-1], length=len(content)))


@pytest.mark.parametrize("kind", ["bz2", "gz", "xz"])
def test_an_archive_without_its_end_is_broken(read: Read, kind: str) -> None:
    """The length is right, but the file was cut before it was published."""
    with pytest.raises(N2KError) as caught:
        read(sent(PACKERS[kind](CONTENT)[:-1]))
    assert caught.value.exit_code == 61


@pytest.mark.parametrize(
    "answer", [endless, sent(CONTENT), chunked(CONTENT, ends=True)], ids=["endless", "announced", "chunked"]
)
def test_the_size_is_limited(read: Read, web: WebServer, answer: Answer) -> None:
    """After one connection."""
    with pytest.raises(DownloadTooLarge):
        read(answer, size=100_000)
    assert len(web.requests) == 1


def test_the_time_is_limited(read: Read, web: WebServer) -> None:
    """Of all connections together; a stall breaks one, and the next one resumes."""
    with pytest.raises(DownloadTooSlow):
        read(dripping, total=0.2)
    assert read(in_turn(stalled(CONTENT), file(CONTENT)), stall=0.1, tries=500)[0] == CONTENT


def test_a_server_that_is_busy_meanwhile_is_asked_again(read: Read, web: WebServer) -> None:
    """503 with Retry-After as the response to the request for the rest: what was read is still good."""
    assert read(cut(CONTENT, sent(b"", 503, Retry_After="0"), file(CONTENT))) == (CONTENT, 0)
    assert [headers.get("Range") for _, headers in web.requests] == [None, *[f"bytes={LENGTH // 2}-"] * 2]
    with pytest.raises(DownloadFailed, match="the server answers 503"):
        read(cut(CONTENT, sent(b"", 503)))


def test_a_web_page_behind_the_lines_voids_them(read: Read) -> None:
    """As Apache appends it: what was read is void, and the next response is read from its beginning."""
    page = b"00000\n<html><title>500 Internal Server Error</title></html>\n"
    assert read(in_turn(file(CONTENT + page), file(CONTENT))) == (CONTENT, 1)
    with pytest.raises(DownloadFailed, match="it ends in a web page"):
        read(file(CONTENT + page))


def test_another_coding_of_the_next_attempt_is_seen(read: Read) -> None:
    """Each attempt reads the headers of its own response: gzip around the archive in one, not in the other."""
    packed = bz2.compress(CONTENT)
    wrapped = gzip.compress(packed)
    first = sent(wrapped[:5000], length=len(wrapped), ETag='"one"', Content_Encoding="gzip")
    assert read(in_turn(first, file(packed, '"two"'))) == (CONTENT, 1)
    assert read(cut(packed, sent(wrapped, ETag='"two"', Content_Encoding="gzip"))) == (CONTENT, 1)


def test_a_coding_is_removed_and_its_end_checked(read: Read) -> None:
    """Gzip around an archive, cut before it was published."""
    with pytest.raises(N2KError) as caught:
        read(sent(gzip.compress(bz2.compress(CONTENT))[:-1], Content_Encoding="gzip"))
    assert caught.value.exit_code == 61


@pytest.mark.parametrize(("coding", "size"), [("", LENGTH), ("gzip", None)])
def test_the_size_is_that_of_the_dump(web: WebServer, coding: str, size: int | None) -> None:
    """For the progress and the planning of an import; unknown where a coding is removed."""
    packed = gzip.compress(bz2.compress(CONTENT)) if coding else CONTENT
    web.paths["/dump"] = file(packed, Content_Encoding=coding)
    with Download(parse_location(web.url("/dump")), Validators(), LIMITS) as download:
        assert download.begin()
        with Dump(Arriving(download)) as dump:
            assert (dump.size, dump.times) == (size, [])


def test_a_file_that_is_known_is_not_read(web: WebServer) -> None:
    """304 for the validators of the last time; after the beginning, no request has them."""
    known = Validators('"one"', MODIFIED_DATE)
    web.paths["/dump"] = in_turn(file(CONTENT), sent(b"", 200, 10, ETag='"two"'), file(CONTENT, '"two"'))
    with Download(parse_location(web.url("/dump")), known, LIMITS) as download:
        assert not download.begin()
    with Download(parse_location(web.url("/dump")), known, LIMITS) as download:
        assert download.begin()
        with pytest.raises(BeganAnew):
            download.read()
        assert CONTENT.startswith(download.read())
    assert ["If-None-Match" in headers for _, headers in web.requests] == [True, True, False]


@pytest.mark.parametrize("with_length", [True, False])
def test_a_reader_that_waits_is_interrupted(web: WebServer, with_length: bool) -> None:
    """Its thread ends with an error, not as at the end of a file; there is no further connection."""
    arrived = threading.Event()

    def silent(handler: Handler) -> None:
        handler.head(200, LENGTH if with_length else None)
        handler.wfile.write(CONTENT[:5000])
        handler.wfile.flush()
        handler.web.closing.wait()

    def read() -> None:
        try:
            while block := download.read():
                count.append(len(block))
                if sum(count) == 5000:
                    arrived.set()
        except DownloadFailed as error:
            errors.append(error)

    count: list[int] = []
    errors: list[DownloadFailed] = []
    web.paths["/dump"] = silent
    with Download(parse_location(web.url("/dump")), Validators(), LIMITS._replace(stall=3600, total=7200)) as download:
        assert download.begin()
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        assert arrived.wait(60)
        download.interrupt()
        thread.join(60)
        assert not thread.is_alive() and len(errors) == len(web.requests) == 1


def test_a_certificate_or_a_page_ends_it_at_once(read: Read, web: WebServer) -> None:
    """Another connection would not help."""
    with pytest.raises(DownloadRefused, match="it is a web page"):
        read(sent(b"<html>" + CONTENT))
    assert len(web.requests) == 1


MEMORY = """
import resource, sys
from n2k_fcgi.service.dumps.location import parse_location
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.update.contents import Validators
from n2k_fcgi.service.update.download import Download, Limits
from n2k_fcgi.service.update.streamed import Arriving

with Download(parse_location(sys.argv[1]), Validators(), Limits(60, 600, 2**30, 1)) as download:
    download.begin()
    with Dump(Arriving(download)) as dump:
        blocks = dump.blocks()
        total = len(next(blocks))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        total += sum(map(len, blocks))
print(total, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_the_dump_is_never_held(web: WebServer) -> None:
    """200 MB pass through a process that grows by less than 20."""
    times = 200

    def large(handler: Handler) -> None:
        handler.head(200, times * LENGTH)
        for _ in range(times):
            handler.wfile.write(CONTENT)

    web.paths["/dump"] = large
    done = subprocess.run([sys.executable, "-c", MEMORY, web.url("/dump")], capture_output=True, check=True, timeout=120)
    total, megabytes = map(int, done.stdout.split())
    assert total == times * LENGTH and total > 150_000_000 and megabytes < 20
