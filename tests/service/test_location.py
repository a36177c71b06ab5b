"""Where a dump may be fetched, and what of an address may be shown."""

import pytest

from n2k_fcgi.errors import DownloadRefused
from n2k_fcgi.service.location import is_url, parse_location


def test_user_password_and_query_are_not_shown() -> None:
    """As text a location is fit for a log; what is asked with is kept apart."""
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
    """The message has no password, nor what may be one."""
    with pytest.raises(DownloadRefused) as caught:
        parse_location(url)
    assert "secret" not in str(caught.value)


def test_https_is_never_left() -> None:
    """A redirect from https to http is refused, the other way it is followed."""
    with pytest.raises(DownloadRefused, match="from https to http"):
        parse_location("https://h/x").redirected("http://h/x")
    assert parse_location("http://h/x").redirected("https://h/x").url == "https://h/x"


def test_urls_and_paths() -> None:
    """A scheme makes a URL; everything else is a path."""
    assert is_url("http://x") and is_url("FTP://x") and is_url("file:///x")
    assert not is_url("dump.csv") and not is_url("/tmp/a://b") and not is_url("C:/x")
