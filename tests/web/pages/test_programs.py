"""The API page: the OpenAPI file, whole, with examples that run against the server that shows them."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.web.api.overview import OPENAPI
from tests.support.asking import over_http
from tests.support.people import BROWSER, Page, visiting
from tests.support.sandbox import MASAKAZU, Sandbox, csv
from tests.support.standalone import serving

DESCRIPTION = json.loads(OPENAPI.read_text())
OPERATIONS = [node for path in DESCRIPTION["paths"].values() for node in path.values() if "operationId" in node]


@pytest.fixture
def people(sandbox: Sandbox) -> Sandbox:
    """The avatar of the examples."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    return sandbox


def test_everything_of_the_file_is_on_the_page(people: Sandbox) -> None:
    """Each operation with its words, parameters and answers; each can be linked to."""
    with visiting(people) as visitor:
        page = visitor.page("/programs")
    assert len(OPERATIONS) > 20
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for node in OPERATIONS:
        assert node["operationId"] in ids and node["summary"] in page.text
        assert " ".join(node.get("description", "").split()) in page.text
    for parameter in DESCRIPTION["components"]["parameters"].values():
        assert parameter["name"] in page.text and parameter.get("description", "") in page.text
    assert page.text.count("curl ") == len(OPERATIONS)


def curl(command: str, folder: Path) -> int:
    """Type a command as it stands on the page, in *folder*; the status of its answer."""
    typed = [*shlex.split(command), "-s", "-o", os.devnull, "-w", "%{http_code}"]
    return int(subprocess.run(typed, capture_output=True, cwd=folder, check=True).stdout)


def test_its_examples_run(people: Sandbox, tmp_path: Path) -> None:
    """Each command, typed as it stands there, is answered by this server; so is each link.

    Without a token all are 200. With one for a namespace those of values are stored, read, counted and removed.
    """
    people.store.keyvalue.create("shop", Terms(10**6, 1000))
    token = create_token(people.store.tokens, ("keyvalue",), namespace="shop").text
    (tmp_path / "token.header").write_text(f"X-N2K-Token: {token}")
    people.store.close()
    with serving(people.data_dir) as (host, port, _):
        root = f"http://{host}:{port}/"
        page = Page(over_http(host, port)("GET", "/programs", {"Accept": BROWSER}, b"").body)
        commands = [text for text in page.of_tag("pre") if text.startswith("curl ")]
        assert len(commands) == len(OPERATIONS) and all(root in command for command in commands)
        open_ones = [command for command in commands if "@token.header" not in command]
        assert len(open_ones) >= 7 and {curl(command, tmp_path) for command in open_ones} == {200}
        of_values = {command: curl(command, tmp_path) for command in commands if f"{root}db" in command}
        assert len(of_values) == 8 and set(of_values.values()) <= {200, 201, 404, 409}, of_values
        assert sum(status in (200, 201) for status in of_values.values()) >= 6, of_values
        links = [link for link in page.links if "api/v1" in link or link.startswith("./?")]
        assert len(links) > 7 and {curl(f"curl {shlex.quote(root + link)}", tmp_path) for link in links} == {200}


def test_a_closed_search_has_no_link(people: Sandbox) -> None:
    """It would be refused."""
    with visiting(people, search="token") as visitor:
        assert not [link for link in visitor.page("/programs").links if "search?" in link]


@pytest.mark.parametrize(
    ("headers", "mount", "settings", "root"),
    [
        ({"Host": "example.com"}, "", {}, "http://example.com/"),
        ({"Host": "example.com:8080"}, "/n2k", {}, "http://example.com:8080/n2k/"),
        ({"Host": "example.com", "X_Forwarded_Proto": "https"}, "/n2k", {}, "https://example.com/n2k/"),
        ({"Host": "example.com"}, "/n2k", {"url": "https://example.org/avatars"}, "https://example.org/avatars/"),
        ({"Host": 'evil.example/"><script>'}, "/n2k", {}, "http://localhost/n2k/"),
        ({"Host": "[::1]:3000"}, "", {}, "http://[::1]:3000/"),
    ],
)
def test_the_address_in_examples_is_the_servers_own(
    people: Sandbox, headers: dict[str, str], mount: str, settings: dict[str, str], root: str
) -> None:
    """The setting ``url``, else where the browser asked; a Host that is none is not repeated."""
    with visiting(people, mount, **settings) as visitor:
        text = visitor.page("/programs", **headers).text
        assert f"curl '{root}api/v1/avatars?name=Masakazu+Kojima'" in text and "evil" not in text
        assert f'URL = "{root}"' in visitor.page("/scripts/query", **headers).text
