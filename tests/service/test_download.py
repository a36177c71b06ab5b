"""Downloads from a real web server: requests, accepted and rejected responses, retries."""

import bz2
import gzip
import lzma
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from n2k_fcgi.errors import DownloadFailed, DownloadRefused, DownloadTooLarge, DownloadTooSlow
from n2k_fcgi.service.dumps.location import parse_location
from n2k_fcgi.service.update.contents import Announced, Validators
from n2k_fcgi.service.update.download import Limits
from n2k_fcgi.service.update.stored import fetch
from tests.support.foreground import closed_port
from tests.support.web_server import (
    CERTIFICATE,
    MODIFIED_DATE,
    Answer,
    Handler,
    WebServer,
    cut,
    dripping,
    endless,
    file,
    in_turn,
    redirect,
    sent,
    stalled,
    web_server,
)

CONTENT = b"".join(b"%06d,a line of the file\n" % number for number in range(20_000))
GOOD_UTF16 = CONTENT.decode().encode("utf-16")
LIMITS = Limits(stall=60, total=600, size=10_000_000, tries=3, pause=0)
NOTHING = Validators()


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server without any file."""
    with web_server() as server:
        yield server


Get = Callable[..., tuple[Announced | None, bytes]]


@pytest.fixture
def get(web: WebServer, tmp_path: Path) -> Get:
    """Download from *answer*; return the result and the file."""

    def download(
        answer: Answer, *, known: Validators = NOTHING, user: str = "", **limits: float
    ) -> tuple[Announced | None, bytes]:
        web.paths["/dump"] = answer
        path = tmp_path / "file"
        path.unlink(missing_ok=True)
        fetched = fetch(parse_location(web.url("/dump", user)), path, known, LIMITS._replace(**limits))  # type: ignore[arg-type]
        return fetched, path.read_bytes() if path.exists() else b""

    return download


def test_a_file_comes_whole_with_its_validators(get: Get, web: WebServer) -> None:
    """The bytes, and the validators for the next request; no coding is requested."""
    assert get(file(CONTENT)) == (Announced(Validators('"one"', MODIFIED_DATE), "", len(CONTENT)), CONTENT)
    assert web.headers()["Accept-Encoding"] == "identity" and web.headers()["User-Agent"].startswith("n2k_fcgi/")


@pytest.mark.parametrize("known", [Validators('"one"', ""), Validators("", MODIFIED_DATE), Validators('"one"', MODIFIED_DATE)])
def test_what_is_known_is_not_sent_again(get: Get, web: WebServer, known: Validators) -> None:
    """304 for the tag, the date, or both: nothing is downloaded."""
    assert get(file(CONTENT), known=known) == (None, b"")
    assert len(web.requests) == 1


def test_another_version_than_the_known_one_comes(get: Get) -> None:
    """The condition is false: the new file is downloaded."""
    assert get(file(CONTENT, '"two"'), known=Validators('"one"', MODIFIED_DATE))[1] == CONTENT


def test_not_modified_without_a_condition_is_an_error(get: Get) -> None:
    """A 304 that was not asked for has no content."""
    with pytest.raises(DownloadFailed, match="the server answers 304"):
        get(sent(b"", 304))


def test_a_broken_connection_is_resumed(get: Get, web: WebServer) -> None:
    """The rest is requested with Range and If-Range; the file is complete."""
    assert get(cut(CONTENT, file(CONTENT), at=1000))[1] == CONTENT
    assert (web.headers()["Range"], web.headers()["If-Range"]) == ("bytes=1000-", '"one"')


def test_a_resumed_download_may_break_again(get: Get, web: WebServer) -> None:
    """Each connection continues where the last one broke."""
    length = len(CONTENT)
    second = sent(CONTENT[1000:3000], 206, length - 1000, Content_Range=f"bytes 1000-{length - 1}/{length}")
    assert get(cut(CONTENT, second, file(CONTENT), at=1000))[1] == CONTENT
    assert [headers.get("Range") for _, headers in web.requests] == [None, "bytes=1000-", "bytes=3000-"]


def test_a_server_without_ranges_sends_all_again(get: Get) -> None:
    """200 as the response to Range: the file is written from its beginning."""
    assert get(cut(CONTENT, file(CONTENT, ranges=False)))[1] == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_anew(get: Get) -> None:
    """If-Range is false: two versions are never mixed."""
    other = CONTENT[::-1]
    fetched, content = get(cut(CONTENT, file(other, '"two"')))
    assert content == other and fetched is not None and fetched.validators.etag == '"two"'


def test_a_weak_tag_is_not_resumed_by(get: Get, web: WebServer) -> None:
    """It does not guarantee the same bytes: the date is used."""
    assert get(cut(CONTENT, file(CONTENT), etag='W/"one"', at=500))[1] == CONTENT
    assert web.headers()["If-Range"] == MODIFIED_DATE


def test_without_validators_a_broken_download_starts_over(get: Get, web: WebServer) -> None:
    """The rest may be of another version."""
    broken = sent(CONTENT[:100], length=len(CONTENT), Last_Modified="")
    assert get(in_turn(broken, file(CONTENT)))[1] == CONTENT
    assert "Range" not in web.headers()


@pytest.mark.parametrize(
    "resumed",
    [sent(CONTENT, 206, Content_Range="bytes 0-9/10"), sent(b"", 416)],
    ids=["another place", "416"],
)
def test_a_resumption_that_goes_wrong_starts_over(get: Get, web: WebServer, resumed: Answer) -> None:
    """Another range than requested, or none: the whole file is downloaded."""
    assert get(cut(CONTENT, resumed, file(CONTENT)))[1] == CONTENT
    assert [("Range" in headers) for _, headers in web.requests] == [False, True, False]


def test_tries_are_bounded(get: Get, web: WebServer) -> None:
    """A server with a wrong length is asked three times, and the message has the bytes received."""
    lie = sent(CONTENT, length=len(CONTENT) + 10, ETag='"one"')
    with pytest.raises(DownloadFailed, match=f"breaks off after {len(CONTENT)} of {len(CONTENT) + 10} bytes"):
        get(lie)
    assert len(web.requests) == 3


def test_a_stall_breaks_the_connection(get: Get) -> None:
    """No byte for too long counts as broken, and the next connection resumes; on a busy machine others stall, too."""
    assert get(in_turn(stalled(CONTENT), file(CONTENT)), stall=0.1, tries=500)[1] == CONTENT


def test_a_stall_every_time_is_said(get: Get) -> None:
    """The message has the time without data."""
    with pytest.raises(DownloadFailed, match=r"no byte came for 0\.1 s"):
        get(stalled(CONTENT), stall=0.1, tries=2)


def test_the_whole_time_is_limited(get: Get) -> None:
    """A server that always sends a little is cut off."""
    with pytest.raises(DownloadTooSlow, match=r"took longer than 0\.2 s"):
        get(dripping, total=0.2)


@pytest.mark.parametrize("answer", [endless, sent(CONTENT)], ids=["endless", "announced"])
def test_the_size_is_limited(get: Get, web: WebServer, answer: Answer) -> None:
    """An endless body, and one announced as too large, end after one connection."""
    with pytest.raises(DownloadTooLarge, match=r"is larger than 100000 bytes"):
        get(answer, size=100_000)
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        sent(b"a,b\n", Content_Type="text/html; charset=utf-8"),
        sent(b"\xef\xbb\xbf \n<!DOCTYPE html><p>maintenance"),
        sent(b"<html>", Content_Type="text/csv"),
    ],
    ids=["type", "content", "lying type"],
)
def test_a_web_page_is_refused(get: Get, answer: Answer) -> None:
    """An error page with status 200 is rejected, by its type or by its first bytes."""
    with pytest.raises(DownloadRefused, match="it is a web page, not a dump"):
        get(answer)


def test_an_archive_under_the_wrong_type_is_taken(get: Get) -> None:
    """Some servers send every file as html: the content decides."""
    assert get(sent(b"BZh9rest", Content_Type="text/html"))[1] == b"BZh9rest"


PACKERS: dict[str, Callable[[bytes], bytes]] = {"bz2": bz2.compress, "gz": gzip.compress, "xz": lzma.compress, "csv": bytes}
CODINGS = ["x-bzip2", "bzip2", "x-gzip", "gzip", "xz", "br", "zstd", "deflate", "compress", "utf-8", "GZIP,x-bzip2", ""]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", PACKERS)
def test_what_the_bytes_are_counts(get: Get, kind: str, coding: str) -> None:
    """Servers declare an archive's own compression as a coding, or a coding that was not applied: the bytes are kept."""
    content = PACKERS[kind](CONTENT)
    fetched, got = get(sent(content, Content_Encoding=coding))
    assert got == content and fetched is not None and fetched.encoding == coding.lower().replace(",", ", ")


