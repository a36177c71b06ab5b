"""The OpenAPI file: it has every address, it is served, and the real application answers as it describes, for any request."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.web.areas import AREAS
from n2k_fcgi.web.routes import routes_of
from tests.support.asking import wsgi
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv
from tests.support.with_clock import limits_by

pytestmark = pytest.mark.unmeasured

FILE = Path(__file__).parents[2] / "n2k_fcgi" / "web" / "api" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
MODES = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & set(DOCUMENT["paths"][path][method])
]
"""An operation without parameters has no invalid requests."""
KNOWN = [
    ("/api/v1/avatars", {"name": "Masakazu Kojima"}, {}),
    ("/api/v1/avatars", {"name": "Masakazu Newname", "grid": "Production", "max_bytes": 1000}, {}),
    ("/api/v1/avatars", {"name": "Seen Here"}, {}),
    ("/api/v1/avatars/{key}", {}, {"key": MASAKAZU}),
    ("/api/v1/avatars/{key}/history", {}, {"key": MASAKAZU}),
    ("/api/v1/search", {"prefix": "m"}, {}),
    ("/api/v1/search", {"prefix": "m", "limit": 1, "reverse": "1"}, {}),
]
"""Requests that find an avatar: generated ones do not."""
REFUSED = [{"op": "delete", "key": "x"}, {"op": "put", "key": "b", "text": "", "if_version": "1"}]
VALUES: list[tuple[str, str, dict[str, Any], Any, str, int]] = [
    ("GET", "/db/{key}", {}, None, "", 200),
    ("GET", "/db", {"key": "json"}, None, "", 200),
    ("GET", "/db/{key}", {"format": "json", "bytes": 1}, None, "Entry", 200),
    ("GET", "/db", {"key": "json", "format": "json"}, None, "Entry", 200),
    ("GET", "/db", {}, None, "", 200),
    ("GET", "/db", {"format": "json", "limit": 1}, None, "EntryKeys", 200),
    ("GET", "/db", {"values": "1"}, None, "Entries", 200),
    ("GET", "/db", {"count": "1", "format": "json"}, None, "EntryCount", 200),
    ("GET", "/db", {"since": "0"}, None, "", 200),
    ("GET", "/db", {"since": "0", "format": "json"}, None, "Changes", 200),
    ("GET", "/db", {"since": "5", "format": "json"}, None, "ValueError", 410),
    ("GET", "/db", {"op": "space", "format": "json"}, None, "Space", 200),
    ("PUT", "/db/{key}", {"format": "json"}, "1", "Written", 200),
    ("PUT", "/db", {"format": "json", "key": "new", "ttl_ms": 86400000}, "1", "Written", 201),
    ("PUT", "/db/{key}", {"if": "absent"}, "1", "", 412),
    ("POST", "/db/{key}", {"op": "incr", "by": "5"}, None, "", 200),
    ("POST", "/db/{key}", {"op": "incr", "format": "json"}, None, "Written", 200),
    ("POST", "/db/{key}", {"op": "id", "format": "json"}, None, "Written", 200),
    ("POST", "/db", {"key": "json", "op": "incr"}, None, "", 409),
    ("POST", "/db", {"op": "sequence", "name": "n", "count": 7, "format": "json"}, None, "Lease", 200),
    ("POST", "/db", {"op": "batch"}, {"operations": [{"op": "put", "key": "b", "json": [1]}]}, "BatchResults", 200),
    ("POST", "/db", {"op": "batch"}, {"operations": [{"op": "get", "key": "b"}]}, "BatchResults", 200),
    ("POST", "/db", {"op": "get"}, {"keys": ["b", "none"]}, "NamedEntries", 200),
    ("POST", "/db", {"op": "batch", "format": "json"}, {"operations": REFUSED}, "ValueError", 404),
    ("POST", "/db", {"op": "cas", "format": "json"}, {"key": "b", "old": "[1]", "new": "2"}, "Written", 200),
    ("DELETE", "/db", {"key": "b", "format": "json"}, None, "Written", 200),
    ("DELETE", "/db/{key}", {"if": "exists"}, None, "", 200),
    ("POST", "/db", {"op": "flush", "format": "json"}, None, "Flushed", 200),
]  # fmt: skip
"""Requests to the key-value service, in this order: what each answers has a schema of its own, if it is one JSON object."""
EXAMPLES = int(os.environ.get("EXAMPLES", "12"))
"""Generated requests of each kind; ``make test-long`` has more."""
HIGH = {name: "1000000" for name in ("write_limit", "token_limit", "failure_limit")}


class Served(NamedTuple):
    """The application, and tokens."""

    application: LiveApplication
    admin: str
    shop: str
    """For a namespace of the key-value service."""

    def token(self, path: str) -> str:
        """One that may do everything there."""
        return self.shop if path.startswith("/db") else self.admin


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The real application on a real directory, all its files open."""
    box = Sandbox(tmp_path_factory.mktemp("openapi") / "data")
    box.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")), as_of=100)
    box.import_text(csv((MASAKAZU, "Masakazu Newname"), (USERNAME, "Username Resident")), as_of=200)
    box.register("Seen Here", "99999999-1111-4111-8111-111111111111")
    token = create_token(box.store.tokens, ("admin",)).text
    box.store.keyvalue.create("shop", Terms(10_000_000, 100_000))
    shop = create_token(box.store.tokens, ("keyvalue",), namespace="shop").text
    box.close()
    # The process of the tests is large: no file may be closed, and opened by another test, for its resident memory.
    application = LiveApplication({"data_dir": str(box.data_dir), "map_resident": "64G", **HIGH})
    offer = json.dumps({"name": "Opens Files", "key": "88888888-1111-4111-8111-111111111111"}).encode()
    assert wsgi(application)("POST", "/api/v1/avatars", {"X-N2K-Token": token}, offer).status == 200
    for key, kind, value in (("score", "text/plain", b"42"), ("json", "application/json", b'{"a": [1]}')):
        assert wsgi(application)("PUT", f"/db/{key}", {"X-N2K-Token": shop, "Content-Type": kind}, value).status == 201
    yield Served(application, token, shop)
    application.close()
    assert box.problems() == []
    box.close()


