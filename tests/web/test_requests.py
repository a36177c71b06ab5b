"""Parts of a request: headers, callers, areas, limits, numbers."""

import io
from pathlib import Path

import pytest

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.web.areas import area_of
from n2k_fcgi.web.browser import wants_page
from n2k_fcgi.web.requests import IN_WORLD_BYTES, LARGEST_BODY, MAX_QUERY, Request, number
from tests.support.asking import cgi_environ, wsgi
from tests.support.sandbox import MASAKAZU, Sandbox


def request(target: str = "/", **headers: str) -> Request:
    """A GET with these headers."""
    environ = cgi_environ("GET", target, {name.replace("_", "-"): text for name, text in headers.items()}, b"")
    return Request({**environ, "wsgi.input": io.BytesIO()}, 1000)


def test_a_query_has_a_bound() -> None:
    """MAX_QUERY bytes are read, one more is refused."""
    assert request("/?name=" + "x" * (MAX_QUERY - 5)).query["name"] == "x" * (MAX_QUERY - 5)
    with pytest.raises(BadRequest, match="a query string of more than"):
        request("/?name=" + "x" * (MAX_QUERY - 4)).query  # noqa: B018 - reading it is what is asked


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("plain", "plain"),
        ("Zoë".encode().decode("latin-1"), "Zoë"),
        ("Zoë", "Zoë"),
        ("日本".encode().decode("latin-1"), "日本"),
    ],
)
def test_a_header_is_utf_8_where_it_can_be(sent: str, read: str) -> None:
    """Servers pass headers on as latin-1; a value that is not UTF-8 is read as that."""
    assert request(X_SecondLife_Region=sent).header("X_SECONDLIFE_REGION") == read


@pytest.mark.parametrize("header", ["X_SecondLife_Shard", "X_SecondLife_Owner_Key"])
def test_either_header_says_that_a_script_asks(header: str) -> None:
    """Such a caller gets lines and no page, truncated to what it can read."""
    asked = request(**{header: "x"}, Accept="text/html")
    assert asked.is_in_world and not wants_page(asked) and asked.kept_bytes({}) == IN_WORLD_BYTES
    asked = request(Accept="text/html", X_SecondLife_Object_Name="x")
    assert not asked.is_in_world and wants_page(asked) and asked.kept_bytes({}) is None


@pytest.mark.parametrize(("asked", "room"), [("1", 1), ("2048", 2048), ("16384", LARGEST_BODY), ("99999999", LARGEST_BODY)])
def test_nobody_is_given_more_than_a_script_can_keep(asked: str, room: int) -> None:
    """``max_bytes`` is for scripts, which can read 16,384 bytes at most."""
    assert request("/").kept_bytes({"max_bytes": asked}) == room


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        *(("/api/v1", "api"), ("/api/v1/", "api"), ("/api/v1/x", "api"), ("/api/v10", "api"), ("/api", "api")),
        *(("/apiary", "classic"), ("/v1/api/", "classic"), ("/", "classic"), ("/name2key/api", "classic")),
    ],
)
def test_an_area_is_found_by_the_path(path: str, folder: str) -> None:
    """Its prefix and the paths below it, not those that begin with the same letters; all others belong to the classic area."""
    assert area_of(request(path)).folder == folder


@pytest.mark.parametrize("text", ["", "0", "11", "-1", "+5", "5.0", "٥", "five", "9" * 10, "9" * 5000, "0000000005"])
def test_what_is_no_number(text: str) -> None:
    """Out of bounds, no ASCII digits, or more digits than any number here has."""
    with pytest.raises(BadRequest, match="limit is a whole number from 1 to 10"):
        number(text, "limit", 1, 10)
    assert [number(str(value), "limit", 1, 10) for value in (1, 10)] == [1, 10]


def test_a_source_is_short_and_can_be_shown() -> None:
    """Headers can be forged: at most 100 printable characters are stored, and keys are keys or empty."""
    source = request(
        X_SecondLife_Region="Garden\x1b[2J" + "x" * 5000,
        X_SecondLife_Shard="Open\tSim",
        X_SecondLife_Object_Key=f" {MASAKAZU.upper()} ",
        X_SecondLife_Owner_Key="x" * 5000,
    ).source()
    assert source.region == "Garden[2J" + "x" * 91 and source.grid == "OpenSim"
    assert (source.object_key, source.owner_key) == (MASAKAZU, "")


@pytest.mark.parametrize("limit", ["9" * 5000, "0" * 5000, "1e3"])
def test_a_number_of_thousands_of_digits_is_the_callers_mistake(tmp_path: Path, limit: str) -> None:
    """Python refuses to read such a number with its own message; the answer is a 400 of one line."""
    Sandbox(tmp_path / "data").close()
    application = LiveApplication({"data_dir": str(tmp_path / "data")})
    try:
        reply = wsgi(application)("GET", f"/api/v1/search?prefix=a&limit={limit}", {}, b"")
    finally:
        application.close()
    assert reply.status == 400 and b"limit is a whole number from 1 to 1000" in reply.body