@pytest.mark.parametrize("header", ["identity", "Identity , ", ","])
def test_identity_is_no_coding(get: Get, header: str) -> None:
    """It means that there is no coding."""
    fetched, _ = get(sent(CONTENT, Content_Encoding=header))
    assert fetched is not None and fetched.encoding == ""


BROTLI = [bytes.fromhex(packed) for packed in ("8b0480757569642c6e616d650a03", "1b2b0100c437f735bf46319efc2369fb")]
"""A header line as ``brotli -1`` packs it, hardly at all, and the beginning of a sample with ``-5``."""
ZSTD = bytes.fromhex("28b52ffd0458a50500a28e261990b7d006c8eceb")
"""The beginning of a sample, as zstd packs it."""


@pytest.mark.parametrize(
    ("content", "coding"),
    [
        (BROTLI[0], "br"),
        (BROTLI[1], "br"),
        (ZSTD, "zstd"),
        (zlib.compress(CONTENT), "deflate"),
        (bytes(range(1, 256)) * 40, "foo, bar"),
        (b"\x1f\x9d\x90" + bytes(range(128, 256)) * 40, "compress"),
    ],
)
def test_a_coding_that_is_there_and_cannot_be_read_is_refused(get: Get, content: bytes, coding: str) -> None:
    """Brotli was not requested; the message names it."""
    with pytest.raises(DownloadRefused, match=f"it is encoded as {coding}, which was not requested and cannot be decoded"):
        get(sent(content, Content_Encoding=coding))