def test_the_file_is_openapi() -> None:
    """Valid by the specification's own schema, references included."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_has_the_addresses_of_the_table() -> None:
    """Every path and method below /api/v1 and /db, and no other."""
    table = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for area in AREAS
        for rule in routes_of(area).iter_rules()
        if rule.rule.startswith(("/api/v1/", "/db"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert table == set(OPERATIONS)


def test_it_is_served(served: Served) -> None:
    """As it is, without a token."""
    answer = wsgi(served.application)("GET", "/api/v1/openapi.json", {}, b"")
    assert (answer.status, json.loads(answer.body)) == (200, DOCUMENT)


def described(application: LiveApplication) -> Any:
    """The schema as the application serves it, for requests to that application."""

    def as_a_server(environ: dict[str, Any], start_response: Any) -> Any:
        """Werkzeug's client omits the query in REQUEST_URI, servers do not."""
        query = environ["QUERY_STRING"]
        environ["REQUEST_URI"] = environ["REQUEST_URI"].partition("?")[0] + ("?" + query if query else "")
        return application(environ, start_response)

    load_all_checks()
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", as_a_server)
    schema.config.update(base_url="http://localhost")  # it does not resolve a server that is relative to the document
    return schema


@pytest.mark.parametrize(("path", "query", "parts"), KNOWN)
def test_who_is_found_is_as_described(served: Served, path: str, query: dict[str, Any], parts: dict[str, str]) -> None:
    """200 with an avatar and an ETag, then 304 for that ETag; both as the file says."""
    operation = described(served.application)[path]["GET"]
    found = operation.Case(query=query, path_parameters=parts).call_and_validate(checks=CHECKS)
    assert found.status_code == 200 and (found.json().get("avatars") or found.json()["names"])
    again = {"If-None-Match": found.headers["etag"][0]}
    same = operation.Case(query=query, path_parameters=parts, headers=again).call_and_validate(checks=CHECKS)
    assert same.status_code == 304


