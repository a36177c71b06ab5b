"""The areas of the web layer: what each defines, and that a new one is a folder and a line."""

import io
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import n2k_fcgi.web
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.web import areas, express
from n2k_fcgi.web.area import Area
from n2k_fcgi.web.areas import AREAS, area_of
from n2k_fcgi.web.requests import Request
from tests.support.asking import wsgi
from tests.support.golden import Ask
from tests.support.sandbox import Sandbox

AREA_OF_VALUES = """
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.area import Area, Route
from n2k_fcgi.web.requests import token_in_headers
from n2k_fcgi.web.responses import error as line


def error(request, status, message, headers):
    as_json = "format=json" in request.environ.get("REQUEST_URI", "")
    return json_bodies.error(request, status, message, headers) if as_json else line(status, message, headers)


AREA = Area(
    folder="values",
    prefixes=(b"/values",),
    routes=(Route("/values/<key>", "one.get"), Route("/values/<key>", "one.put", ("PUT", "POST"))),
    error=error,
    token=token_in_headers,
    hint="ask for /values/KEY",
)
"""
VIEWS_OF_VALUES = """
from n2k_fcgi.errors import NotFound
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.web.responses import Answer

KEPT = {}


def get(request, services, key):
    if key not in KEPT:
        raise NotFound(what=key)
    return Answer(200, KEPT[key], "application/octet-stream")


def put(request, services, key):
    services.access().count(request, services.access().may(request, Scope.ADMIN))
    KEPT[key] = request.data
    return Answer(200, b"")
"""


@pytest.fixture
def with_values(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ask, str]]:
    """The application with one more area, and a token that permits everything."""
    folder = tmp_path / "values"
    folder.mkdir()
    (folder / "__init__.py").write_text(AREA_OF_VALUES)
    (folder / "one.py").write_text(VIEWS_OF_VALUES)
    monkeypatch.setattr(n2k_fcgi.web, "__path__", [*n2k_fcgi.web.__path__, str(tmp_path)])
    monkeypatch.setattr(areas, "AREAS", (import_module("n2k_fcgi.web.values").AREA, *AREAS))
    monkeypatch.setattr(areas, "FIXED", areas.fixed_addresses(areas.AREAS))
    monkeypatch.setattr(areas, "OF_ONE", areas.addresses_of_one(areas.AREAS))
    monkeypatch.setattr(areas, "KINDS", areas.kinds(areas.AREAS))
    token = create_token(sandbox.store.tokens, (Scope.ADMIN,)).text
    sandbox.store.close()
    application = LiveApplication({"data_dir": str(sandbox.data_dir)})
    yield wsgi(application), token
    application.close()


def test_a_new_area_is_a_folder_and_a_line(with_values: tuple[Ask, str]) -> None:
    """Values in bodies, tokens in headers only, every error as a line or as JSON; the other areas answer as before."""
    ask, token = with_values
    value = b"\0 any bytes, token=" + token.encode()
    assert ask("PUT", "/values/a", {}, value).status == 401
    assert (
        ask("POST", "/values/a", {"Content-Type": "application/x-www-form-urlencoded"}, b"token=" + token.encode()).status
        == 401
    )
    assert ask("PUT", "/values/a", {"X-N2K-Token": token}, value).status == 200
    found = ask("GET", "/values/a", {}, b"")
    assert (found.body, found.headers["content-type"]) == (value, "application/octet-stream")
    for method, target, status in (("GET", "/values/b", 404), ("DELETE", "/values/a", 405), ("GET", "/values", 404)):
        line, as_json = ask(method, target, {}, b""), ask(method, target + "?format=json", {}, b"")
        assert (line.status, line.headers["content-type"]) == (status, "text/plain; charset=utf-8")
        assert (as_json.status, as_json.headers["content-type"]) == (status, "application/json")
    assert ask("GET", "/values", {}, b"").body == b"nothing here: ask for /values/KEY\n"
    assert ask("GET", "/api/v1/nothing", {}, b"").headers["content-type"] == "application/json"
    assert ask("GET", "/?name=Nobody+Here", {}, b"").status == 200


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.folder)
def test_an_area_keeps_to_its_prefixes(area: Area) -> None:
    """The path of each of its addresses is recognised as its own."""
    for route in area.routes:
        assert area_of(Request({"REQUEST_URI": route.path}, 0)) is area


ODD = (
    *(
        "",
        "/",
        "x",
        "x/",
        "/x",
        "x//history",
        "x/history",
        "x/history/",
        "/history",
        "history",
        "history/history",
        "x/y/history",
    ),
    *(
        "%2Fx",
        "x%2Fhistory",
        "x%0A",
        "x%",
        "x%zz",
        "%C3%A9",
        "\xe9",
        "\xc3\xa9",
        "%FF",
        ".",
        "..",
        "../avatars",
        "x;y",
        "x y",
        "<key>",
    ),
)


@pytest.mark.parametrize("rest", ODD)
def test_the_fast_path_answers_odd_addresses_as_the_routes_do(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, rest: str
) -> None:
    """Where a value is, is empty, has slashes or escapes, or is none."""
    sandbox.store.close()
    application = LiveApplication({"data_dir": str(sandbox.data_dir)})
    ask = wsgi(application)
    targets = [f"/api/v1/{folder}/{rest}" for folder in ("avatars", "forgotten", "pending")]
    try:
        for method in ("GET", "HEAD", "POST", "DELETE"):
            fast = [ask(method, target, {}, b"") for target in targets]
            with monkeypatch.context() as slow:
                slow.setattr(express, "address", lambda request: None)
                assert [ask(method, target, {}, b"") for target in targets] == fast
    finally:
        application.close()


def asked(body: bytes = b"", **headers: str) -> Request:
    """A POST with a form in its body."""
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    environ |= {"CONTENT_LENGTH": str(len(body)), "REQUEST_URI": "/?token=in-the-url"}
    return Request(
        {**environ, "wsgi.input": io.BytesIO(body), **{f"HTTP_{name}": value for name, value in headers.items()}}, 99
    )


@pytest.mark.parametrize(
    ("headers", "body", "classic", "api"),
    [
        ({}, b"", "", ""),
        ({"X_N2K_TOKEN": "a"}, b"token=b", "a", "a"),
        ({"AUTHORIZATION": "bearer  a "}, b"token=b", "a", "a"),
        ({"AUTHORIZATION": "Basic a"}, b"token=b", "b", ""),
        ({"X_N2K_TOKEN": "a", "AUTHORIZATION": "Bearer c"}, b"", "a", "a"),
        ({}, b"token=b", "b", ""),
    ],
)
def test_where_an_area_finds_the_token(headers: dict[str, str], body: bytes, classic: str, api: str) -> None:
    """In a header; in a form only where bodies are forms; in a URL never."""
    found = {area.folder: area.token(asked(body, **headers)) for area in AREAS}
    assert found == {"classic": classic, "api": api, "db": api, "pages": api}