@pytest.mark.parametrize("text", [GOOD_UTF16, b"\xef\xbb\xbf" + CONTENT, CONTENT[:4095] + "é".encode() + CONTENT])
def test_text_is_text_in_every_encoding_that_is_read(get: Get, text: bytes) -> None:
    """A byte-order mark, UTF-16, a letter split by the inspected block: none is taken for brotli."""
    assert get(sent(text, Content_Encoding="br"))[1] == text


def test_what_comes_is_told_from_more_than_one_byte(get: Get) -> None:
    """An archive with a page's type, whose first block is one byte, over two connections."""
    content = bz2.compress(CONTENT)

    def in_pieces(handler: Handler) -> None:
        handler.head(200, len(content), Content_Type="text/html", ETag='"one"', Content_Encoding="br")
        for piece in (content[:1], content[1:9]):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.05)  # so that the pieces arrive as such

    assert get(in_turn(in_pieces, file(content)))[1] == content


@pytest.mark.parametrize("status", [204, 404, 500, 503])
def test_an_error_status_ends_it(get: Get, web: WebServer, status: int) -> None:
    """The message has the status; there is no second request."""
    with pytest.raises(DownloadFailed, match=f"the server answers {status}"):
        get(sent(b"", status))
    assert len(web.requests) == 1


def _busy(content: bytes, status: int, *, seconds: int) -> Answer:
    """A server with a rate limit: it answers *status* until *seconds* have passed since the first request."""
    began: list[float] = []

    def answer(handler: Handler) -> None:
        began.append(time.monotonic())
        if began[-1] - began[0] < seconds:
            handler.head(status, 0, Retry_After=str(seconds))
        else:
            file(content)(handler)

    return answer


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(get: Get, web: WebServer, status: int) -> None:
    """After the two seconds that it asks for: the second request is not too early."""
    assert get(_busy(CONTENT, status, seconds=2), tries=2)[1] == CONTENT
    assert len(web.requests) == 2


def test_a_date_to_come_back_is_understood(get: Get) -> None:
    """A date that has passed means now."""
    busy = sent(b"", 503, Retry_After=MODIFIED_DATE.replace("2026", "2016"))
    assert get(in_turn(busy, file(CONTENT)), tries=2)[1] == CONTENT


def test_a_server_that_is_busy_every_time_is_given_up(get: Get, web: WebServer) -> None:
    """After all retries, with its status."""
    with pytest.raises(DownloadFailed, match="the server answers 503 Service Unavailable; nothing"):
        get(sent(b"", 503, Retry_After="0"))
    assert len(web.requests) == LIMITS.tries


@pytest.mark.parametrize(
    ("retry_after", "limits"),
    [("601", {"total": 7200}), ("30", {"total": 20}), ("30", {"longest_pause": 29}), ("9" * 400, {})],
)
def test_a_server_that_is_busy_for_long_is_not_waited_for(
    get: Get, web: WebServer, retry_after: str, limits: dict[str, float]
) -> None:
    """Above ten minutes, or beyond the time that the download may take; the message says how long."""
    with pytest.raises(DownloadFailed, match="the server answers 429 Too Many Requests, and not to come back for"):
        get(sent(b"", 429, Retry_After=retry_after), **limits)
    assert len(web.requests) == 1