def test_values_are_as_described(served: Served) -> None:
    """One request after another: as the file says, and a JSON object is of the schema that it should be."""
    schema = described(served.application)
    for method, path, query, body, name, status in VALUES:
        case = schema[path][method].Case(
            query=query,
            path_parameters={"key": "score"} if "{key}" in path else {},
            body=schemathesis.core.NOT_SET if body is None else body,
            media_type="text/plain" if isinstance(body, str) else "application/json" if body else None,
        )
        answer = case.call_and_validate(headers={"X-N2K-Token": served.shop}, checks=CHECKS)
        assert answer.status_code == status, (method, path, query, answer.text)
        if name:
            kind = {**DOCUMENT["components"]["schemas"][name], "components": DOCUMENT["components"]}
            jsonschema.validate(answer.json(), kind)


def test_a_refused_name_is_as_described(served: Served) -> None:
    """409 for a name that belongs to another key."""
    body = {"name": "Governor Linden", "key": "77777777-1111-4111-8111-111111111111"}
    case = described(served.application)["/api/v1/avatars"]["POST"].Case(body=body, media_type="application/json")
    assert case.call_and_validate(headers={"X-N2K-Token": served.admin}, checks=CHECKS).status_code == 409


def test_limits_are_as_described(tmp_path: Path) -> None:
    """429 with Retry-After when the limits are low."""
    box = Sandbox(tmp_path / "data")
    box.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=100)
    box.close()
    with limits_by():
        application = LiveApplication({"data_dir": str(box.data_dir), "write_limit": "1"})
    operation = described(application)["/api/v1/pending"]["POST"]
    body = {"keys": ["66666666-1111-4111-8111-111111111111"]}
    answers = [operation.Case(body=body, media_type="application/json").call_and_validate(checks=CHECKS) for _ in range(2)]
    application.close()
    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1].headers["retry-after"][0]) > 0


@pytest.mark.parametrize("with_token", [True, False], ids=["token", "anybody"])
@pytest.mark.parametrize(("path", "method", "mode"), MODES, ids=lambda part: getattr(part, "value", part))
def test_every_answer_is_as_described(served: Served, path: str, method: str, mode: GenerationMode, with_token: bool) -> None:
    """Generated requests, good and bad: never a 5xx; status, type, headers and body as the file says."""
    schema = described(served.application)
    headers = {"X-N2K-Token": served.token(path)} if with_token else {}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method.upper()].as_strategy(mode))
    def fuzz(case: "schemathesis.Case[Any]") -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    fuzz()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize("path", sorted(DOCUMENT["paths"]))
def test_other_methods_are_refused(served: Served, path: str, method: str) -> None:
    """405 with one object, below /db one line, and what is allowed; OPTIONS says the same."""
    ask = wsgi(served.application)
    target = path.replace("{key}", MASAKAZU)
    allowed = {name.upper() for name in DOCUMENT["paths"][path]} | {"OPTIONS"}
    preflight = ask("OPTIONS", target, {"Origin": "https://example.org"}, b"")
    assert preflight.status == 200
    assert set(preflight.headers["access-control-allow-methods"].split(", ")) - {"HEAD"} == allowed
    if method in allowed:
        return
    answer = ask(method, target, {}, b"")
    line = answer.body.decode() if path.startswith("/db") else json.loads(answer.body)["error"]
    assert answer.status == 405 and "method not allowed" in line
    assert answer.headers["allow"] == preflight.headers["access-control-allow-methods"]
