"""URLs of dumps: which are accepted, and which parts may be shown."""

from base64 import b64encode

import pytest

from n2k_fcgi.errors import DownloadRefused
from n2k_fcgi.service.dumps.location import is_url, parse_location


def test_user_password_and_query_are_not_shown() -> None:
    """The text of a location is safe for logs; the requested URL is kept separately."""
    location = parse_location("https://me:secret@Example.org:8443/a b/dump.bz2?token=secret#x")
    assert str(location) == "https://example.org:8443/a%20b/dump.bz2"
    assert location.url == "https://example.org:8443/a%20b/dump.bz2?token=secret"
    assert "secret" not in repr(location) and location.authorization == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize(
    ("url", "name"),
    [("http://h/a/b.csv?x=1", "b.csv"), ("http://h", "h"), ("http://h:1/", "h:1"), ("http://[::1]/d", "d")],
)
def test_the_file_name(url: str, name: str) -> None:
    """The last part of the path, or the host."""
    assert parse_location(url).file_name == name


@pytest.mark.parametrize(
    "url",
    ["ftp://me:secret@h/x", "file:///secret", "http://", "http://me:secret@h:port/", "http://[secret/", "https://me:secret@/x"],
)
def test_what_is_no_web_address_is_refused_without_its_secrets(url: str) -> None:
    """The message has no password, nor text that may be one."""
    with pytest.raises(DownloadRefused) as caught:
        parse_location(url)
    assert "secret" not in str(caught.value)


def test_https_is_never_left() -> None:
    """A redirect from https to http is refused, from http to https it is followed."""
    with pytest.raises(DownloadRefused, match="from https to http"):
        parse_location("https://h/x").redirected("http://h/x")
    assert parse_location("http://h/x").redirected("https://h/x").url == "https://h/x"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h/Ångström 1.csv", "http://h/%C3%85ngstr%C3%B6m%201.csv"),
        ("http://h/100%.csv?a=5%&b=%41", "http://h/100%25.csv?a=5%25&b=%41"),
        ("http://h/\udce9t\udce9.csv", "http://h/%E9t%E9.csv"),
        ("http://h:80/x", "http://h/x"),
        ("https://h:443/x#part", "https://h/x"),
        ("HTTP://Bücher.Example/x", "http://xn--bcher-kva.example/x"),
        ("http://b%C3%BCcher.example/x", "http://xn--bcher-kva.example/x"),
        ("http://日本語。jp:8080/", "http://xn--wgv71a119e.jp:8080/"),
        ("http://xn--bcher-kva.example./x", "http://xn--bcher-kva.example./x"),
        ("http://my_host-1/x@y", "http://my_host-1/x@y"),
        ("http://[FE80::1]:81/", "http://[fe80::1]:81/"),
        ("http://h", "http://h/"),
    ],
)
def test_any_address_is_asked_for_in_ascii(text: str, url: str) -> None:
    """Spaces, UTF-8, other bytes, stray percent signs and international hosts are encoded as servers accept them."""
    assert parse_location(text).url == url


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        ("me:pa%3Ass%40", b"me:pa:ss@"),
        ("mé:pä@ß", "mé:pä@ß".encode()),
        ("m\udce9", b"m\xe9:"),
        ("me", b"me:"),
        (":pw", b":pw"),
    ],
)
def test_any_user_and_password_are_sent(user: str, authorization: bytes) -> None:
    """Percent-encoded, raw or not in UTF-8: the header of RFC 7617 has the intended bytes."""
    assert parse_location(f"https://{user}@h/x") == ("https://h/x", "Basic " + b64encode(authorization).decode())
    assert parse_location("https://@h/x") == parse_location("https://:@h/x") == ("https://h/x", "")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://me:secret@straße.example/x", "a letter of two meanings"),
        ("https://me:secret@a..b/", "not a valid name"),
        ("https://me:secret@a b/", "not a valid name"),
        ("https://me:secret@h%2Fx/", "not a valid name"),
        ("https://me:secret@%00/", "not a valid name"),
        (f"https://me:secret@{'ü' * 70}.example/", "not a valid name"),
        (f"https://me:secret@{'a.' * 200}example/", "not a valid name"),
        ("https://me:secret@-h/", "not a valid name"),
        ("https://me:secret@h:99999/", "it is not a URL"),
        ("https://me:secret@h/\ud800", "it is not a URL"),
        ("https://me:se/cret@h/", "there is an @ after its host"),
        ("https://me:1/secret@h/", "there is an @ after its host"),
        ("https://me:1?secret@h/", "there is an @ after its host"),
        ("https://me:443#secret@h/", "there is an @ after its host"),
        ("https:/me:secret@h/", "it names no host"),
        ("https:me:secret@h/", "it names no host"),
    ],
)
def test_a_bad_host_is_refused_with_the_reason(url: str, why: str) -> None:
    """Hosts that Python reads differently than browsers, invalid ones, parts of a password: none is shown."""
    with pytest.raises(DownloadRefused, match=why) as caught:
        parse_location(url)
    assert "secret" not in str(caught.value) and "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("to", "url"),
    [
        ("b.csv", "http://h/a/b.csv"),
        ("../b", "http://h/b"),
        ("/b c", "http://h/b%20c"),
        ("?x=é", "http://h/a/dump?x=%C3%A9"),
        ("//other/b", "http://other/b"),
        ("//bücher.example/b", "http://xn--bcher-kva.example/b"),
        ("b#fragment", "http://h/a/b"),
        ("#fragment", "http://h/a/dump?old=1"),
        (" HTTP://Other:80/b ", "http://other/b"),
        ("http://h:1/x@y", "http://h:1/x@y"),
    ],
)
def test_redirects_of_every_form(to: str, url: str) -> None:
    """Relative, without a scheme, with raw characters, with a fragment."""
    assert parse_location("http://h/a/dump?old=1").redirected(to).url == url


@pytest.mark.parametrize(
    ("source", "to", "goes_along"),
    [
        ("http://{}h/a", "/b", True),
        ("http://{}h/a", "http://H:80/b", True),
        ("http://{}h/a", "https://h/b", True),
        ("http://{}h/a", "https://h:8443/b", False),
        ("http://{}h:8080/a", "https://h:8080/b", False),
        ("http://{}h/a", "http://h:81/b", False),
        ("http://{}h/a", "http://h.evil/b", False),
        ("http://{}h/a", "//h@evil/b", False),
        ("https://{}h/a", "https://www.h/b", False),
    ],
)
def test_where_a_password_goes_along(source: str, to: str, goes_along: bool) -> None:
    """To the same host and port, or up to https; never to another host or another port."""
    password = parse_location(source.format("me:secret@"))
    assert (password.redirected(to).authorization == password.authorization) is goes_along


def test_a_redirect_with_a_password_of_its_own_uses_that() -> None:
    """It is the other server's; ours is not sent."""
    assert parse_location("http://me:secret@h/").redirected("http://guest:guest@o/").authorization == "Basic Z3Vlc3Q6Z3Vlc3Q="


def test_urls_and_paths() -> None:
    """Text with a scheme is a URL; all other text is a path."""
    assert is_url("http://x") and is_url("FTP://x") and is_url("file:///x") and is_url("https:/x") and is_url("HTTP:x")
    assert not is_url("dump.csv") and not is_url("/tmp/a://b") and not is_url("C:/x") and not is_url("http")