@pytest.mark.parametrize("retry_after", ["soon", "-1", "1.5", "²"])
def test_an_invalid_retry_after_is_ignored(get: Get, web: WebServer, retry_after: str) -> None:
    """The status ends the download at once, as without the header."""
    with pytest.raises(DownloadFailed, match="the server answers 503 Service Unavailable; nothing"):
        get(sent(b"", 503, Retry_After=retry_after))
    assert len(web.requests) == 1


def test_nobody_listening_is_said(tmp_path: Path) -> None:
    """The port is closed: refused, after all retries."""
    path = tmp_path / "file"
    with closed_port() as port, pytest.raises(DownloadFailed, match="Connection refused"):
        fetch(parse_location(f"http://127.0.0.1:{port}/dump"), path, NOTHING, LIMITS)


def test_progress_is_reported(web: WebServer, tmp_path: Path) -> None:
    """The number of bytes never decreases, and ends at the expected one."""
    web.paths["/dump"] = file(CONTENT)
    path = tmp_path / "file"
    reported: list[tuple[int, int | None]] = []
    fetch(parse_location(web.url("/dump")), path, NOTHING, LIMITS, progress=lambda *at: reported.append(at))
    assert reported == sorted(reported) and reported[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(get: Get, web: WebServer, status: int) -> None:
    """Of every status, relative ones, too."""
    web.paths["/elsewhere"] = file(CONTENT)
    assert get(redirect("elsewhere?x=1 2", status))[1] == CONTENT
    assert [path for path, _ in web.requests] == ["/dump", "/elsewhere"]


def test_a_redirect_loop_ends(get: Get, web: WebServer) -> None:
    """Five redirects, not more."""
    with pytest.raises(DownloadRefused, match="more than 5 redirects"):
        get(redirect("/dump"))
    assert len(web.requests) == 6


def test_a_loop_of_two_ends(get: Get, web: WebServer) -> None:
    """Back and forth, each time with another fragment."""
    web.paths["/other"] = redirect("/dump#there")
    with pytest.raises(DownloadRefused, match="more than 5 redirects"):
        get(redirect("/other#here"))
    assert [path for path, _ in web.requests] == ["/dump", "/other"] * 3


LOCATIONS = {
    "raw UTF-8": ("/Ångström/données.csv".encode(), "/%C3%85ngstr%C3%B6m/donn%C3%A9es.csv"),
    "raw Latin-1": ("/données.csv".encode("latin-1"), "/donn%E9es.csv"),
    "spaces": (b"/a b.csv ", "/a%20b.csv"),
    "a stray percent sign": (b"/100%.csv", "/100%25.csv"),
    "a fragment": (b"/a.csv#rows", "/a.csv"),
    "relative": (b"a.csv", "/a.csv"),
    "upwards": (b"../../a.csv", "/a.csv"),
    "no scheme": (b"//127.0.0.1:{port}/a.csv", "/a.csv"),
    "another case": (b"HTTP://LOCALHOST:{port}/a.csv", "/a.csv"),
    "a host in wide letters": ("http://ｌｏｃａｌｈｏｓｔ:{port}/a.csv".encode(), "/a.csv"),
    "a host in percent signs": (b"http://%6cocalhost:{port}/a.csv", "/a.csv"),
}


@pytest.mark.parametrize(("location", "path"), LOCATIONS.values(), ids=LOCATIONS)
def test_a_location_of_any_form_is_followed(get: Get, web: WebServer, location: bytes, path: str) -> None:
    """Forms that web servers send, valid or not; the request is ASCII."""
    web.paths[path] = file(CONTENT)
    sent_so = location.replace(b"{port}", str(web.port).encode()).decode("latin-1")
    assert get(redirect(sent_so))[1] == CONTENT
    assert [asked for asked, _ in web.requests] == ["/dump", path]


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("file:///etc/passwd", "it redirects to something else than http or https"),
        ("ftp://127.0.0.1/x", "it redirects to something else than http or https"),
        ("//[", "it redirects to something else than http or https"),
        ("javascript:alert(1)", "it redirects to something else than http or https"),
        ("", "it redirects without a target"),
        ("  ", "it redirects without a target"),
        ("https:///x", "it redirects to another address, and it names no host"),
        ("http://a b/", "it redirects to another address, and its host is not a valid name"),
        ("http://stra\xc3\x9fe.example/", "it redirects to another address, and its host has a letter of two meanings"),
        ("http://me:secret@h:port/", "it redirects to another address, and it is not a URL"),
    ],
)
def test_redirects_to_anything_but_the_web_are_refused(get: Get, to: str, why: str) -> None:
    """Never to a local file, another protocol, nothing, or an invalid host; no secret is in the message."""
    with pytest.raises(DownloadRefused, match=why) as caught:
        get(redirect(to))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["bücher.example", "b%C3%BCcher.example", "BÜCHER。example"])
def test_an_international_host_is_asked_for_by_its_ascii_name(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """In the request to a proxy: xn--, in the URL and in Host."""
    monkeypatch.setenv("http_proxy", web.url(""))
    web.paths["http://xn--bcher-kva.example/dump"] = file(CONTENT)
    path = tmp_path / "file"
    fetch(parse_location(f"http://{host}/dump"), path, NOTHING, LIMITS)
    assert path.read_bytes() == CONTENT and web.headers()["Host"] == "xn--bcher-kva.example"


def test_a_password_stays_with_its_server(get: Get, web: WebServer) -> None:
    """It is sent as a header, to the same origin after a redirect, too, and to no other."""
    with web_server(dump=file(CONTENT)) as other:
        web.paths["/next"] = redirect(other.url("/dump"))
        assert get(redirect("/next"), user="me:s%40cret")[1] == CONTENT
        assert [headers.get("Authorization") for _, headers in web.requests] == ["Basic bWU6c0BjcmV0"] * 2
        assert "Authorization" not in other.headers()


def test_a_list_behind_which_apache_writes_an_error_is_broken(get: Get, web: WebServer) -> None:
    """Although the status is 200 and the body is complete. An archive may have any end; a retry may be complete."""
    page = b"00000\n<html><head>\n<title>500 Internal Server Error</title>\n</head></html>\n"
    with pytest.raises(DownloadFailed, match="it ends in a web page"):
        get(file(CONTENT + page))
    assert get(in_turn(file(CONTENT + page), file(CONTENT)))[1] == CONTENT
    packed = gzip.compress(CONTENT) + b"</html>"
    assert get(file(packed))[1] == packed


def test_a_token_goes_where_a_password_does(web: WebServer, tmp_path: Path) -> None:
    """As X-N2K-Token, to the same origin after a redirect, too; not to another server, and not after a redirect back."""
    path = tmp_path / "file"
    with web_server() as other:
        web.paths["/dump"] = redirect("/next")
        web.paths["/next"] = redirect(other.url("/there"))
        other.paths["/there"] = redirect(web.url("/back"))
        web.paths["/back"] = file(CONTENT)
        fetch(parse_location(web.url("/dump")), path, NOTHING, LIMITS, token="n2k_secret")
        assert path.read_bytes() == CONTENT
        assert [headers.get("X-N2K-Token") for _, headers in web.requests] == ["n2k_secret", "n2k_secret", None]
        assert [headers.get("X-N2K-Token") for _, headers in other.requests] == [None]


@pytest.mark.parametrize("back", [True, False], ids=["and back", "and on"])
def test_a_password_never_goes_to_another_server(get: Get, web: WebServer, back: bool) -> None:
    """Not to another host name or another port; a redirect back does not restore it."""
    with web_server() as other:
        other.paths["/there"] = redirect(web.url("/back")) if back else file(CONTENT)
        web.paths["/back"] = file(CONTENT)
        to = f"//localhost:{web.port}/back" if back else other.url("/there")
        assert get(redirect(to), user="me:secret")[1] == CONTENT
        assert [("Authorization" in headers) for _, headers in web.requests + other.requests] == [True, False]


def test_the_proxy_of_the_environment_is_used(web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request for another host is sent to the proxy, with its whole URL."""
    monkeypatch.setenv("http_proxy", web.url(""))
    web.paths["http://dumps.invalid/file"] = file(CONTENT)
    path = tmp_path / "file"
    fetch(parse_location("http://dumps.invalid/file"), path, NOTHING, LIMITS)
    assert path.read_bytes() == CONTENT and web.headers()["Host"] == "dumps.invalid"


def test_https_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A self-signed certificate is rejected at once; one that the system trusts is accepted."""
    path = tmp_path / "file"
    with web_server(https=True, dump=file(CONTENT), plain=redirect("http://127.0.0.1:9/")) as web:
        with pytest.raises(DownloadRefused, match="its certificate is not valid"):
            fetch(parse_location(web.url("/dump")), path, NOTHING, LIMITS)
        assert web.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        fetch(parse_location(web.url("/dump")), path, NOTHING, LIMITS)
        assert path.read_bytes() == CONTENT
        with pytest.raises(DownloadRefused, match="from https to http"):
            fetch(parse_location(web.url("/plain")), path, NOTHING, LIMITS)
